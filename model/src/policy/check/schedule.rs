//! When a policy runs by itself: each figure once, and what fits no day.

use super::place::Place;
use crate::duration;
use crate::schedule::calendar::{Calendar, Day, Window};
use crate::schedule::cron::Cron;
use crate::schedule::random::{Random, RandomError};
use crate::schedule::rate::{self, Rate};
use crate::schedule::{Concurrency, STARTING_DEADLINE, Schedule, When};
use crate::wire::schedule as wire;
use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use std::time::Duration;

/// Shortest and longest period.
const PERIOD: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(31_536_000)];
/// Longest time after its instant that a slot may still begin.
const LATEST: Duration = Duration::from_secs(86_400);
/// Most runs of one group that a rate may allow: each is on record.
const MOST_OF_GROUP: u32 = 16;
/// The office hours of a random schedule that names none.
const OFFICE: [i8; 2] = [9, 15];

pub(super) fn check(written: &wire::Schedule, place: &Place<'_>) -> Option<Schedule> {
    let calendar = calendar(written, place);
    let when = when(written, place);
    let deadline = written
        .starting_deadline
        .as_deref()
        .map(|text| span(text, [Duration::from_secs(1), LATEST], &place.field("startingDeadline")));
    Some(Schedule {
        when: when?,
        group_by: group_by(written, place),
        calendar: calendar?,
        calendars: written.holidays.iter().flat_map(|h| h.calendars.iter().flatten().cloned()).collect(),
        concurrency: match written.concurrency {
            Some(wire::Concurrency::Allow) => Concurrency::Allow,
            Some(wire::Concurrency::Replace) => Concurrency::Replace,
            Some(wire::Concurrency::Forbid) | None => Concurrency::Forbid,
        },
        starting_deadline: match deadline {
            None => STARTING_DEADLINE,
            Some(deadline) => deadline?,
        },
        rate: match &written.rate {
            None => None,
            Some(written) => Some(rate(written, &place.field("rate"))?),
        },
    })
}

fn rate(written: &wire::Rate, place: &Place<'_>) -> Option<Rate> {
    let runs = match written.runs.map(u32::try_from) {
        None => place.field("runs").missing("write how many runs of a group may begin, 1 to 16"),
        Some(Ok(runs)) if (1..=MOST_OF_GROUP).contains(&runs) => Some(runs),
        Some(Ok(_) | Err(_)) => {
            place.field("runs").wrong(format!("is not within 1 and {MOST_OF_GROUP}"), "");
            None
        }
    };
    let at = place.field("per");
    let Some(per) = &written.per else { return at.missing("write within which stretch, such as 1d") };
    let per = span(per, [rate::SHORTEST, rate::LONGEST], &at);
    Some(Rate { runs: runs?, per: per? })
}

fn group_by(written: &wire::Schedule, place: &Place<'_>) -> wire::GroupBy {
    let usual = match written.random.is_some() && place.in_cluster() {
        true => wire::GroupBy::Owner,
        false => wire::GroupBy::Policy,
    };
    if let Some(other) = written.group_by.as_ref().filter(|by| !place.in_cluster() && **by != wire::GroupBy::Policy) {
        let why = format!("a host has no groups by {other}: a policy draws as a whole there");
        place.field("groupBy").unbuilt(why, "write `groupBy: Policy`, or leave it out");
    }
    written.group_by.clone().unwrap_or(usual)
}

fn when(written: &wire::Schedule, place: &Place<'_>) -> Option<When> {
    let kinds = [written.random.is_some(), written.cron.is_some(), written.every.is_some(), written.at.is_some()];
    if kinds.iter().filter(|written| **written).count() != 1 {
        place.wrong("exactly one of random, cron, every and at has to be written", "leave the others out");
        return None;
    }
    if written.jitter.is_some() && written.every.is_none() {
        place.field("jitter").wrong("only what comes every so often has a jitter", "leave it out, or use `every`");
    }
    if let Some(random) = &written.random {
        return draws(random, &place.field("random")).map(When::Random);
    }
    if let Some(text) = &written.cron {
        let here = place.field("cron");
        let hint = "write minute, hour, day of the month, month, day of the week: `0 10 * * MON-FRI`";
        return Cron::parse(text)
            .map_err(|why| here.wrong(format!("`{text}`: {why}"), hint))
            .ok()
            .map(Box::new)
            .map(When::Cron);
    }
    if let Some(text) = &written.at {
        let here = place.field("at");
        let wrong =
            |_| here.wrong(format!("`{text}` is no instant"), "write 2026-12-01T10:00:00Z or with +01:00 as its end");
        return text.parse::<Timestamp>().map_err(wrong).ok().map(When::At);
    }
    let period = span(written.every.as_deref()?, PERIOD, &place.field("every"));
    let jitter = match written.jitter.as_deref() {
        None => Duration::ZERO,
        Some(text) => span(text, [Duration::ZERO, PERIOD[1]], &place.field("jitter"))?,
    };
    let period = period?;
    if jitter >= period {
        let hint = format!("write less than {}", duration::show(period));
        place.field("jitter").wrong("is not shorter than the period, so that times could change places", hint);
        return None;
    }
    Some(When::Every { period, jitter })
}

fn draws(written: &wire::Random, place: &Place<'_>) -> Option<Random> {
    let number = |value: Option<i64>, name: &str, least: u32| match value {
        None => Some(None),
        Some(n) => match u32::try_from(n).ok().filter(|n| (least..=3650).contains(n)) {
            Some(n) => Some(Some(n)),
            None => {
                place.field(name).wrong(format!("{n} is not within {least} and 3650"), "write whole work days");
                None
            }
        },
    };
    let mean = number(written.mean_work_days, "meanWorkDays", 1);
    let min = number(written.min_work_days, "minWorkDays", 0);
    let max = number(written.max_work_days, "maxWorkDays", 1);
    let Some(mean) = mean? else {
        return place.field("meanWorkDays").missing("write how many work days are between two hits on average");
    };
    let (min, max) = (min?.unwrap_or(1), max?);
    match Random::new(mean, min, max, written.compatible.unwrap_or(false)) {
        Ok(random) => Some(random),
        Err(why) => {
            let (field, hint) = match why {
                RandomError::MeanBelowMinimum { .. } => {
                    ("minWorkDays", format!("write {mean} at most, or a longer mean"))
                }
                RandomError::MaximumBelowMean { .. } => {
                    ("maxWorkDays", format!("write {mean} at least, or a shorter mean"))
                }
                RandomError::NoMean => ("meanWorkDays", "write 1 at least".to_owned()),
            };
            place.field(field).wrong(why.to_string(), hint);
            None
        }
    }
}

fn span(text: &str, [least, most]: [Duration; 2], place: &Place<'_>) -> Option<Duration> {
    match duration::parse(text) {
        Err(why) => place.wrong(why, "write 30s, 10m, 2h or 1d"),
        Ok(span) if span < least || span > most => {
            let (least, most) = (duration::show(least), duration::show(most));
            place.wrong(format!("`{text}` is not within {least} and {most}"), "write another one");
        }
        Ok(span) => return Some(span),
    }
    None
}

fn calendar(written: &wire::Schedule, place: &Place<'_>) -> Option<Calendar> {
    let zone = match written.time_zone.as_deref() {
        None => Some(TimeZone::UTC),
        Some(name) => TimeZone::get(name)
            .map_err(|_unknown| {
                let hint = "write one of the IANA database, such as Europe/Berlin, America/New_York or UTC";
                place.field("timeZone").wrong(format!("`{name}` is no time zone"), hint);
            })
            .ok(),
    };
    let windows = match &written.windows {
        None => Some(usual(written.random.is_some())),
        Some(all) => {
            let here = place.field("windows");
            let all: Vec<Option<Window>> =
                here.filled(Some(all)).iter().enumerate().map(|(i, w)| window(w, &here.item(i))).collect();
            all.into_iter().collect()
        }
    };
    let holidays = holidays(written, &place.field("holidays"));
    Some(Calendar { zone: zone?, windows: windows?, holidays: holidays? })
}

/// The windows of a schedule that names none: office hours for what is random, else always.
fn usual(random: bool) -> Vec<Window> {
    let days = Day::week().take(if random { 5 } else { 7 }).collect();
    let [from, to] = if random { OFFICE } else { [0, 0] };
    vec![Window { days, from: Time::constant(from, 0, 0, 0), to: Time::constant(to, 0, 0, 0) }]
}

fn window(written: &wire::Window, place: &Place<'_>) -> Option<Window> {
    let days = match &written.days {
        None => Day::week().take(5).collect(),
        Some(days) => place.field("days").filled(Some(days)).iter().map(|day| Day::from(*day)).collect(),
    };
    let clock = |text: &Option<String>, name: &str| match text {
        None => place.field(name).missing("write a time of day such as 09:00"),
        Some(text) => minutes(text, &place.field(name)),
    };
    let (from, to) = (clock(&written.from, "from"), clock(&written.to, "to"));
    let (from, to) = (from?, to?);
    let whole_day = 24 * 60;
    if from == whole_day {
        place.field("from").wrong("24:00 is the end of a day", "write 00:00");
        return None;
    }
    let over = written.crosses_midnight.unwrap_or(false);
    if over && (to > from || to == whole_day) {
        let hint = "leave crossesMidnight out, or write an end that is not after the start";
        place
            .field("crossesMidnight")
            .wrong("the window would be longer than a day, or end at midnight by itself", hint);
        return None;
    }
    if !over && to == from {
        place.wrong("the window is empty: it ends when it begins", "write 00:00 and 24:00 for the whole day");
        return None;
    }
    if !over && to < from {
        let hint = "write crossesMidnight: true if it ends on the next day, else another end";
        place.wrong("the window ends before it begins", hint);
        return None;
    }
    Some(Window { days, from: time(from), to: time(to % whole_day) })
}

fn time(minutes: i16) -> Time {
    let number = |n: i16| i8::try_from(n).unwrap_or(0);
    Time::constant(number(minutes / 60), number(minutes % 60), 0, 0)
}

/// Minutes since midnight, to 24:00.
fn minutes(text: &str, place: &Place<'_>) -> Option<i16> {
    let digits =
        |t: &str| (t.len() == 2 && t.bytes().all(|b| b.is_ascii_digit())).then(|| t.parse::<i16>().ok()).flatten();
    let parts = text.split_once(':').and_then(|(h, m)| Some((digits(h)?, digits(m)?)));
    let found = parts.filter(|(h, m)| (*h < 24 && *m < 60) || (*h, *m) == (24, 0)).map(|(h, m)| h * 60 + m);
    if found.is_none() {
        place.wrong(format!("`{text}` is no time of day"), "write hours and minutes with two digits each: 09:00");
    }
    found
}

fn holidays(written: &wire::Schedule, place: &Place<'_>) -> Option<BTreeSet<Date>> {
    let Some(holidays) = &written.holidays else { return Some(BTreeSet::new()) };
    let here = place.field("dates");
    let one = |(i, text): (usize, &String)| {
        let wrong = |_| here.item(i).wrong(format!("`{text}` is no date"), "write year, month and day: 2026-12-25");
        // The library takes more than one form.
        let plain = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        if !plain {
            wrong(());
            return None;
        }
        text.parse::<Date>().map_err(|_unreadable| wrong(())).ok()
    };
    let found: Vec<Option<Date>> = here.filled(holidays.dates.as_ref()).iter().enumerate().map(one).collect();
    place.field("calendars").filled(holidays.calendars.as_ref());
    found.into_iter().collect()
}
