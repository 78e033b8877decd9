//! Work days and windows in a time zone: from a local date to the instants between which something may happen.
//!
//! Days are calendar days, never 24 hours. A window is half-open: its end is no part of it.

use crate::wire::schedule as wire;
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};
use std::collections::BTreeSet;

/// How many days back the last work day is looked for at most; a calendar without any has none.
const LONGEST_BREAK: u32 = 400;

/// No zone is farther from UTC.
const FARTHEST: SignedDuration = SignedDuration::from_hours(26);

/// A part of each of some days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    pub days: BTreeSet<Day>,
    pub from: Time,
    /// Not after `from`: it ends on the next day.
    pub to: Time,
}

/// A day of the week, Monday first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(u8);

impl Day {
    /// Returns Monday to Sunday.
    pub fn week() -> impl Iterator<Item = Self> {
        (0..7).map(Self)
    }
}

impl From<wire::Day> for Day {
    fn from(day: wire::Day) -> Self {
        Self(match day {
            wire::Day::Mon => 0,
            wire::Day::Tue => 1,
            wire::Day::Wed => 2,
            wire::Day::Thu => 3,
            wire::Day::Fri => 4,
            wire::Day::Sat => 5,
            wire::Day::Sun => 6,
        })
    }
}

impl From<Weekday> for Day {
    fn from(day: Weekday) -> Self {
        Self(day.to_monday_zero_offset().unsigned_abs())
    }
}

/// A span of time: `from` is in it, `to` is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Opening {
    pub from: Timestamp,
    pub to: Timestamp,
}

impl Opening {
    pub fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }

    fn seconds(&self) -> u64 {
        u64::try_from(self.to.duration_since(self.from).as_secs()).unwrap_or(0)
    }
}

/// When something may happen at all.
#[derive(Clone, Debug)]
pub struct Calendar {
    pub zone: TimeZone,
    /// From 1 on.
    pub windows: Vec<Window>,
    pub holidays: BTreeSet<Date>,
}

impl Calendar {
    /// Returns the local date of an instant.
    pub fn date(&self, at: Timestamp) -> Date {
        self.zone.to_datetime(at).date()
    }

    /// Returns the instant at which the local day of an instant ends.
    pub fn end_of_day(&self, at: Timestamp) -> Timestamp {
        let next = self.date(at).tomorrow().and_then(|day| day.to_zoned(self.zone.clone()));
        next.map_or(at, |next| next.timestamp())
    }

    /// Whether windows begin on this date, and it is no holiday.
    pub fn is_work_day(&self, date: Date) -> bool {
        let day = Day::from(date.weekday());
        !self.holidays.contains(&date) && self.windows.iter().any(|w| w.days.contains(&day))
    }

    /// Returns the spans of the windows that begin on this date, in order, none of them touching another. Local time
    /// decides: where clocks are put forward over a part of a window, it is that much shorter; where they are put back,
    /// what comes twice is in it twice.
    pub fn openings(&self, date: Date) -> Vec<Opening> {
        if !self.is_work_day(date) {
            return Vec::new();
        }
        let day = Day::from(date.weekday());
        let mut found: Vec<Opening> = Vec::new();
        for window in self.windows.iter().filter(|w| w.days.contains(&day)) {
            let last = if window.to > window.from { Ok(date) } else { date.tomorrow() };
            if let Ok(last) = last {
                found.extend(self.spans(date.to_datetime(window.from), last.to_datetime(window.to)));
            }
        }
        found.sort();
        let mut apart: Vec<Opening> = Vec::new();
        for one in found {
            match apart.last_mut() {
                Some(last) if one.from <= last.to => last.to = last.to.max(one.to),
                Some(_) | None => apart.push(one),
            }
        }
        apart
    }

    /// Returns the instants at which local time is between the two: one span for each offset that holds meanwhile.
    fn spans(&self, from: DateTime, to: DateTime) -> Vec<Opening> {
        let utc = |local: DateTime| Offset::UTC.to_timestamp(local);
        let (Ok(first), Ok(last)) = (utc(from), utc(to)) else { return Vec::new() };
        let (Ok(mut begin), Ok(end)) = (first.checked_sub(FARTHEST), last.checked_add(FARTHEST)) else {
            return Vec::new();
        };
        let cuts: Vec<Timestamp> = self.zone.following(begin).map(|t| t.timestamp()).take_while(|t| *t < end).collect();
        let mut found = Vec::new();
        for cut in cuts.into_iter().chain([end]) {
            let offset = self.zone.to_offset(begin);
            if let (Ok(from), Ok(to)) = (offset.to_timestamp(from), offset.to_timestamp(to)) {
                let (from, to) = (from.max(begin), to.min(cut));
                if from < to {
                    found.push(Opening { from, to });
                }
            }
            begin = cut;
        }
        found
    }

    /// Whether something may happen at this instant: in a window that began on its date, or on the one before.
    pub fn is_open(&self, at: Timestamp) -> bool {
        let date = self.date(at);
        let days = [date.yesterday().ok(), Some(date)];
        days.into_iter().flatten().flat_map(|d| self.openings(d)).any(|o| o.holds(at))
    }

    /// Returns the instant that lies so far within a day's spans: `share` of 2^64 of their whole length.
    pub fn within(&self, date: Date, share: u64) -> Option<Timestamp> {
        let openings = self.openings(date);
        let whole: u64 = openings.iter().map(Opening::seconds).sum();
        let mut seconds = u64::try_from((u128::from(share) * u128::from(whole)) >> 64).unwrap_or(0);
        for one in openings {
            let here = one.seconds();
            if seconds < here {
                let span = i64::try_from(seconds).ok()?.seconds();
                return one.from.checked_add(span).ok();
            }
            seconds -= here;
        }
        None
    }

    /// Returns the work day that is so many work days before a date; the date itself where it is one and `count` is 0, else
    /// the last one before it.
    pub fn work_days_before(&self, date: Date, count: u32) -> Option<Date> {
        let mut at = self.last_work_day(date)?;
        for _ in 0..count {
            at = self.last_work_day(at.yesterday().ok()?)?;
        }
        Some(at)
    }

    /// Counts the work days after `from`, up to and with `to`.
    pub fn work_days_between(&self, from: Date, to: Date) -> u32 {
        let mut count = 0;
        let mut at = from;
        while at < to {
            let Ok(next) = at.tomorrow() else { break };
            at = next;
            count += u32::from(self.is_work_day(at));
        }
        count
    }

    fn last_work_day(&self, date: Date) -> Option<Date> {
        let mut at = date;
        for _ in 0..LONGEST_BREAK {
            if self.is_work_day(at) {
                return Some(at);
            }
            at = at.yesterday().ok()?;
        }
        None
    }
}
