//! Patterns beside an oracle that looks at each minute, in zones whose clocks are changed.

use super::cron::{Cron, CronError};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeSet;

const ZONES: [&str; 6] =
    ["UTC", "Europe/Berlin", "America/Los_Angeles", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu"];

/// The numbers of one field.
fn numbers(field: &str, low: u32, high: u32) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    for part in field.split(',') {
        let (range, step) = part.split_once('/').map_or((part, 1), |(r, s)| (r, s.parse().unwrap()));
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (low, high),
            Some((from, to)) => (from.parse().unwrap(), to.parse().unwrap()),
            None => (range.parse().unwrap(), range.parse().unwrap()),
        };
        found.extend((from..=to).step_by(step));
    }
    found
}

/// Looks at each minute of real time, and at those of the day that the clocks left out.
fn oracle(pattern: &str, zone: &TimeZone, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
    let fields: Vec<&str> = pattern.split(' ').collect();
    let (minutes, hours) = (numbers(fields[0], 0, 59), numbers(fields[1], 0, 23));
    let (days, months) = (numbers(fields[2], 1, 31), numbers(fields[3], 1, 12));
    let week_days: BTreeSet<u32> = numbers(fields[4], 0, 7).into_iter().map(|d| d % 7).collect();
    let matches = |t: jiff::civil::DateTime| {
        let day = u32::try_from(t.weekday().to_sunday_zero_offset()).unwrap();
        let number = |n: i8| u32::try_from(n).unwrap();
        minutes.contains(&number(t.minute()))
            && hours.contains(&number(t.hour()))
            && days.contains(&number(t.day()))
            && months.contains(&number(t.month()))
            && week_days.contains(&day)
    };
    let wall = fields[0].starts_with('*') || fields[1].starts_with('*');
    let minute = SignedDuration::from_mins(1);
    let (mut found, mut at) = (Vec::new(), from);
    // What was there already when clocks were put back.
    let mut latest = zone.to_datetime(from - SignedDuration::from_hours(48));
    let mut seen = from - SignedDuration::from_hours(48);
    while seen < from {
        latest = latest.max(zone.to_datetime(seen));
        seen += minute;
    }
    while at < to {
        let local = zone.to_datetime(at);
        let mut hit = matches(local) && (wall || local > latest);
        // Whatever lies between the last minute and this one was left out.
        let mut left_out = latest.checked_add(minute).unwrap();
        while !wall && left_out < local {
            hit |= matches(left_out);
            left_out = left_out.checked_add(minute).unwrap();
        }
        if hit {
            found.push(at);
        }
        latest = latest.max(local);
        at += minute;
    }
    found
}

fn between(pattern: &str, zone: &str, from: &str, days: i64) -> Vec<String> {
    let zone = TimeZone::get(zone).unwrap();
    let from: Timestamp = from.parse().unwrap();
    let to = from + SignedDuration::from_hours(24 * days);
    let found = Cron::parse(pattern).unwrap().between(&zone, from, to, 100);
    found.into_iter().map(|at| at.to_zoned(zone.clone()).strftime("%d %H:%M%z").to_string()).collect()
}

#[test]
fn a_time_of_day_comes_once_on_the_days_on_which_clocks_are_changed() {
    let spring = "2026-03-28T00:00:00Z";
    assert_eq!(between("30 2 * * *", "Europe/Berlin", spring, 3), ["28 02:30+0100", "29 03:00+0200", "30 02:30+0200"]);
    let autumn = "2026-10-24T12:00:00Z";
    assert_eq!(between("30 2 * * *", "Europe/Berlin", autumn, 2), ["25 02:30+0200", "26 02:30+0100"]);
    assert_eq!(
        between("30 2,14 * * *", "Europe/Berlin", spring, 2),
        ["28 02:30+0100", "28 14:30+0100", "29 03:00+0200", "29 14:30+0200"]
    );
    assert_eq!(between("0,15,30,45 2 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 1), ["29 03:00+0200"]);
}

#[test]
fn a_star_goes_by_the_clock_on_the_wall() {
    assert_eq!(
        between("0 * 25 10 *", "Europe/Berlin", "2026-10-24T23:00:00Z", 1)[..4],
        ["25 01:00+0200", "25 02:00+0200", "25 02:00+0100", "25 03:00+0100"]
    );
    assert_eq!(
        between("0 * 29 3 *", "Europe/Berlin", "2026-03-29T00:00:00Z", 1)[..2],
        ["29 01:00+0100", "29 03:00+0200"]
    );
}

#[test]
fn monday_is_1_and_sunday_both_0_and_7() {
    let week = "2026-06-01T00:00:00Z";
    assert_eq!(between("0 9 * * 1", "UTC", week, 7), ["01 09:00+0000"]);
    assert_eq!(between("0 9 * * MON-FRI", "UTC", week, 7).len(), 5);
    for sunday in ["0", "7", "SUN", "sun"] {
        assert_eq!(between(&format!("0 9 * * {sunday}"), "UTC", week, 7), ["07 09:00+0000"]);
    }
}

#[test]
fn patterns_that_are_none_are_refused_and_say_why() {
    assert_eq!(Cron::parse("0 9 * *").unwrap_err(), CronError::Fields { fields: 4 });
    assert_eq!(Cron::parse("0 0 9 * * *").unwrap_err(), CronError::Fields { fields: 6 });
    assert_eq!(Cron::parse("0 9 1 * MON").unwrap_err(), CronError::BothDays);
    for never in ["0 0 30 2 *", "0 0 31 4 *", "0 0 31 2,4,6,9,11 *"] {
        assert_eq!(Cron::parse(never).unwrap_err(), CronError::Never, "{never}");
    }
    assert!(Cron::parse("0 0 29 2 *").is_ok());
    for beyond in ["60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *", "* * * * 8", "0-60 * * * *"] {
        assert!(matches!(Cron::parse(beyond), Err(CronError::Bounds { .. })), "{beyond}: {:?}", Cron::parse(beyond));
    }
    for wrong in ["5-1 * * * *", "*/0 * * * *", "- * * * *"] {
        assert!(matches!(Cron::parse(wrong), Err(CronError::Pattern { .. })), "{wrong}: {:?}", Cron::parse(wrong));
    }
    for more in [
        "@daily",
        "0 9 L * *",
        "0 9 15W * *",
        "0 9 * * 5L",
        "0 9 * * 1#2",
        "0 9 ? * *",
        "0 9 * FOO *",
        "1,,2 * * * *",
        "1, 9 * * *",
    ] {
        assert!(Cron::parse(more).is_err(), "{more}");
    }
}

fn field(low: u32, high: u32) -> impl Strategy<Value = String> {
    let one = (low..=high, low..=high).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b)));
    prop_oneof![
        3 => Just("*".to_owned()),
        3 => (low..=high).prop_map(|n| n.to_string()),
        1 => one,
        1 => (low..=high, low..=high).prop_map(|(a, b)| format!("{a},{b}")),
        1 => (2..=high.max(3)).prop_map(|step| format!("*/{step}")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn each_pattern_comes_when_an_oracle_says_so(
        minutes in field(0, 59), hours in field(0, 23), days in field(1, 31), months in field(1, 12),
        week_days in field(0, 7), week in any::<bool>(), zone in 0..ZONES.len(), hour in 0_i64..24 * 365,
    ) {
        let (days, week_days) = if week { ("*".to_owned(), week_days) } else { (days, "*".to_owned()) };
        let pattern = format!("{minutes} {hours} {days} {months} {week_days}");
        let Ok(cron) = Cron::parse(&pattern) else { return Ok(()) };
        let zone = TimeZone::get(ZONES[zone]).unwrap();
        // A year in which Samoa left out a day, and every other zone changed its clocks twice.
        let near = |text: &str| text.parse::<Timestamp>().unwrap();
        let changes: Vec<Timestamp> = zone.following(near("2011-01-01T00:00:00Z")).take(2).map(|t| t.timestamp()).collect();
        let starts = [near("2011-01-01T00:00:00Z") + SignedDuration::from_hours(hour)];
        let around = changes.iter().map(|t| *t - SignedDuration::from_hours(30));
        for from in starts.into_iter().chain(around) {
            let to = from + SignedDuration::from_hours(60);
            prop_assert_eq!(cron.between(&zone, from, to, 5000), oracle(&pattern, &zone, from, to), "{}", pattern);
        }
    }
}
