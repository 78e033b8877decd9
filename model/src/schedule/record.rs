//! What is known of a group: which slot was taken last, and when it was really hit. Pure.

use super::calendar::Calendar;
use super::rate::Rate;
use super::{Concurrency, Schedule, Since, Slot};
use crate::wire::ledger::Group;
use jiff::Timestamp;

/// How far behind what was recorded a clock may be before nothing is believed any more.
const BEHIND: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);

/// One group's record, as a Ledger holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When it was looked at for the first time.
    pub seen: Timestamp,
    /// The last slot that was taken: no slot up to it runs, or runs again.
    pub slot: Option<String>,
    /// The run that has that slot (its UID), once it was seen.
    pub run: Option<String>,
    /// When a run was begun of which it is not known whether it acted.
    pub begun: Option<Timestamp>,
    /// When a run acted last.
    pub hit: Option<Timestamp>,
    /// When runs began that count for the policy's rate: until it is known that they did nothing.
    pub recent: Vec<Timestamp>,
}

/// Why a slot does not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Skip {
    /// The clock was put back, or the other controller's was wrong.
    #[error("the Ledger tells of {recorded}, and it is only {now}")]
    ClockBehind { recorded: Timestamp, now: Timestamp },
    #[error("the minimum gap: the last hit was at {last}, and {min} work days have to pass")]
    MinimumGap { last: Timestamp, min: u32 },
    #[error("it was due at {due} and may begin until {until}")]
    Missed { due: Timestamp, until: Timestamp },
    #[error("{now} is in no window")]
    OutsideWindow { now: Timestamp },
    /// As many runs as may have begun.
    #[error("{rate} runs of {of} are on record: the next may begin at {next}")]
    RateExhausted { of: String, rate: Rate, next: Timestamp },
    /// An earlier run of this policy and group has not ended.
    #[error("run {run} has not ended, and concurrency is Forbid")]
    StillRunning { run: String },
}

impl Skip {
    /// Returns its name, as statuses show it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::ClockBehind { .. } => "ClockBehind",
            Self::MinimumGap { .. } => "MinimumGap",
            Self::Missed { .. } => "Missed",
            Self::OutsideWindow { .. } => "OutsideWindow",
            Self::RateExhausted { .. } => "RateExhausted",
            Self::StillRunning { .. } => "StillRunning",
        }
    }
}

impl Record {
    /// A group that was never looked at before.
    pub fn new(now: Timestamp) -> Self {
        Self { seen: now, slot: None, run: None, begun: None, hit: None, recent: Vec::new() }
    }

    /// Reads what a Ledger holds.
    ///
    /// # Errors
    /// One of its instants is none; nothing may be begun for the group.
    pub fn read(written: &Group) -> Result<Self, jiff::Error> {
        let instant = |text: &Option<String>| text.as_deref().map(str::parse).transpose();
        Ok(Self {
            seen: written.seen.parse()?,
            slot: written.slot.clone(),
            run: written.run.clone(),
            begun: instant(&written.begun)?,
            hit: instant(&written.hit)?,
            recent: written.recent.iter().map(|text| text.parse()).collect::<Result<_, _>>()?,
        })
    }

    /// Returns it as a Ledger holds it.
    pub fn write(&self, policy: &str, group: &str, dry_run: bool) -> Group {
        let text = |at: Timestamp| at.to_string();
        Group {
            policy: policy.to_owned(),
            group: group.to_owned(),
            dry_run,
            seen: text(self.seen),
            slot: self.slot.clone(),
            run: self.run.clone(),
            begun: self.begun.map(text),
            hit: self.hit.map(text),
            recent: self.recent.iter().copied().map(text).collect(),
        }
    }

    /// Returns when it was hit last, as far as is known: what was begun counts until it is known to have done nothing.
    pub fn last(&self) -> Option<Timestamp> {
        self.begun.max(self.hit)
    }

    /// Returns what gaps are counted from.
    pub fn since(&self, calendar: &Calendar) -> Option<Since> {
        match self.last() {
            Some(last) => calendar.work_day_of(last).map(Since::Hit),
            None => calendar.work_day_of(self.seen).map(Since::Seen),
        }
    }

    /// Returns whether a slot is one that was taken, or is before one that was.
    pub fn is_taken(&self, slot: &Slot) -> bool {
        slot.at < self.seen || self.slot.as_ref().is_some_and(|taken| slot.key <= *taken)
    }

    /// A slot passes without a run.
    pub fn pass(&mut self, slot: &Slot) {
        self.slot = Some(slot.key.clone());
        self.run = None;
    }

    /// Returns whether a slot was begun, and no run has it yet.
    pub fn is_free(&self, slot: &str) -> bool {
        self.slot.as_deref() == Some(slot) && self.begun.is_some() && self.run.is_none()
    }

    /// Returns whether this run has the slot.
    pub fn is_of(&self, slot: &str, run: &str) -> bool {
        self.slot.as_deref() == Some(slot) && self.run.as_deref() == Some(run)
    }

    /// A slot's run begins; `rate` is the policy's.
    pub fn take(&mut self, slot: &Slot, now: Timestamp, rate: Option<Rate>) {
        self.pass(slot);
        self.hit = self.last();
        self.begun = Some(now);
        match rate {
            Some(rate) => {
                self.recent.push(now);
                rate.keep(&mut self.recent, now);
            }
            None => self.recent.clear(),
        }
    }

    /// Returns what counts for a rate, which the policy may not always have had.
    fn hits(&self) -> impl Iterator<Item = Timestamp> {
        let last = self.last().filter(|last| !self.recent.contains(last));
        self.recent.iter().copied().chain(last)
    }

    /// What was begun has ended.
    pub fn settle(&mut self, acted: bool) {
        let begun = self.begun.take();
        if acted {
            self.hit = self.hit.max(begun);
        } else {
            self.recent.retain(|at| Some(*at) != begun);
        }
    }
}

impl Schedule {
    /// Returns until when a slot may begin.
    pub fn until(&self, slot: &Slot) -> Timestamp {
        slot.at.checked_add(self.starting_deadline).unwrap_or(slot.at)
    }

    /// Decides whether a slot that is due, and was not taken, may begin at this instant.
    ///
    /// # Errors
    /// It may not, and never will.
    pub fn may_begin(&self, record: &Record, slot: &Slot, now: Timestamp) -> Result<(), Skip> {
        if let Some(recorded) = record.last().filter(|last| last.duration_since(now) > BEHIND) {
            return Err(Skip::ClockBehind { recorded, now });
        }
        let until = self.until(slot);
        if now > until {
            return Err(Skip::Missed { due: slot.at, until });
        }
        if !self.calendar.is_open(now) {
            return Err(Skip::OutsideWindow { now });
        }
        let min = self.min_gap();
        if let Some(last) = record.last().filter(|last| !self.calendar.is_far_enough(*last, now, min)) {
            return Err(Skip::MinimumGap { last, min });
        }
        if let Some(rate) = self.rate
            && let Some(next) = rate.exhausted(record.hits(), now)
        {
            return Err(Skip::RateExhausted { of: "this group".into(), rate, next });
        }
        Ok(())
    }

    /// As [`Schedule::may_begin`], beside a run of the same policy and group that has not ended.
    ///
    /// # Errors
    /// It may not, and never will.
    pub fn may_begin_beside(
        &self,
        record: &Record,
        slot: &Slot,
        now: Timestamp,
        running: Option<&str>,
    ) -> Result<(), Skip> {
        self.may_begin(record, slot, now)?;
        match running {
            Some(run) if self.concurrency == Concurrency::Forbid => Err(Skip::StillRunning { run: run.to_owned() }),
            Some(_) | None => Ok(()),
        }
    }
}
