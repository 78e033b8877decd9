//! One policy with a schedule: read once, and what is due of it next.

use super::book::Who;
use crate::cluster::core::event::{OpId, PolicySeen};
use crate::cluster::core::retry::Retry;
use jiff::Timestamp;
use jiff::civil::Date;
use rumpus_model::cluster::lint::Readiness;
use rumpus_model::policy::{Mode, Policy, Site};
use rumpus_model::schedule::agenda::Agenda;
use rumpus_model::schedule::{Schedule, Slot};
use rumpus_model::wire::policy_status::Skipped;
use rumpus_model::wire::{self, Condition, PolicyStatus};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How many slots that did not run are shown.
const SKIPPED: usize = 10;

/// Names of calendars that the administrator mounted, with their days.
pub type Calendars = BTreeMap<String, BTreeSet<Date>>;

/// What a schedule needs of its policy.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) policy: Policy,
    pub(super) schedule: Schedule,
}

/// One policy.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) seen: PolicySeen,
    /// `None`: it has no schedule, or is suspended. An error: it cannot be read, and nothing of it runs.
    pub(super) read: Result<Option<Box<Read>>, String>,
    /// When what is due is asked for again.
    pub(super) refresh: Duration,
    pub(super) op: Option<OpId>,
    pub(super) retry: Retry,
    /// In order of time.
    pub(super) due: BTreeSet<(Timestamp, String, String)>,
    pub(super) groups: usize,
    pub(super) trouble: Option<String>,
    pub(super) skipped: Vec<Skipped>,
    /// Whether what it means is ready for chaos.
    pub(super) readiness: Option<Readiness>,
    /// The same as it was told last, by us or a predecessor.
    pub(super) ready: Option<Condition>,
    pub(super) shown: Shown,
}

/// Its status, as it was written last.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) written: Option<PolicyStatus>,
    pub(super) op: Option<(OpId, PolicyStatus)>,
    /// Not before.
    pub(super) due: Duration,
}

impl Line {
    pub(super) fn new(seen: PolicySeen, calendars: &Calendars) -> Self {
        Self {
            read: read(&seen, calendars),
            seen,
            refresh: Duration::ZERO,
            op: None,
            retry: Retry::default(),
            due: BTreeSet::new(),
            groups: 0,
            trouble: None,
            skipped: Vec::new(),
            readiness: None,
            ready: None,
            shown: Shown::default(),
        }
    }

    pub(super) fn is_dry(&self) -> bool {
        self.seen.spec.mode != Some(wire::Mode::Armed)
    }

    pub(super) fn who(&self, group: &str) -> Who {
        Who { policy: self.seen.key.name.clone(), dry_run: self.is_dry(), group: group.to_owned() }
    }

    /// A new term, or another spec: what was due is asked for anew.
    pub(super) fn forget(&mut self) {
        self.refresh = Duration::ZERO;
        self.op = None;
        self.retry = Retry::default();
        self.due.clear();
        self.shown = Shown::default();
    }

    pub(super) fn told(&mut self, agenda: &Agenda) {
        self.groups = agenda.groups.len();
        self.readiness = agenda.readiness.clone();
        self.trouble = agenda.refusals.first().map(ToString::to_string);
        let slots = agenda.slots.iter().map(|(group, slot)| (slot.at, group.clone(), slot.key.clone()));
        self.due = slots.collect();
    }

    /// Takes out the next slot that is due.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<(String, Slot)> {
        let first = self.due.first().filter(|(at, ..)| *at <= now)?.clone();
        self.due.remove(&first);
        let (at, group, key) = first;
        Some((group, Slot { key, at }))
    }

    pub(super) fn skip(&mut self, group: &str, slot: &Slot, reason: &str, message: String) {
        self.skipped.truncate(SKIPPED - 1);
        let (group, slot, reason) = (group.to_owned(), slot.key.clone(), reason.to_owned());
        self.skipped.insert(0, Skipped { group, slot, reason, message });
    }
}

fn read(seen: &PolicySeen, calendars: &Calendars) -> Result<Option<Box<Read>>, String> {
    if seen.deleting || seen.spec.suspend == Some(true) || seen.spec.schedule.is_none() {
        return Ok(None);
    }
    let policy = Policy::from_spec(&seen.key.namespace, &seen.key.name, &seen.spec, Site::Cluster)?;
    let Some(schedule) = policy.schedule.clone() else { return Ok(None) };
    let schedule = schedule.with_calendars(calendars).map_err(|why| why.to_string())?;
    Ok(Some(Box::new(Read { policy, schedule })))
}

/// Why a run that a schedule began is not begun after all, as the policy stands now.
pub(crate) enum Withdrawn {
    /// It cannot be read any more.
    Invalid(String),
    OutsideWindow,
    Suspended,
    Disarmed,
}

/// Judges a policy once more, right before one of its runs begins.
pub(crate) fn withdrawn(seen: &PolicySeen, calendars: &Calendars, armed: bool, now: Timestamp) -> Option<Withdrawn> {
    match read(seen, calendars) {
        Err(why) => Some(Withdrawn::Invalid(why)),
        Ok(None) => Some(Withdrawn::Suspended),
        Ok(Some(read)) if armed && read.policy.mode != Mode::Armed => Some(Withdrawn::Disarmed),
        Ok(Some(read)) => (!read.schedule.calendar.is_open(now)).then_some(Withdrawn::OutsideWindow),
    }
}
