//! Calendars of days off, as iCalendar files have them (RFC 5545): whole days, once or each year. Anything else in a file is
//! an error: a day that was not understood would be a day on which something runs.

use jiff::ToSpan;
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};

/// How many years of what comes each year are looked at, from its first one on.
const YEARS: i16 = 100;
/// Longest event, in days.
const LONGEST: i32 = 366;

/// What an event says, by name: parameters and value.
type Fields = BTreeMap<String, (String, String)>;

/// What is wrong in a file, with the line of the event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IcsError {
    #[error("line {line}: {what}")]
    Event { line: usize, what: String },
    #[error("there is no BEGIN:VCALENDAR, so it is no iCalendar file")]
    NoCalendar,
    #[error("line {line}: an event begins and does not end")]
    Open { line: usize },
}

/// Reads every day of a calendar.
///
/// # Errors
/// It is none, or one of its events is not made of whole days.
pub fn days(text: &str) -> Result<BTreeSet<Date>, IcsError> {
    let mut days = BTreeSet::new();
    let mut event: Option<(usize, Fields)> = None;
    let mut is_calendar = false;
    for (line, text) in unfolded(text) {
        let Some((head, value)) = text.split_once(':') else { continue };
        let (name, parameters) = head.split_once(';').unwrap_or((head, ""));
        let name = name.to_ascii_uppercase();
        match (name.as_str(), value.trim().to_ascii_uppercase().as_str()) {
            ("BEGIN", "VCALENDAR") => is_calendar = true,
            ("BEGIN", "VEVENT") if event.is_some() => return Err(IcsError::Open { line }),
            ("BEGIN", "VEVENT") => event = Some((line, BTreeMap::new())),
            ("END", "VEVENT") => {
                let Some((line, fields)) = event.take() else { continue };
                days.extend(of_event(&fields).map_err(|what| IcsError::Event { line, what })?);
            }
            (_, _) => {
                if let Some((_, fields)) = &mut event {
                    fields.insert(name, (parameters.to_ascii_uppercase(), value.trim().to_owned()));
                }
            }
        }
    }
    match event {
        Some((line, _)) => Err(IcsError::Open { line }),
        None if is_calendar => Ok(days),
        None => Err(IcsError::NoCalendar),
    }
}

/// Puts lines together that are folded: the next one begins with a space or a tab.
fn unfolded(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        match (line.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(more), Some((_, last))) => last.push_str(more),
            (_, _) => lines.push((number + 1, line.to_owned())),
        }
    }
    lines
}

fn of_event(fields: &Fields) -> Result<Vec<Date>, String> {
    for unread in ["RDATE", "EXDATE", "DURATION", "RECURRENCE-ID"] {
        if fields.contains_key(unread) {
            return Err(format!("{unread} is not read: write an event for each time"));
        }
    }
    let cancelled = fields.get("STATUS").is_some_and(|(_, status)| status.eq_ignore_ascii_case("CANCELLED"));
    let start = date(fields.get("DTSTART").ok_or("an event without DTSTART")?, "DTSTART")?;
    // Where no end is written, it is that one day (RFC 5545, 3.6.1); an end is not part of it.
    let end = match fields.get("DTEND") {
        Some(written) => date(written, "DTEND")?,
        None => start.tomorrow().map_err(|e| e.to_string())?,
    };
    let long = start.until(end).map_err(|e| e.to_string())?.get_days();
    if !(1..=LONGEST).contains(&long) {
        return Err(format!("it lasts {long} days: 1 to {LONGEST} are read"));
    }
    let last = match fields.get("RRULE") {
        None => 1,
        Some((_, rule)) => yearly(rule)?,
    };
    let mut days = Vec::new();
    for year in 0..if cancelled { 0 } else { last } {
        // The 29th of February comes where there is one.
        let Ok(first) = Date::new(start.year() + year, start.month(), start.day()) else { continue };
        days.extend((0..long).filter_map(|day| first.checked_add(day.days()).ok()));
    }
    Ok(days)
}

/// Returns how many years a rule has.
fn yearly(rule: &str) -> Result<i16, String> {
    let mut years = YEARS;
    for part in rule.split(';').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        match (name.to_ascii_uppercase().as_str(), value.to_ascii_uppercase().as_str()) {
            ("FREQ", "YEARLY") | ("INTERVAL", "1") => {}
            ("COUNT", count) => {
                years = count.parse().map_err(|e| format!("COUNT={count} is no number of years: {e}"))?;
            }
            (_, _) => return Err(format!("of RRULE only FREQ=YEARLY and COUNT are read, and not {part}")),
        }
    }
    Ok(years.min(YEARS))
}

fn date((parameters, value): &(String, String), name: &str) -> Result<Date, String> {
    let whole = value.len() == 8 && value.bytes().all(|b| b.is_ascii_digit());
    if !whole || parameters.contains("TZID") {
        return Err(format!("{name}:{value} is no whole day: write {name};VALUE=DATE:20261225"));
    }
    Date::strptime("%Y%m%d", value).map_err(|e| format!("{name}:{value} is no date: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(event: &str) -> String {
        format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\n{event}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")
    }

    fn read(event: &str) -> Vec<String> {
        days(&file(event)).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn whole_days_are_read_and_an_end_is_no_part_of_them() {
        assert_eq!(read("DTSTART;VALUE=DATE:20261225\r\nSUMMARY:Christmas"), ["2026-12-25"]);
        assert_eq!(read("DTSTART;VALUE=DATE:20261231\nDTEND;VALUE=DATE:20270102"), ["2026-12-31", "2027-01-01"]);
        // As many write it, and folded as long lines are.
        assert_eq!(read("DTSTART:202612\r\n 26\r\nSUMMARY:a\r\n\tb: c"), ["2026-12-26"]);
        assert_eq!(read("DTSTART;VALUE=DATE:20261225\r\nSTATUS:CANCELLED"), [""; 0]);
    }

    #[test]
    fn what_comes_each_year_does_so() {
        let found = read("DTSTART;VALUE=DATE:20240229\r\nRRULE:FREQ=YEARLY;COUNT=9");
        assert_eq!(found, ["2024-02-29", "2028-02-29", "2032-02-29"]);
        let found = read("DTSTART;VALUE=DATE:20200501\r\nRRULE:FREQ=YEARLY");
        assert_eq!((found.len(), found[6].as_str()), (100, "2026-05-01"));
    }

    #[test]
    fn what_is_not_understood_is_an_error_with_its_line() {
        for (event, words) in [
            ("DTSTART:20261225T090000Z", "no whole day"),
            ("DTSTART;TZID=Europe/Berlin:20261225", "no whole day"),
            ("DTSTART;VALUE=DATE:20261340", "no date"),
            ("SUMMARY:nothing", "without DTSTART"),
            ("DTSTART;VALUE=DATE:20261225\r\nRRULE:FREQ=WEEKLY", "FREQ=WEEKLY"),
            ("DTSTART;VALUE=DATE:20261225\r\nRRULE:FREQ=YEARLY;COUNT=many", "COUNT=MANY"),
            ("DTSTART;VALUE=DATE:20261225\r\nEXDATE;VALUE=DATE:20261225", "EXDATE"),
            ("DTSTART;VALUE=DATE:20261225\r\nDTEND;VALUE=DATE:20261225", "0 days"),
        ] {
            let error = days(&file(event)).unwrap_err().to_string();
            assert!(error.starts_with("line 3: ") && error.contains(words), "{event}: {error}");
        }
        assert_eq!(days("DTSTART;VALUE=DATE:20261225"), Err(IcsError::NoCalendar));
        assert_eq!(days(""), Err(IcsError::NoCalendar));
        assert_eq!(days("BEGIN:VCALENDAR\nBEGIN:VEVENT\n"), Err(IcsError::Open { line: 2 }));
    }
}
