//! Five fields, as crontab(5) has them, in a time zone whose clocks are changed.
//!
//! A time of day that is written out comes once each day: where clocks are put forward over it, at that instant; where they
//! are put back and it comes twice, the first time. What has a star in its minutes or hours goes by the clock on the wall:
//! it is left out with the hour that is not there, and comes twice with the one that does.

use croner::Cron as Pattern;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::{DateTime, date};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, Zoned};
use std::fmt;

/// No zone is farther from UTC, and no change of clocks is larger.
const FARTHEST: SignedDuration = SignedDuration::from_hours(26);

/// What each field counts, its least and its most.
const FIELDS: [(&str, u32, u32); 5] =
    [("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("day of the week", 0, 7)];

/// A pattern that was checked.
#[derive(Clone)]
pub struct Cron {
    pattern: Pattern,
    /// It has a star in its minutes or hours.
    by_the_wall: bool,
}

/// The library shows each of its bits.
impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cron({})", self.pattern.as_str())
    }
}

/// Why a pattern is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    #[error("{fields} fields, not five: minute, hour, day of the month, month, day of the week")]
    Fields { fields: usize },
    #[error("`{field}` holds what is no number, name, range, list or step")]
    Letters { field: String },
    #[error("both the day of the month and the day of the week are restricted: cron takes either of them, not both")]
    BothDays,
    #[error("it never comes")]
    Never,
    #[error("{number} is not within {least} and {most}, as each {what} is")]
    Bounds { number: String, least: u32, most: u32, what: &'static str },
    #[error("{why}")]
    Pattern { why: String },
}

impl Cron {
    /// Reads five fields.
    ///
    /// # Errors
    /// They are not five, one of them is wrong, or they fit no day; both kinds of days are restricted.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minutes, hours, days, _, week_days] = fields[..] else {
            return Err(CronError::Fields { fields: fields.len() });
        };
        // The library has more than crontab(5): L, W, #, ? and names for whole patterns.
        let plain = |c: char| c.is_ascii_digit() || matches!(c, '*' | ',' | '-' | '/');
        let named = |field: &str| field.split([',', '-', '/']).all(is_name_or_number);
        for field in &fields[..3] {
            if !field.chars().all(plain) || field.split(',').any(str::is_empty) {
                return Err(CronError::Letters { field: (*field).to_owned() });
            }
        }
        for field in &fields[3..] {
            if !named(field) {
                return Err(CronError::Letters { field: (*field).to_owned() });
            }
        }
        for (field, (what, least, most)) in fields.iter().zip(FIELDS) {
            let numbers = field.split(',').flat_map(|part| part.split('/').next()).flat_map(|range| range.split('-'));
            // Names and stars are none.
            let digits = |text: &&str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            let mut wrong = numbers.filter(digits).filter(|n| !n.parse().is_ok_and(|n| (least..=most).contains(&n)));
            if let Some(number) = wrong.next() {
                return Err(CronError::Bounds { number: number.to_owned(), least, most, what });
            }
        }
        if !days.starts_with('*') && !week_days.starts_with('*') {
            return Err(CronError::BothDays);
        }
        let parser =
            CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).dom_and_dow(true).build();
        let pattern = parser.parse(text).map_err(|e| CronError::Pattern { why: e.to_string() })?;
        let by_the_wall = minutes.starts_with('*') || hours.starts_with('*');
        let cron = Self { pattern, by_the_wall };
        // A leap year is at most eight years away.
        let (start, end) = (date(2001, 1, 1).at(0, 0, 0, 0), date(2010, 1, 1).at(0, 0, 0, 0));
        cron.next(start).filter(|next| *next < end).ok_or(CronError::Never)?;
        Ok(cron)
    }

    /// Returns when it comes from `from` on, before `to`; at most so many.
    pub fn between(&self, zone: &TimeZone, from: Timestamp, to: Timestamp, most: usize) -> Vec<Timestamp> {
        let mut found =
            if self.by_the_wall { self.wall(zone, from, to, most) } else { self.once(zone, from, to, most) };
        found.dedup();
        found.truncate(most);
        found
    }

    /// Each match of the wall's clock, offset by offset.
    fn wall(&self, zone: &TimeZone, from: Timestamp, to: Timestamp, most: usize) -> Vec<Timestamp> {
        let mut found = Vec::new();
        let mut begin = from;
        while begin < to && found.len() <= most {
            let cut = zone.following(begin).next().map_or(to, |t| t.timestamp()).min(to);
            let offset = zone.to_offset(begin);
            let mut local = offset.to_datetime(begin);
            while let Some(next) = self.next(local)
                && let Ok(at) = offset.to_timestamp(next)
                && at < cut
                && found.len() <= most
            {
                found.push(at);
                let Ok(later) = next.checked_add(SignedDuration::from_mins(1)) else { break };
                local = later;
            }
            begin = cut;
        }
        found
    }

    /// Each match once a day.
    fn once(&self, zone: &TimeZone, from: Timestamp, to: Timestamp, most: usize) -> Vec<Timestamp> {
        let mut found: Vec<Timestamp> = Vec::new();
        let Ok(mut local) = Offset::UTC.to_datetime(from).checked_sub(FARTHEST) else { return found };
        let Ok(end) = Offset::UTC.to_datetime(to).checked_add(FARTHEST) else { return found };
        while let Some(next) = self.next(local).filter(|next| *next < end)
            && found.len() <= most
        {
            // Several that fall into one hour that is not there are one.
            if let Some(at) = instant(zone, next).filter(|at| from <= *at && *at < to && found.last() != Some(at)) {
                found.push(at);
            }
            let Ok(later) = next.checked_add(SignedDuration::from_mins(1)) else { break };
            local = later;
        }
        found.sort();
        found
    }

    /// Returns the next match of the fields themselves, that minute included.
    fn next(&self, from: DateTime) -> Option<DateTime> {
        // Seconds that have begun belong to the minute before.
        let whole = if from.second() == 0 && from.subsec_nanosecond() == 0 {
            from
        } else {
            let begun = i64::from(from.second());
            let back = SignedDuration::new(begun, from.subsec_nanosecond());
            from.checked_sub(back).ok()?.checked_add(SignedDuration::from_mins(1)).ok()?
        };
        self.pattern.find_next_occurrence(&whole, true).ok()
    }
}

/// Returns the instant at which a local time comes first; where it does not come, when clocks are put forward over it.
fn instant(zone: &TimeZone, local: DateTime) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    if let jiff::tz::AmbiguousOffset::Gap { before, .. } = ambiguous.offset() {
        let beyond = before.to_timestamp(local).ok()?;
        return zone.preceding(Zoned::new(beyond, TimeZone::UTC).timestamp()).next().map(|t| t.timestamp());
    }
    ambiguous.earlier().ok()
}

fn is_name_or_number(part: &str) -> bool {
    let names = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
    let days = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
    let known = |name: &str| names.contains(&name) || days.contains(&name);
    part == "*" || (!part.is_empty() && part.bytes().all(|b| b.is_ascii_digit())) || known(&part.to_ascii_uppercase())
}
