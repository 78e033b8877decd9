//! What is really there: the kernel's objects by slot, and what the journal holds. It obeys and judges nothing.

use rumpus_agent::core::{Act, Order, Outcome, Record};
use rumpus_model::change::Change;
use rumpus_model::evidence::{Counts, Delayed, Filtered, Killed, Reading};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a slot has in the kernel.
#[derive(Debug, Default)]
struct Things {
    table: bool,
    /// Devices or a worker.
    delays: bool,
    /// Until when the table's gate stands.
    gate: Duration,
}

/// One node.
#[derive(Debug, Default)]
pub(crate) struct World {
    things: BTreeMap<String, Things>,
    /// Slots with an intent on disk.
    journal: BTreeSet<String>,
    /// Whether a signalled process lives on until it is killed.
    pub(crate) stubborn: bool,
    /// Packets that are still held back.
    pub(crate) backlog: u64,
}

impl World {
    /// Something that a predecessor left.
    pub(crate) fn left(&mut self, id: &str, gate: Duration) {
        self.journal.insert(id.to_owned());
        self.things.insert(id.to_owned(), Things { table: true, delays: true, gate });
    }

    pub(crate) fn is_armed(&self, id: &str, now: Duration) -> bool {
        self.things.get(id).is_some_and(|t| t.table && t.gate > now)
    }

    pub(crate) fn has(&self, id: &str) -> bool {
        self.things.get(id).is_some_and(|t| t.table || t.delays)
    }

    /// Returns the slots that anything is there of.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.things.keys().map(String::as_str).filter(|id| self.has(id))
    }

    pub(crate) fn is_journaled(&self, id: &str) -> bool {
        self.journal.contains(id)
    }

    /// Somebody takes what a slot has away, or its target is gone.
    pub(crate) fn rob(&mut self, id: &str) {
        self.things.remove(id);
    }

    pub(crate) fn record(&mut self, record: &Record) {
        match record {
            Record::Intent(intent) => drop(self.journal.insert(intent.id.clone())),
            Record::Ended { id, .. } => drop(self.journal.remove(id)),
            Record::Applied { .. } | Record::Kept { .. } => {}
        }
    }

    pub(crate) fn sweep(&mut self, keep: &BTreeSet<String>) -> Vec<String> {
        let swept: Vec<String> = self.ids().filter(|id| !keep.contains(*id)).map(str::to_owned).collect();
        self.things.retain(|id, _| keep.contains(id));
        swept
    }

    /// Carries one act out and tells the truth.
    pub(crate) fn act(&mut self, order: &Order, now: Duration) -> Outcome {
        let things = self.things.entry(order.planned.id.clone()).or_default();
        let lasts = order.fault.lasts();
        let killed = |gone, escalated| {
            let by = "pidfd".into();
            Outcome::Read(vec![Reading::Killed(Killed { gone, escalated, after: now, processes: 1, survivors: 0, by })])
        };
        match &order.act {
            Act::Resolve | Act::Drain => Outcome::Ok,
            Act::Apply { until, .. } if lasts && *until <= now => Outcome::Failed { why: "its time is over".into() },
            Act::Apply { change: Change::Filter(_), until } => {
                (things.table, things.gate) = (true, *until);
                Outcome::Ok
            }
            Act::Apply { change: Change::DelayLinks(_) | Change::DelayWorker(_), .. } => {
                things.delays = true;
                Outcome::Ok
            }
            Act::Check | Act::Apply { .. } if !lasts => killed(!self.stubborn, false),
            Act::Escalate => killed(true, true),
            Act::Check | Act::Renew { .. } | Act::Disarm if !things.table => {
                Outcome::Vanished { what: "its table".into() }
            }
            Act::Check | Act::Apply { .. } => {
                let armed_for = things.gate.checked_sub(now).filter(|left| !left.is_zero());
                let hit = Counts { egress: 3, ingress: 0 };
                Outcome::Read(vec![
                    Reading::Filtered(Filtered { armed_for, hit, passed: Counts::default() }),
                    Reading::Delayed(Delayed { delayed: 3, backlog: self.backlog, lost: 0 }),
                ])
            }
            Act::Renew { until } => {
                things.gate = if *until > now { *until } else { things.gate };
                Outcome::Ok
            }
            Act::Disarm => {
                things.gate = Duration::ZERO;
                Outcome::Ok
            }
            Act::Remove { change } => {
                let table = matches!(change, Change::Filter(_));
                (things.table, things.delays) = (things.table && !table, things.delays && table);
                Outcome::Ok
            }
            Act::Confirm if things.table || things.delays => Outcome::Failed { why: "something is left".into() },
            Act::Confirm => Outcome::Ok,
        }
    }
}
