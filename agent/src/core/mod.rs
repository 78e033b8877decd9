//! The agent's reconciler: `step(now, event) -> commands`, without any I/O.
//!
//! Level-triggered: after each event every target is looked at again, in the order *halt, end, verify, then inject*. One
//! command is one effect, and its result comes back as an event, so that a crash may fall between any two. Time is
//! CLOCK_BOOTTIME and an argument. Adapters carry out and report; they decide nothing.
//!
//! ```text
//! Submit -> Accepted -> resolve -> record -> read halt -> apply 0..n -> check -> Standing -(renew each L/5)-> ...
//! ... deadline | halt | stop | lease lost | gone -> disarm -> check -> drain -> remove n..0 -> confirm -> record -> final
//! ```

use rumpus_model::change::Change;
use rumpus_model::engine::Engine;
use rumpus_model::evidence::{Effective, Reading};
use rumpus_model::fault::Fault;
use rumpus_model::injection::{Attestation, EndCause, Injection, State};
use rumpus_model::plan::Planned;
use rumpus_model::refusal::Refusal;
use rumpus_model::target::Target;
use rumpus_model::world::Halted;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

mod inbox;
mod slot;
#[cfg(test)]
mod tests;

use slot::Slot;

/// Names one command, so that its result finds its way back.
pub type OpId = u64;

/// How often leftovers of our own instance are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The journal held these faults without an end: the predecessor died.
    Recovered(Vec<Intent>),
    /// The journal cannot be written, or can again.
    Journal(Result<(), String>),
    Submit(Box<Injection>),
    /// End one injection, or all.
    Stop {
        injection: Option<String>,
        by: String,
    },
    /// Contact: the halt was read, and says this.
    Contact(Halted),
    /// A command was carried out, or not.
    Done {
        op: OpId,
        outcome: Outcome,
    },
    /// Time has passed.
    Wake,
}

/// What to do: one effect each.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    Attest(Box<Attestation>),
    AttestHalt {
        halt: String,
        ended: bool,
        clean: bool,
    },
    Order {
        op: OpId,
        order: Box<Order>,
    },
    ReadHalt {
        op: OpId,
    },
    Record {
        op: OpId,
        record: Record,
    },
    /// Take away everything of this instance but these ids.
    Sweep {
        op: OpId,
        keep: BTreeSet<String>,
    },
}

/// One act on one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    pub planned: Planned,
    pub fault: Fault,
    pub act: Act,
}

/// A closed set of acts. `until` is CLOCK_BOOTTIME: gates and worker timers stand at it.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Find the target and see that it is the one that was planned.
    Resolve,
    Apply {
        change: Change,
        until: Duration,
    },
    /// Read back what is there.
    Check,
    Renew {
        until: Duration,
    },
    /// SIGKILL to a process that outlived its grace.
    Escalate,
    /// Empty every gate.
    Disarm,
    /// Ask the holder to let go of what it holds.
    Drain,
    Remove {
        change: Change,
    },
    /// Read back that nothing with this id is left.
    Confirm,
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Ok,
    Halt(Halted),
    Read(Vec<Reading>),
    /// What a sweep took away, and what it could not.
    Swept {
        found: Vec<String>,
        failed: Vec<String>,
    },
    Failed {
        why: String,
    },
    /// The target is gone, or is not the one that was planned.
    TargetGone {
        what: String,
    },
    /// The target is there and our rules are not.
    Vanished {
        what: String,
    },
}

/// A journal record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Record {
    Intent(Box<Intent>),
    Applied { id: String },
    Ended { id: String, state: State, cause: EndCause, at: Duration },
}

/// What is about to be done, recorded before the first Change. Only what is needed to know it again: a fault may name
/// ten thousand addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Intent {
    pub injection: String,
    pub policy: String,
    /// The target's id: part of every kernel object's name.
    pub id: String,
    pub fault: String,
    /// Whether the fault is in effect for a time.
    pub lasts: bool,
    pub engine: Engine,
    pub target: Target,
    pub expected: String,
    /// CLOCK_BOOTTIME, as `at`.
    pub deadline: Option<Duration>,
    pub at: Duration,
}

impl Intent {
    /// What is attested once a sweep has taken away what a predecessor left.
    fn swept(self, now: Duration) -> Attestation {
        Attestation {
            injection: self.injection,
            id: self.id,
            target: self.target.to_string(),
            state: if self.lasts { State::Restored } else { State::Done },
            effective: Effective::Unknown,
            cause: Some(EndCause::Swept),
            in_effect: None,
            effect_ended: Some(now),
            clean: Some(now),
            readings: Vec::new(),
            problems: Vec::new(),
        }
    }
}

/// The state of one agent.
#[derive(Debug)]
pub struct Core {
    lease: Duration,
    boot_id: String,
    slots: BTreeMap<String, Slot>,
    ops: BTreeMap<OpId, String>,
    next_op: OpId,
    halted: Halted,
    halt_attested: Option<(String, bool, bool)>,
    journal: Result<(), String>,
    last_contact: Option<Duration>,
    sweep: Sweep,
    recovered: Vec<Intent>,
    /// Records in flight that belong to no slot: the ends of a predecessor's faults.
    recording: BTreeSet<OpId>,
}

#[derive(Debug)]
struct Sweep {
    op: Option<OpId>,
    due: Duration,
    /// Nothing is injected before the first sweep is done.
    done: bool,
    failed: Vec<String>,
}

impl Core {
    /// `lease` is how long a fault may live without contact; 200 ms at least.
    pub fn new(lease: Duration, boot_id: String, now: Duration) -> Self {
        let sweep = Sweep { op: None, due: now, done: false, failed: Vec::new() };
        Self {
            lease,
            boot_id,
            slots: BTreeMap::new(),
            ops: BTreeMap::new(),
            next_op: 1,
            halted: Halted::No,
            halt_attested: None,
            journal: Ok(()),
            last_contact: None,
            sweep,
            recovered: Vec::new(),
            recording: BTreeSet::new(),
        }
    }

    /// Takes one event in and says what to do.
    pub fn step(&mut self, now: Duration, event: Event) -> Vec<Command> {
        let mut commands = Vec::new();
        match event {
            Event::Recovered(intents) => self.recovered = intents,
            Event::Journal(state) => self.journal = state,
            Event::Submit(injection) => self.submit(now, *injection, &mut commands),
            Event::Stop { injection, by } => self.stop(injection.as_deref(), &by),
            Event::Contact(halted) => self.contact(now, halted),
            Event::Done { op, outcome } => self.done(now, op, outcome, &mut commands),
            Event::Wake => {}
        }
        self.expire(now);
        self.advance(now, &mut commands);
        self.attest_halt(&mut commands);
        commands
    }

    /// Returns when to call `step` with [`Event::Wake`] at the latest.
    pub fn wake_at(&self) -> Option<Duration> {
        let slots = self.slots.values().filter_map(Slot::wake_at);
        slots.chain([self.sweep.due]).min()
    }

    /// Returns whether nothing of any injection will change any more.
    pub fn is_idle(&self) -> bool {
        self.sweep.done && self.recording.is_empty() && self.slots.values().all(Slot::is_final)
    }

    /// Returns whether everything that can be done has been done: what is left failed to be restored, again and again.
    pub fn is_stuck(&self) -> bool {
        self.sweep.done && self.slots.values().all(|s| s.is_final() || s.is_stuck())
    }

    pub fn attestations(&self) -> Vec<Attestation> {
        self.slots.values().map(Slot::attestation).collect()
    }

    fn submit(&mut self, now: Duration, injection: Injection, commands: &mut Vec<Command>) {
        let verdict = self.accept(&injection);
        for planned in injection.targets {
            let changes = planned.changes(&injection.fault);
            let id = planned.id.clone();
            let deadline = injection.duration.map(|d| now.saturating_add(d));
            let mut slot = Slot::new(
                injection.uid.clone(),
                injection.policy.clone(),
                injection.fault.clone(),
                planned,
                changes,
                deadline,
                now,
            );
            if let Err(refusal) = verdict.clone().and_then(|()| self.accept_target(&slot)) {
                slot.refuse(refusal);
            }
            commands.push(Command::Attest(Box::new(slot.attestation())));
            self.slots.entry(id).or_insert(slot);
        }
    }

    fn stop(&mut self, injection: Option<&str>, by: &str) {
        for slot in self.slots.values_mut().filter(|s| injection.is_none_or(|i| s.injection == i)) {
            slot.end(EndCause::Stopped { by: by.to_owned() });
        }
    }

    fn contact(&mut self, now: Duration, halted: Halted) {
        self.last_contact = Some(now);
        self.halted = halted;
    }

    /// Ends whatever must not go on: halted, over its time, or past its lease.
    fn expire(&mut self, now: Duration) {
        for slot in self.slots.values_mut() {
            match &self.halted {
                Halted::No => {}
                Halted::Yes { id, .. } => slot.end(EndCause::Halted { id: id.clone() }),
                Halted::Unreadable { why } => slot.end(EndCause::HaltUnreadable { why: why.clone() }),
            }
            slot.expire(now);
        }
    }

    fn done(&mut self, now: Duration, op: OpId, outcome: Outcome, commands: &mut Vec<Command>) {
        if self.sweep.op == Some(op) {
            self.swept(now, outcome, commands);
            return;
        }
        // An end that could not be written is found once more by the next agent, and is no harm.
        if self.recording.remove(&op) {
            return;
        }
        let Some(slot) = self.ops.remove(&op).and_then(|id| self.slots.get_mut(&id)) else { return };
        // A slow answer must not lift a Halt that a contact has seen since: only a contact does.
        if let Outcome::Halt(halted) = &outcome
            && halted.stands()
        {
            self.halted = halted.clone();
        }
        slot.done(now, op, outcome);
    }

    fn advance(&mut self, now: Duration, commands: &mut Vec<Command>) {
        self.sweep_if_due(now, commands);
        let until = |slot: &Slot, contact: Option<Duration>| {
            let lease = contact.unwrap_or(now).saturating_add(self.lease);
            slot.deadline.map_or(lease, |d| d.min(lease))
        };
        let unrestored = self.unrestored();
        // Ending comes before beginning.
        let mut ids: Vec<(bool, String)> = self.slots.iter().map(|(id, s)| (!s.is_ending(), id.clone())).collect();
        ids.sort();
        for (beginning, id) in ids {
            let Some(slot) = self.slots.get_mut(&id) else { continue };
            // A sweep in flight keeps only what it was told of: nothing begins beside it.
            let sweeping = !self.sweep.done || self.sweep.op.is_some();
            if beginning && sweeping && !slot.has_begun() {
                continue;
            }
            if let Some(what) = unrestored.as_ref().filter(|_| !slot.has_begun()) {
                slot.refuse(Refusal::Unrestored { what: what.clone() });
            }
            let until = until(slot, self.last_contact);
            let op = self.next_op;
            if let Some(command) = slot.next(now, op, until, self.lease) {
                self.next_op += 1;
                self.ops.insert(op, id.clone());
                commands.push(command);
            }
            if slot.take_changed() {
                commands.push(Command::Attest(Box::new(slot.attestation())));
            }
        }
    }

    fn sweep_if_due(&mut self, now: Duration, commands: &mut Vec<Command>) {
        if self.sweep.op.is_none() && now >= self.sweep.due {
            let op = self.next_op;
            self.next_op += 1;
            self.sweep.op = Some(op);
            self.sweep.due = now.saturating_add(SWEEP_EVERY);
            let keep = self.slots.iter().filter(|(_, s)| !s.is_final()).map(|(id, _)| id.clone()).collect();
            commands.push(Command::Sweep { op, keep });
        }
    }

    fn swept(&mut self, now: Duration, outcome: Outcome, commands: &mut Vec<Command>) {
        self.sweep.op = None;
        self.sweep.done = true;
        self.sweep.failed = match outcome {
            Outcome::Swept { failed, .. } => failed,
            Outcome::Failed { why } => vec![why],
            Outcome::Ok
            | Outcome::Halt(_)
            | Outcome::Read(_)
            | Outcome::TargetGone { .. }
            | Outcome::Vanished { .. } => Vec::new(),
        };
        if !self.sweep.failed.is_empty() {
            self.sweep.due = now.saturating_add(self.lease);
            return;
        }
        for intent in std::mem::take(&mut self.recovered) {
            let op = self.next_op;
            self.next_op += 1;
            self.recording.insert(op);
            let attestation = intent.swept(now);
            let (id, state) = (attestation.id.clone(), attestation.state);
            commands.push(Command::Attest(Box::new(attestation)));
            commands.push(Command::Record { op, record: Record::Ended { id, state, cause: EndCause::Swept, at: now } });
        }
    }

    /// Returns what could not be restored: while there is any, nothing new is injected.
    fn unrestored(&self) -> Option<String> {
        let failed =
            self.slots.values().find(|s| s.state() == State::RestoreFailed).map(|s| s.planned.target.to_string());
        failed.or_else(|| self.sweep.failed.first().cloned())
    }

    fn attest_halt(&mut self, commands: &mut Vec<Command>) {
        let Halted::Yes { id, .. } = &self.halted else { return };
        let ended = self.slots.values().all(Slot::effect_is_over);
        let clean = ended && self.slots.values().all(Slot::is_final);
        let attested = Some((id.clone(), ended, clean));
        if (ended || clean) && self.halt_attested != attested {
            self.halt_attested = attested;
            commands.push(Command::AttestHalt { halt: id.clone(), ended, clean });
        }
    }
}
