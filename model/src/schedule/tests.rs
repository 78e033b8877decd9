//! Calendars of real zones, on the days on which their clocks are changed too.

use super::calendar::{Calendar, Day, Window};
use jiff::civil::{Date, Time, Weekday, date, time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

const WEEK: [Weekday; 5] = [Weekday::Monday, Weekday::Tuesday, Weekday::Wednesday, Weekday::Thursday, Weekday::Friday];

fn calendar(zone: &str, days: &[Weekday], from: Time, to: Time) -> Calendar {
    let days = days.iter().map(|d| Day::from(*d)).collect();
    Calendar { zone: TimeZone::get(zone).unwrap(), windows: vec![Window { days, from, to }], holidays: [].into() }
}

fn office() -> Calendar {
    calendar("America/Los_Angeles", &WEEK, time(9, 0, 0, 0), time(15, 0, 0, 0))
}

fn at(text: &str) -> Timestamp {
    text.parse::<Zoned>().unwrap().timestamp()
}

fn la(text: &str) -> Timestamp {
    at(&format!("{text}[America/Los_Angeles]"))
}

/// The spans of a day as local times.
fn shown(calendar: &Calendar, date: Date) -> Vec<String> {
    let zoned = |at: Timestamp| at.to_zoned(calendar.zone.clone());
    calendar
        .openings(date)
        .iter()
        .map(|o| format!("{}..{}", zoned(o.from).strftime("%d %H:%M%z"), zoned(o.to).strftime("%d %H:%M%z")))
        .collect()
}

#[test]
fn a_window_is_local_time_on_the_days_around_a_change_of_clocks_too() {
    let calendar = office();
    assert_eq!(shown(&calendar, date(2026, 3, 6)), ["06 09:00-0800..06 15:00-0800"]);
    assert_eq!(shown(&calendar, date(2026, 3, 9)), ["09 09:00-0700..09 15:00-0700"]);
    assert_eq!(shown(&calendar, date(2026, 11, 2)), ["02 09:00-0800..02 15:00-0800"]);
    assert!(calendar.openings(date(2026, 3, 8)).is_empty(), "a Sunday");
}

#[test]
fn what_is_left_out_by_the_clock_is_left_out_and_what_comes_twice_comes_twice() {
    let berlin = |from, to| calendar("Europe/Berlin", &[Weekday::Sunday], from, to);
    // 02:00 to 03:00 is not there on 29 March, and there twice on 25 October.
    let (spring, autumn) = (date(2026, 3, 29), date(2026, 10, 25));
    let early = berlin(time(1, 0, 0, 0), time(2, 30, 0, 0));
    assert_eq!(shown(&early, spring), ["29 01:00+0100..29 03:00+0200"]);
    assert_eq!(shown(&early, autumn), ["25 01:00+0200..25 02:30+0200", "25 02:00+0100..25 02:30+0100"]);
    let late = berlin(time(2, 30, 0, 0), time(4, 0, 0, 0));
    assert_eq!(shown(&late, spring), ["29 03:00+0200..29 04:00+0200"]);
    assert_eq!(shown(&late, autumn), ["25 02:30+0200..25 02:00+0100", "25 02:30+0100..25 04:00+0100"]);
    let gone = berlin(time(2, 10, 0, 0), time(2, 50, 0, 0));
    assert_eq!(shown(&gone, spring), Vec::<String>::new());
    assert_eq!(shown(&gone, autumn), ["25 02:10+0200..25 02:50+0200", "25 02:10+0100..25 02:50+0100"]);
}

#[test]
fn a_window_may_end_on_the_next_day_which_need_not_be_a_work_day() {
    let mut night = calendar("Europe/Berlin", &[Weekday::Friday], time(22, 0, 0, 0), time(2, 0, 0, 0));
    assert_eq!(shown(&night, date(2026, 5, 8)), ["08 22:00+0200..09 02:00+0200"]);
    let there = |text: &str| at(&format!("{text}[Europe/Berlin]"));
    assert!(night.is_open(there("2026-05-09T01:59:59")) && !night.is_open(there("2026-05-09T02:00")));
    assert!(night.is_open(there("2026-05-08T22:00")) && !night.is_open(there("2026-05-08T21:59:59")));
    assert_eq!(night.work_day_of(there("2026-05-09T01:00")), Some(date(2026, 5, 8)));
    // From a time to the same one is a whole day.
    night.windows[0].to = time(22, 0, 0, 0);
    assert!(night.is_open(there("2026-05-09T21:59")) && !night.is_open(there("2026-05-09T22:00")));
}

#[test]
fn windows_of_a_day_that_touch_are_one() {
    let mut calendar = office();
    let days = calendar.windows[0].days.clone();
    let window = |from, to| Window { days: days.clone(), from, to };
    calendar.windows.push(window(time(14, 0, 0, 0), time(16, 0, 0, 0)));
    calendar.windows.push(window(time(18, 0, 0, 0), time(19, 0, 0, 0)));
    assert_eq!(shown(&calendar, date(2026, 6, 1)), ["01 09:00-0700..01 16:00-0700", "01 18:00-0700..01 19:00-0700"]);
}

#[test]
fn nothing_is_open_on_a_holiday() {
    let mut calendar = office();
    calendar.holidays.insert(date(2026, 12, 25));
    assert!(calendar.openings(date(2026, 12, 25)).is_empty() && !calendar.is_open(la("2026-12-25T10:00")));
    assert!(calendar.is_open(la("2026-12-24T10:00")));
}

#[test]
fn the_bounds_of_the_minimum_gap() {
    let calendar = office();
    let bound = |now: &str, min| calendar.last_hit_before(la(now), min);
    assert!(!calendar.is_far_enough(la("2015-12-15T15:01"), la("2015-12-17T11:35"), 2));
    assert!(calendar.is_far_enough(la("2015-12-15T14:59:59"), la("2015-12-17T11:35"), 2));
    assert_eq!(bound("2016-03-14T12:35", 1), Some(la("2016-03-11T15:00")));
    assert_eq!(bound("2016-11-08T12:00", 2), Some(la("2016-11-04T15:00")));
    assert_eq!(bound("2015-12-18T12:00", 30), Some(la("2015-11-06T15:00")));
    assert_eq!(bound("2015-12-17T12:00", 4), Some(la("2015-12-11T15:00")));
    assert_eq!(bound("2015-12-19T12:00", 1), Some(la("2015-12-17T15:00")));
    assert_eq!(bound("2015-12-19T12:00", 0), None);
}

#[test]
fn holidays_are_no_work_days_between_two_hits() {
    let mut calendar = office();
    let (thursday, monday) = (date(2026, 12, 24), date(2026, 12, 28));
    assert_eq!(calendar.work_days_between(thursday, monday), 2);
    calendar.holidays.insert(date(2026, 12, 25));
    assert_eq!(calendar.work_days_between(thursday, monday), 1);
    assert_eq!(calendar.work_days_before(monday, 1), Some(thursday));
}

#[test]
fn a_calendar_without_work_days_has_none_and_does_not_look_for_ever() {
    let calendar = calendar("UTC", &[], time(9, 0, 0, 0), time(10, 0, 0, 0));
    assert_eq!(calendar.work_days_before(date(2026, 1, 1), 0), None);
    assert_eq!(calendar.last_hit_before(Timestamp::UNIX_EPOCH, 1), None);
    assert_eq!(calendar.within(date(2026, 1, 1), 1), None);
}

#[test]
fn each_minute_of_a_day_is_drawn_and_none_outside_it() {
    let calendar = office();
    for day in [date(2026, 3, 9), date(2026, 11, 2), date(2026, 6, 1)] {
        let mut counts = [0_u32; 360];
        let mut sum = 0.0;
        let draws = 36_000_u32;
        for number in 0..draws {
            let share = crate::rank::rank("minutes", &number.to_string());
            let local = calendar.within(day, share).unwrap().to_zoned(calendar.zone.clone());
            assert_eq!(local.date(), day);
            let minute = i32::from(local.hour()) * 60 + i32::from(local.minute()) - 540;
            counts[usize::try_from(minute).unwrap()] += 1;
            sum += f64::from(minute);
        }
        // 359 degrees of freedom: 0.999 of all such sums are below 447.
        let chi: f64 = counts.iter().map(|c| (f64::from(*c) - 100.0).powi(2) / 100.0).sum();
        assert!(chi < 447.0 && counts.iter().all(|c| *c > 0), "{chi}");
        let mean = sum / f64::from(draws);
        assert!((mean - 179.5).abs() < 2.5, "{mean}");
    }
}
