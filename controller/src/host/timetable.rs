//! What is due now, of every policy of a host: pure, and the same whenever it is asked. What it answers is recorded before it
//! is carried out, and what is recorded is not answered again.

use jiff::{SignedDuration, Timestamp};
use rumpus_model::policy::{Mode, Policy};
use rumpus_model::schedule::agenda::{Ask, on_host};
use rumpus_model::schedule::change::{Records, Who};
use rumpus_model::schedule::record::{Record, Skip};
use rumpus_model::schedule::{Concurrency, Schedule, Slot};
use std::collections::BTreeMap;

/// How far ahead slots are told, besides the rest of the day.
const AHEAD: SignedDuration = SignedDuration::from_secs(1200);
/// How far back slots are looked for that nobody was there for: they are recorded as missed.
const BACK: SignedDuration = SignedDuration::from_hours(24);

/// A policy that makes sense on this host.
#[derive(Clone, Debug)]
pub struct Listed {
    pub policy: Policy,
    /// With the days of its calendars.
    pub schedule: Option<Schedule>,
    /// The file that it stands in.
    pub file: String,
    /// Another one whenever the file is.
    pub revision: u64,
}

impl Listed {
    /// Returns whose records are its own.
    pub fn who(&self) -> Who {
        let dry_run = self.policy.mode != Mode::Armed;
        Who { policy: self.policy.name.clone(), dry_run, group: String::new() }
    }

    /// Returns its schedule if that runs.
    pub fn scheduled(&self) -> Option<&Schedule> {
        self.schedule.as_ref().filter(|_| !self.policy.suspend)
    }
}

/// A run that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    pub run: String,
    pub policies: Vec<String>,
    /// A person asked for it: no schedule ends it.
    pub by_hand: bool,
}

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    pub now: Timestamp,
    /// What tells this host from others: each draws for itself.
    pub host: &'a str,
    /// By name.
    pub policies: &'a BTreeMap<String, Listed>,
    pub records: &'a Records,
    pub running: &'a [Running],
}

/// What has to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// A policy is looked at for the first time.
    Seen { who: Who },
    /// A slot passes without a run.
    Pass { who: Who, slot: Slot, why: Passed },
    /// A slot's run begins, at this instant at the latest.
    Begin { who: Who, slot: Slot, until: Timestamp },
    /// A run ends, so that a later one takes its place.
    Stop { run: String },
}

/// Why a slot passes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Passed {
    #[error("{0}")]
    Skipped(#[from] Skip),
    /// Slots of one policy never run one after another to catch up.
    #[error("a later slot, of {later}, is due as well")]
    Superseded { later: Timestamp },
}

impl Passed {
    /// Returns its name, as it is shown.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Skipped(skip) => skip.reason(),
            Self::Superseded { .. } => "Superseded",
        }
    }
}

/// What a look gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub acts: Vec<Act>,
    /// When to look again, unless something changes before.
    pub wake: Option<Timestamp>,
}

/// Tells what has to be done now.
pub fn tick(look: &Look<'_>) -> Answer {
    let mut answer = Answer::default();
    for listed in look.policies.values() {
        if let Some(schedule) = listed.scheduled() {
            one(look, listed, schedule, &mut answer);
        }
    }
    answer
}

fn one(look: &Look<'_>, listed: &Listed, schedule: &Schedule, answer: &mut Answer) {
    let who = listed.who();
    let record = look.records.get(&who).cloned().unwrap_or_else(|| {
        answer.acts.push(Act::Seen { who: who.clone() });
        Record::new(look.now)
    });
    let shift = |by: SignedDuration| look.now.checked_add(by).unwrap_or(look.now);
    let to = schedule.calendar.end_of_day(look.now).max(shift(AHEAD));
    let asked = Ask {
        policy: listed.policy.clone(),
        schedule: schedule.clone(),
        namespace: look.host.to_owned(),
        records: BTreeMap::from([(who.group.clone(), record.clone())]),
        from: shift(-BACK),
        to,
        now: look.now,
    };
    let slots: Vec<Slot> = on_host(&asked).slots.into_iter().map(|(_, slot)| slot).collect();
    let (due, next): (Vec<Slot>, Vec<Slot>) = slots.into_iter().partition(|slot| slot.at <= look.now);
    wake(answer, next.first().map_or(to, |slot| slot.at));
    let Some((last, earlier)) = due.split_last() else { return };
    for slot in earlier {
        let why = schedule
            .may_begin(&record, slot, look.now)
            .err()
            .map_or_else(|| Passed::Superseded { later: last.at }, Passed::Skipped);
        answer.acts.push(Act::Pass { who: who.clone(), slot: slot.clone(), why });
    }
    let until = schedule.until(last);
    let own = |running: &&Running| running.policies.contains(&who.policy);
    let still: Vec<&Running> = look.running.iter().filter(own).collect();
    let running = still.first().map(|running| running.run.as_str());
    let judged = schedule.may_begin_beside(&record, last, look.now, running);
    match judged {
        Err(skip) => answer.acts.push(Act::Pass { who, slot: last.clone(), why: skip.into() }),
        Ok(()) if schedule.concurrency == Concurrency::Replace && !still.is_empty() => {
            // It waits for as long as it may still begin.
            let ours = still.iter().filter(|running| !running.by_hand);
            answer.acts.extend(ours.map(|running| Act::Stop { run: running.run.clone() }));
            wake(answer, until);
        }
        Ok(()) => answer.acts.push(Act::Begin { who, slot: last.clone(), until }),
    }
}

fn wake(answer: &mut Answer, at: Timestamp) {
    answer.wake = Some(answer.wake.map_or(at, |earlier| earlier.min(at)));
}

/// Why a run that a slot began is not carried out after all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Withdrawn {
    #[error("its policy is gone, or its file cannot be read any more")]
    Gone,
    #[error("its file was changed meanwhile")]
    Changed,
    #[error("it could not be planned before {until}")]
    TooLate { until: Timestamp },
    #[error("its window is over")]
    OutsideWindow,
}

/// Judges a run that is planned once more, right before anything is injected.
///
/// # Errors
/// It may not be carried out.
pub fn still_wanted(listed: Option<&Listed>, revision: u64, until: Timestamp, now: Timestamp) -> Result<(), Withdrawn> {
    let Some(schedule) = listed.and_then(Listed::scheduled) else { return Err(Withdrawn::Gone) };
    if listed.is_some_and(|listed| listed.revision != revision) {
        return Err(Withdrawn::Changed);
    }
    if now > until {
        return Err(Withdrawn::TooLate { until });
    }
    if schedule.calendar.is_open(now) { Ok(()) } else { Err(Withdrawn::OutsideWindow) }
}
