//! Slots of whole schedules.

use super::calendar::{Calendar, Day, Window};
use super::random::Random;
use super::{Concurrency, STARTING_DEADLINE, Schedule, Since, When};
use crate::wire::schedule::GroupBy;
use jiff::civil::{Weekday, date, time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

fn schedule(when: When) -> Schedule {
    let days = [Weekday::Monday, Weekday::Tuesday, Weekday::Wednesday, Weekday::Thursday, Weekday::Friday];
    let days = days.into_iter().map(Day::from).collect();
    let calendar = Calendar {
        zone: TimeZone::get("Europe/Berlin").unwrap(),
        windows: vec![Window { days, from: time(9, 0, 0, 0), to: time(15, 0, 0, 0) }],
        holidays: BTreeSet::new(),
    };
    Schedule {
        when,
        group_by: GroupBy::Owner,
        calendar,
        calendars: BTreeSet::new(),
        concurrency: Concurrency::Forbid,
        starting_deadline: STARTING_DEADLINE,
        rate: None,
    }
}

fn random(mean: u32, min: u32) -> Schedule {
    schedule(When::Random(Random::new(mean, min, None, false).unwrap()))
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

const YEAR: SignedDuration = SignedDuration::from_hours(24 * 365);

#[test]
fn a_year_in_parts_is_the_year() {
    let random = random(3, 2);
    let (from, to) = (at("2026-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z") + YEAR);
    let whole = random.slots("seed", "web", from, to, None);
    let (mut parts, mut begin, mut last) = (Vec::new(), from, None);
    // As somebody asks who is started again all the time.
    while begin < to {
        let end = begin + SignedDuration::from_mins(601);
        let found = random.slots("seed", "web", begin, end.min(to), last);
        last = found.last().map(|slot| Since::Hit(random.calendar.date(slot.at))).or(last);
        parts.extend(found);
        begin = end;
    }
    assert_eq!(parts, whole);
    assert!(whole.len() > 60 && whole.len() < 120, "{}", whole.len());
    assert!(whole.iter().all(|slot| random.calendar.is_open(slot.at)));
}

#[test]
fn whatever_begins_in_the_middle_of_a_window_has_no_slot_in_the_past() {
    let random = random(1, 1);
    let noon = at("2026-06-01T10:00:00Z");
    let mut later = 0_u32;
    for group in 0..1000 {
        let slots = random.slots("seed", &group.to_string(), noon, at("2026-06-01T22:00:00Z"), None);
        assert!(slots.iter().all(|slot| slot.at >= noon));
        later += u32::try_from(slots.len()).unwrap();
    }
    // Half of the six hours are left.
    assert!((440..560).contains(&later), "{later}");
}

#[test]
fn every_so_often_is_counted_from_1970_and_drawn_within_its_jitter() {
    let mut every = schedule(When::Every { period: HOUR, jitter: Duration::from_secs(600) });
    let (from, to) = (at("2026-06-01T00:00:00Z"), at("2026-06-02T00:00:00Z"));
    let slots = every.slots("seed", "web", from, to, None);
    // 09:00 to 15:00 is 07:00 to 13:00 UTC.
    assert_eq!(slots.len(), 6);
    for (slot, hour) in slots.iter().zip(7_i64..) {
        let late = slot.at.duration_since(from + SignedDuration::from_hours(hour)).as_secs();
        assert!((0..=600).contains(&late), "{late}");
    }
    assert_eq!(every.slots("seed", "web", slots[2].at, to, None), slots[2..]);
    every.when = When::Every { period: HOUR, jitter: Duration::ZERO };
    let keys: Vec<String> = every.slots("seed", "web", from, to, None).into_iter().map(|s| s.key).collect();
    assert_eq!(keys[..2], ["20260601t070000", "20260601t080000"]);
}

#[test]
fn what_is_outside_the_windows_has_no_slot() {
    let (from, to) = (at("2026-06-01T00:00:00Z"), at("2026-06-08T00:00:00Z"));
    let cron = |text: &str| schedule(When::Cron(Box::new(super::cron::Cron::parse(text).unwrap())));
    assert_eq!(cron("0 10 * * *").slots("s", "g", from, to, None).len(), 5);
    assert_eq!(cron("0 20 * * *").slots("s", "g", from, to, None).len(), 0);
    assert_eq!(schedule(When::At(at("2026-06-01T08:00:00Z"))).slots("s", "g", from, to, None).len(), 1);
    assert_eq!(schedule(When::At(at("2026-06-01T18:00:00Z"))).slots("s", "g", from, to, None).len(), 0);
    assert_eq!(schedule(When::At(at("2026-05-31T08:00:00Z"))).slots("s", "g", from, to, None).len(), 0);
}

#[test]
fn the_longest_gap_is_kept_from_the_first_look_on() {
    let when = When::Random(Random::new(5, 1, Some(5), false).unwrap());
    let schedule = schedule(when);
    let (from, first) = (at("2026-06-01T00:00:00Z"), date(2026, 6, 1));
    let slots = schedule.slots("seed", "web", from, from + YEAR, Some(Since::Seen(first)));
    let days: Vec<_> = slots.iter().map(|s| schedule.calendar.date(s.at)).collect();
    assert_eq!(days[0], date(2026, 6, 8));
    assert!(days.windows(2).all(|pair| schedule.calendar.work_days_between(pair[0], pair[1]) == 5));
}

#[test]
fn a_calendar_that_is_not_there_lets_nothing_run() {
    let mut schedule = random(1, 1);
    schedule.calendars.insert("de".to_owned());
    let missing = schedule.clone().with_calendars(&BTreeMap::new()).unwrap_err();
    assert_eq!(missing.to_string(), "there is no calendar `de`");
    let mounted = BTreeMap::from([("de".to_owned(), BTreeSet::from([date(2026, 6, 4)]))]);
    let schedule = schedule.with_calendars(&mounted).unwrap();
    assert!(!schedule.calendar.is_work_day(date(2026, 6, 4)) && schedule.calendar.is_work_day(date(2026, 6, 5)));
}

#[test]
fn the_days_of_a_freeze_are_nobodys_work_days() {
    let mounted = BTreeMap::from([("freeze".to_owned(), BTreeSet::from([date(2026, 6, 4)]))]);
    let schedule = random(1, 1).with_calendars(&mounted).unwrap();
    assert!(!schedule.calendar.is_work_day(date(2026, 6, 4)) && schedule.calendar.is_work_day(date(2026, 6, 5)));
}
