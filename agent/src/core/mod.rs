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
use rumpus_model::evidence::Reading;
use rumpus_model::fault::Fault;
use rumpus_model::halt::Halt;
use rumpus_model::injection::{Attestation, EndCause, Injection, State};
use rumpus_model::plan::Planned;
use rumpus_model::refusal::Refusal;
use rumpus_model::world::Halted;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

mod contacts;
mod halts;
mod inbox;
mod record;
mod slot;
#[cfg(test)]
mod tests;

pub use record::{Intent, Record};

use contacts::Contacts;
use halts::Halts;
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
    /// Contact for everything at once: the halt was read, and says this.
    Contact(Halted),
    /// Contact for one injection: everything that it hangs on was read, by requests that were sent at `at`
    /// (CLOCK_BOOTTIME) or later.
    Heard {
        injection: String,
        at: Duration,
    },
    /// These Halts stand, and no others. No contact.
    Halts(Vec<Halt>),
    /// How long a fault may live without contact from now on; 200 ms at least.
    Lease(Duration),
    /// One injection is to end, for a reason of its own.
    End {
        injection: String,
        cause: EndCause,
    },
    /// A final injection has been reported and need not be kept.
    Forget {
        injection: String,
    },
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
    /// Ask for leave to begin.
    ReadHalt {
        op: OpId,
        injection: String,
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
    Leave(Leave),
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

/// What was said right before the first change, where each injection has a contact of its own.
#[derive(Clone, Debug, PartialEq)]
pub enum Leave {
    /// It may begin unless one of these Halts covers it; everything was read by requests sent at `at` or later.
    Given {
        at: Duration,
        halts: Vec<Halt>,
        /// How long it may last at most, counted from `at`; absent for what does not last.
        left: Option<Duration>,
    },
    /// It must not begin.
    Ended(EndCause),
}

/// The state of one agent.
#[derive(Debug)]
pub struct Core {
    lease: Duration,
    boot_id: String,
    slots: BTreeMap<String, Slot>,
    ops: BTreeMap<OpId, String>,
    next_op: OpId,
    halts: Halts,
    journal: Result<(), String>,
    contacts: Contacts,
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
    /// `lease` is how long a fault may live without contact; 200 ms at least. One contact counts for everything.
    pub fn new(lease: Duration, boot_id: String, now: Duration) -> Self {
        Self::with(Contacts::Node(None), lease, boot_id, now)
    }

    /// As [`Core::new`], but each injection has a contact of its own ([`Event::Heard`]).
    pub fn with_contact_each(lease: Duration, boot_id: String, now: Duration) -> Self {
        Self::with(Contacts::each(), lease, boot_id, now)
    }

    fn with(contacts: Contacts, lease: Duration, boot_id: String, now: Duration) -> Self {
        let sweep = Sweep { op: None, due: now, done: false, failed: Vec::new() };
        Self {
            lease,
            boot_id,
            slots: BTreeMap::new(),
            ops: BTreeMap::new(),
            next_op: 1,
            halts: Halts::default(),
            journal: Ok(()),
            contacts,
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
            Event::Contact(halted) => {
                self.contacts.node(now);
                self.halts.only(halted);
            }
            Event::Heard { injection, at } => self.contacts.heard(&injection, at.min(now)),
            Event::Halts(halts) => self.halts.replace(halts),
            Event::Lease(lease) => self.lease = lease,
            Event::End { injection, cause } => self.end(&injection, &cause),
            Event::Forget { injection } => self.forget(&injection),
            Event::Done { op, outcome } => self.done(now, op, outcome, &mut commands),
            Event::Wake => {}
        }
        self.expire(now);
        self.advance(now, &mut commands);
        // What a predecessor began is in no slot: until it is taken away nothing is said to have ended.
        if self.sweep.done && self.sweep.failed.is_empty() && self.recovered.is_empty() {
            commands.extend(self.halts.attest(self.slots.values()));
        }
        commands
    }

    /// Returns when to call `step` with [`Event::Wake`] at the latest.
    pub fn wake_at(&self) -> Option<Duration> {
        let slots = self.slots.values().filter_map(Slot::wake_at);
        // Time brings nothing while a sweep is in flight: its answer does.
        slots.chain(self.sweep.op.is_none().then_some(self.sweep.due)).min()
    }

    /// Returns whether nothing of any injection will change any more.
    pub fn is_idle(&self) -> bool {
        self.sweep.done && self.recording.is_empty() && self.slots.values().all(Slot::is_final)
    }

    /// Returns whether everything that can be done has been done: what is left failed to be restored, again and again.
    pub fn is_stuck(&self) -> bool {
        let all = self.slots.values().all(|s| s.is_final() || s.is_stuck());
        self.sweep.done && all && self.slots.values().any(Slot::is_stuck)
    }

    pub fn attestations(&self) -> Vec<Attestation> {
        self.slots.values().map(Slot::attestation).collect()
    }

    fn submit(&mut self, now: Duration, injection: Injection, commands: &mut Vec<Command>) {
        let verdict = self.accept(&injection);
        self.contacts.heard(&injection.uid, now);
        let reach = Arc::new(injection.reach);
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
            )
            .within(Arc::clone(&reach), injection.not_after);
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

    fn end(&mut self, injection: &str, cause: &EndCause) {
        for slot in self.slots.values_mut().filter(|s| s.injection == injection) {
            slot.end(cause.clone());
        }
    }

    fn forget(&mut self, injection: &str) {
        if self.slots.values().filter(|s| s.injection == injection).all(Slot::is_final) {
            self.slots.retain(|_, s| s.injection != injection);
            self.contacts.forget(injection);
        }
    }

    /// Ends whatever must not go on: halted, over its time, or past its lease.
    fn expire(&mut self, now: Duration) {
        for slot in self.slots.values_mut() {
            if let Some(cause) = self.halts.ends(&slot.reach) {
                slot.end(cause);
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
        let Some(id) = self.ops.remove(&op) else { return };
        let Some(injection) = self.slots.get(&id).map(|s| s.injection.clone()) else { return };
        // A slow answer must not lift a Halt that a contact has seen since: only a contact does.
        match &outcome {
            Outcome::Halt(halted) if halted.stands() => self.halts.only(halted.clone()),
            Outcome::Leave(Leave::Given { at, halts, .. }) => {
                self.halts.add(halts);
                self.contacts.heard(&injection, (*at).min(now));
            }
            Outcome::Leave(Leave::Ended(cause)) => self.end(&injection, cause),
            Outcome::Ok
            | Outcome::Halt(_)
            | Outcome::Read(_)
            | Outcome::Swept { .. }
            | Outcome::Failed { .. }
            | Outcome::TargetGone { .. }
            | Outcome::Vanished { .. } => {}
        }
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.done(now, op, outcome);
        }
    }

    fn advance(&mut self, now: Duration, commands: &mut Vec<Command>) {
        self.sweep_if_due(now, commands);
        let until = |slot: &Slot, contact: Duration| {
            let lease = contact.saturating_add(self.lease);
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
            let until = until(slot, self.contacts.last(&slot.injection, now));
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
            | Outcome::Leave(_)
            | Outcome::Read(_)
            | Outcome::TargetGone { .. }
            | Outcome::Vanished { .. } => vec!["what came back is no answer to a sweep".into()],
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
}
