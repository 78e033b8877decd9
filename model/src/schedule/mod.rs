//! When a policy runs by itself: pure figures from a calendar, a draw and what was hit before.
//!
//! ```text
//! wire::Schedule -> policy/check/schedule.rs -> Schedule -> slots(group, from, to) -> Slot: (group, key, instant)
//! ```
//! A slot's key is the same whenever, and by whomever, it is asked for, so that a run that is named after it is made once.

pub mod agenda;
pub mod calendar;
pub mod change;
pub mod cron;
mod gap;
mod group;
pub mod ics;
pub mod random;
pub mod rate;
pub mod record;
pub mod simulate;
pub mod synthetic;

#[cfg(test)]
mod agenda_tests;
#[cfg(test)]
mod cron_tests;
#[cfg(test)]
mod simulate_tests;
#[cfg(test)]
mod slot_tests;
#[cfg(test)]
mod tests;

pub use group::Group;

use crate::rank::Ranks;
use crate::wire::schedule::GroupBy;
use calendar::Calendar;
use cron::Cron;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use random::{Draw, Random};
use rate::Rate;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long after its instant a slot may still begin, where nothing else is said.
pub const STARTING_DEADLINE: Duration = Duration::from_secs(60);
/// Name of the calendar whose days are nobody's work days, whether or not a schedule names it.
pub const FREEZE: &str = "freeze";
/// Most slots that are ever looked at in one go.
const MOST: usize = 100_000;

/// When a policy runs by itself.
#[derive(Clone, Debug)]
pub struct Schedule {
    pub when: When,
    pub group_by: GroupBy,
    pub calendar: Calendar,
    /// Names of calendars whose days are holidays too; see [`Schedule::with_calendars`].
    pub calendars: BTreeSet<String>,
    pub concurrency: Concurrency,
    /// How long after its instant a slot may still begin; later it is missed, and never made up for.
    pub starting_deadline: Duration,
    /// Of each group.
    pub rate: Option<Rate>,
}

/// What decides.
#[derive(Clone, Debug)]
pub enum When {
    At(Timestamp),
    Cron(Box<Cron>),
    /// Counted from 1970 on, so that no restart and no edit moves it; each time later by up to `jitter`, drawn.
    Every {
        period: Duration,
        jitter: Duration,
    },
    Random(Random),
}

/// What happens where a run of the same policy and group has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Concurrency {
    Allow,
    /// The new one does not begin.
    #[default]
    Forbid,
    /// The old one is stopped, and the new one begins once it has ended.
    Replace,
}

/// A time at which a group's run is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Unique within policy and group: the date of a draw, else the instant.
    pub key: String,
    pub at: Timestamp,
}

/// What a group's gaps are counted from: a work day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// It was hit on it.
    Hit(Date),
    /// It was looked at for the first time, and never hit.
    Seen(Date),
}

impl Since {
    pub fn day(self) -> Date {
        match self {
            Self::Hit(day) | Self::Seen(day) => day,
        }
    }
}

/// A calendar that the administrator has not mounted, or that cannot be read: nothing may run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no calendar `{name}`")]
pub struct UnknownCalendar {
    pub name: String,
}

impl Schedule {
    /// Adds the days of the calendars that it names, and those of [`FREEZE`] where it is mounted.
    ///
    /// # Errors
    /// One of them is not there.
    pub fn with_calendars(mut self, mounted: &BTreeMap<String, BTreeSet<Date>>) -> Result<Self, UnknownCalendar> {
        for name in std::mem::take(&mut self.calendars) {
            let days = mounted.get(&name).ok_or(UnknownCalendar { name })?;
            self.calendar.holidays.extend(days);
        }
        self.calendar.holidays.extend(mounted.get(FREEZE).into_iter().flatten());
        Ok(self)
    }

    /// Work days between two hits of a group, at least; 0: no minimum.
    pub fn min_gap(&self) -> u32 {
        if let When::Random(random) = &self.when { random.min() } else { 0 }
    }

    /// Returns a group's slots from `from` on, before `to`, in order. `seed` is the policy's. Whatever is drawn is taken to
    /// hit, and nothing is drawn within the minimum gap of it.
    pub fn slots(&self, seed: &str, group: &str, from: Timestamp, to: Timestamp, since: Option<Since>) -> Vec<Slot> {
        let open = |at: &Timestamp| self.calendar.is_open(*at);
        let timed =
            |times: Vec<Timestamp>| times.into_iter().filter(open).map(|at| Slot { key: key(at), at }).collect();
        match &self.when {
            When::At(at) => timed((from <= *at && *at < to).then_some(*at).into_iter().collect()),
            When::Cron(cron) => timed(cron.between(&self.calendar.zone, from, to, MOST)),
            When::Every { period, jitter } => timed(every(*period, *jitter, seed, group, from, to)),
            When::Random(random) => self.drawn(*random, [seed, group], from, to, since),
        }
    }

    /// Returns a group's slots as [`Schedule::slots`] does, by what really happened alone: no slot is taken to hit, and each
    /// day is drawn for itself, so that what is asked for, and when, does not change a day's answer.
    pub fn due(&self, seed: &str, group: &str, from: Timestamp, to: Timestamp, since: Option<Since>) -> Vec<Slot> {
        let When::Random(random) = &self.when else { return self.slots(seed, group, from, to, since) };
        let drawn = self.days(from, to).filter_map(|day| self.draw(*random, seed, group, day, since));
        drawn.filter(|slot| from <= slot.at && slot.at < to).collect()
    }

    /// Returns every date on which a window may have begun that is open between the two.
    fn days(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = Date> {
        let (begin, end) = (self.calendar.date(from), self.calendar.date(to));
        let next = |day: &Date| day.tomorrow().ok();
        std::iter::successors(Some(begin.yesterday().unwrap_or(begin)), next).take_while(move |day| *day <= end)
    }

    /// What a work day's draw says of a group, whatever the time: `None` for nothing.
    pub fn draw(&self, random: Random, seed: &str, group: &str, day: Date, since: Option<Since>) -> Option<Slot> {
        let passed = since.map_or(0, |since| self.calendar.work_days_between(since.day(), day));
        if matches!(since, Some(Since::Hit(hit)) if hit >= day || passed < random.min()) {
            return None;
        }
        match random.draw(seed, group, &day.to_string(), passed) {
            Draw::Hit { within } => {
                self.calendar.within(day, within).map(|at| Slot { key: day.strftime("%Y%m%d").to_string(), at })
            }
            Draw::None => None,
        }
    }

    fn drawn(
        &self,
        random: Random,
        [seed, group]: [&str; 2],
        from: Timestamp,
        to: Timestamp,
        mut since: Option<Since>,
    ) -> Vec<Slot> {
        let mut found = Vec::new();
        for day in self.days(from, to) {
            if found.len() >= MOST {
                break;
            }
            if let Some(slot) = self.draw(random, seed, group, day, since).filter(|s| from <= s.at && s.at < to) {
                found.push(slot);
                since = Some(Since::Hit(day));
            }
        }
        found
    }
}

/// An instant as a part of a name.
fn key(at: Timestamp) -> String {
    at.strftime("%Y%m%dt%H%M%S").to_string()
}

fn every(
    period: Duration,
    jitter: Duration,
    seed: &str,
    group: &str,
    from: Timestamp,
    to: Timestamp,
) -> Vec<Timestamp> {
    let Ok(step) = i64::try_from(period.as_secs()) else { return Vec::new() };
    let step = step.max(1);
    let late = i64::try_from(jitter.as_secs()).unwrap_or(i64::MAX).min(step - 1);
    let of = Ranks::new(seed).of(group);
    let (first, last) = ((from.as_second() - late).div_euclid(step), to.as_second().div_euclid(step));
    let one = |number: i64| {
        let drawn = Ranks::chain(of, &number.to_string()) % u64::try_from(late + 1).unwrap_or(1);
        let at = Timestamp::from_second(number.checked_mul(step)?).ok()?;
        at.checked_add(SignedDuration::from_secs(i64::try_from(drawn).ok()?)).ok()
    };
    (first..=last).take(MOST).filter_map(one).filter(|at| from <= *at && *at < to).collect()
}
