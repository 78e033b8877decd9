//! What no command may do and no attestation may say, judged by what was heard, asked and answered, and by what is there.
//!
//! It knows nothing of the reconciler's stages. Where somebody answered another question than was asked, what is said of
//! that slot is not held against what is there any more.

use super::world::World;
use rumpus_agent::core::{Act, Command, Event, Intent, Leave, OpId, Order, Outcome, Record};
use rumpus_model::change::Change;
use rumpus_model::halt::{Halt, HaltScope, Reach};
use rumpus_model::injection::{Attestation, EndCause, Injection, State};
use rumpus_model::world::Halted;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What is known of one slot.
#[derive(Debug)]
struct Slot {
    injection: String,
    reach: Reach,
    lasts: bool,
    changes: Vec<Change>,
    deadline: Option<Duration>,
    asked: Option<OpId>,
    resolved: bool,
    leave: bool,
    begun: usize,
    disarmed: bool,
    /// Somebody asked for its end.
    ended: bool,
    robbed: bool,
    /// Was given nonsense for an answer.
    fooled: bool,
    said: Attestation,
}

/// The book of one play.
#[derive(Debug)]
pub(super) struct Rules {
    each: bool,
    lease: Duration,
    /// Of the node, under an empty name, or of each injection.
    contacts: BTreeMap<String, Duration>,
    standing: Vec<Halt>,
    unreadable: bool,
    recovered: BTreeSet<String>,
    slots: BTreeMap<String, Slot>,
    submitted: Option<Injection>,
    /// Which slot asked for leave.
    asks: BTreeMap<OpId, String>,
    /// Whose command was answered in this step.
    answered: Option<String>,
    sweeping: Option<BTreeSet<String>>,
    swept: bool,
    last_op: OpId,
}

impl Rules {
    pub(super) fn new(each: bool, lease: Duration, recovered: &[Intent]) -> Self {
        Self {
            each,
            lease,
            contacts: BTreeMap::new(),
            standing: Vec::new(),
            unreadable: false,
            recovered: recovered.iter().map(|i| i.id.clone()).collect(),
            slots: BTreeMap::new(),
            submitted: None,
            asks: BTreeMap::new(),
            answered: None,
            sweeping: None,
            swept: false,
            last_op: 0,
        }
    }

    /// Notes an event.
    pub(super) fn hear(&mut self, now: Duration, event: &Event) {
        if !matches!(event, Event::Done { .. }) {
            self.answered = None;
        }
        match event {
            Event::Submit(injection) => {
                self.heard(&injection.uid, now);
                self.submitted = Some((**injection).clone());
            }
            Event::Stop { injection, .. } => {
                let meant = |s: &&mut Slot| injection.as_ref().is_none_or(|i| *i == s.injection);
                self.slots.values_mut().filter(meant).for_each(|s| s.ended = true);
            }
            Event::End { injection, .. } => {
                self.slots.values_mut().filter(|s| s.injection == *injection).for_each(|s| s.ended = true);
            }
            Event::Contact(halted) => {
                if !self.each {
                    self.contacts.insert(String::new(), now);
                }
                self.only(halted);
            }
            Event::Heard { injection, at } => self.heard(injection, (*at).min(now)),
            Event::Halts(halts) => self.standing.clone_from(halts),
            Event::Lease(lease) => self.lease = *lease,
            Event::Forget { injection } => {
                if self.slots.values().all(|s| s.injection != *injection || s.said.state.is_final()) {
                    self.slots.retain(|_, s| s.injection != *injection);
                    self.contacts.remove(injection);
                }
            }
            Event::Recovered(_) | Event::Journal(_) | Event::Done { .. } | Event::Wake => {}
        }
    }

    fn heard(&mut self, injection: &str, at: Duration) {
        if self.each {
            let last = self.contacts.entry(injection.to_owned()).or_insert(at);
            *last = (*last).max(at);
        }
    }

    fn only(&mut self, halted: &Halted) {
        self.unreadable = matches!(halted, Halted::Unreadable { .. });
        self.standing = match halted {
            Halted::Yes { id, reason } => {
                vec![Halt { id: id.clone(), reason: reason.clone(), scope: HaltScope::All }]
            }
            Halted::No | Halted::Unreadable { .. } => Vec::new(),
        };
    }

    /// Notes that what a slot has was taken away.
    pub(super) fn robbed(&mut self, id: &str) {
        self.slots.get_mut(id).into_iter().for_each(|s| s.robbed = true);
    }

    /// Notes an answer.
    pub(super) fn done(&mut self, now: Duration, op: OpId, command: &Command, outcome: &Outcome, honest: bool) {
        let asked = self.asks.remove(&op);
        let id = match command {
            Command::Order { order, .. } => Some(order.planned.id.clone()),
            Command::Record { record: Record::Intent(intent), .. } => Some(intent.id.clone()),
            Command::Record { record: Record::Applied { id } | Record::Ended { id, .. }, .. } => Some(id.clone()),
            Command::ReadHalt { .. } => asked,
            Command::Sweep { .. } => {
                (self.sweeping, self.swept) = (None, true);
                None
            }
            Command::Record { record: Record::Kept { .. }, .. } | Command::Attest(_) | Command::AttestHalt { .. } => {
                None
            }
        };
        let Some(id) = id.filter(|id| self.slots.get(id).is_some_and(|s| s.asked == Some(op))) else { return };
        let (mut uid, mut left) = (None, None);
        match outcome {
            Outcome::Halt(halted) if halted.stands() => self.only(halted),
            Outcome::Leave(Leave::Given { at, halts, left: time }) => {
                let known = |s: &[Halt], h: &Halt| s.iter().any(|s| s.id == h.id);
                halts.iter().for_each(|h| {
                    if !known(&self.standing, h) {
                        self.standing.push(h.clone())
                    }
                });
                (uid, left) = (Some((*at).min(now)), time.map(|time| at.saturating_add(time)));
            }
            Outcome::Ok
            | Outcome::Halt(_)
            | Outcome::Leave(Leave::Ended(_))
            | Outcome::Read(_)
            | Outcome::Swept { .. }
            | Outcome::Failed { .. }
            | Outcome::TargetGone { .. }
            | Outcome::Vanished { .. } => {}
        }
        let Some(slot) = self.slots.get_mut(&id) else { return };
        self.answered = Some(id);
        slot.asked = None;
        slot.fooled |= !honest;
        match command {
            Command::ReadHalt { .. } => {
                slot.deadline = slot.deadline.map(|d| left.map_or(d, |l| d.min(l)));
                slot.leave = matches!(outcome, Outcome::Halt(Halted::No) | Outcome::Leave(Leave::Given { .. }));
            }
            Command::Order { order, .. } if order.act == Act::Resolve => slot.resolved = *outcome == Outcome::Ok,
            Command::Order { .. }
            | Command::Record { .. }
            | Command::Sweep { .. }
            | Command::Attest(_)
            | Command::AttestHalt { .. } => {}
        }
        if let Some(at) = uid {
            let injection = slot.injection.clone();
            self.heard(&injection, at);
        }
    }

    /// Judges a command before it is carried out.
    pub(super) fn judge(&mut self, now: Duration, command: &Command, world: &World) {
        match command {
            Command::Attest(said) => self.attested(now, said, world),
            Command::AttestHalt { halt, ended, clean } => self.halt_attested(now, halt, *ended, *clean, world),
            Command::Order { op, order } => {
                self.asks(*op, &order.planned.id);
                self.ordered(now, order, world);
            }
            Command::ReadHalt { op, injection } => {
                // It comes right after the record.
                let id = self.answered.take().unwrap_or_default();
                assert_eq!(self.slots.get(&id).map(|s| &s.injection), Some(injection), "asked for leave of {id:?}");
                self.asks(*op, &id);
                self.asks.insert(*op, id);
            }
            Command::Record { op, record } => match record {
                Record::Intent(intent) => {
                    self.asks(*op, &intent.id);
                    let slot = &self.slots[&intent.id];
                    assert!(slot.begun == 0 && (slot.resolved || slot.fooled), "recorded too soon: {slot:?}");
                }
                Record::Applied { id } => self.asks(*op, id),
                Record::Ended { id, cause: EndCause::Swept, .. } => {
                    assert!(self.recovered.contains(id), "the end of what nobody began: {id}");
                    self.last_op = self.last_op.max(*op);
                }
                Record::Ended { id, .. } => self.asks(*op, id),
                Record::Kept { .. } => assert_eq!(*op, 0, "the reconciler keeps nothing by itself"),
            },
            Command::Sweep { op, keep } => {
                assert!(*op > self.last_op && self.sweeping.is_none(), "a second sweep beside the first");
                self.last_op = *op;
                for (id, slot) in &self.slots {
                    assert!(keep.contains(id) || slot.said.state.is_final(), "swept while it lives: {id} {slot:?}");
                }
                self.sweeping = Some(keep.clone());
            }
        }
    }

    /// One command for a slot at a time, and none once it is final.
    fn asks(&mut self, op: OpId, id: &str) {
        assert!(op > self.last_op, "op {op} after {}", self.last_op);
        self.last_op = op;
        let slot = self.slots.get_mut(id);
        assert!(slot.is_some(), "a command for a slot that there is not: {id:?}");
        if let Some(slot) = slot {
            assert!(slot.asked.is_none() && !slot.said.state.is_final(), "{id} is asked again: {slot:?}");
            slot.asked = Some(op);
        }
    }

    fn ordered(&mut self, now: Duration, order: &Order, world: &World) {
        let id = &order.planned.id;
        let (halts, unreadable, swept, sweeping) = (&self.standing, self.unreadable, self.swept, &self.sweeping);
        let contact = if self.each {
            self.contacts.get(&self.slots[id].injection).copied().unwrap_or_default()
        } else {
            self.contacts.get("").copied().unwrap_or(now)
        };
        let Some(slot) = self.slots.get_mut(id) else { return };
        let wanted = !slot.ended
            && !unreadable
            && slot.said.cause.is_none()
            && slot.deadline.is_none_or(|d| now < d)
            && !halts.iter().any(|h| h.covers(&slot.reach));
        let within =
            |until: Duration| until <= contact.saturating_add(self.lease) && slot.deadline.is_none_or(|d| until <= d);
        match &order.act {
            Act::Apply { change, until } => {
                assert!(
                    wanted && within(*until),
                    "applied until {until:?} at {now:?}, heard of at {contact:?}: {slot:?}"
                );
                assert!(
                    swept && sweeping.as_ref().is_none_or(|keep| keep.contains(id)),
                    "applied beside a sweep: {slot:?}"
                );
                assert_eq!(slot.changes.get(slot.begun), Some(change), "{slot:?}");
                assert!(slot.leave || slot.fooled, "applied without leave: {slot:?}");
                assert!(
                    world.is_journaled(id) && slot.resolved || slot.fooled,
                    "applied before it was recorded: {slot:?}"
                );
                slot.begun += 1;
            }
            Act::Renew { until } => {
                assert!(
                    wanted && within(*until),
                    "renewed until {until:?} at {now:?}, heard of at {contact:?}: {slot:?}"
                );
                assert_eq!(slot.begun, slot.changes.len(), "renewed before it was whole: {slot:?}");
            }
            Act::Escalate => assert!(wanted && slot.begun == 1 && !slot.lasts, "killed although it is over: {slot:?}"),
            Act::Disarm => slot.disarmed = true,
            Act::Remove { change } => {
                let begun = slot.changes.iter().take(slot.begun).any(|c| c == change);
                assert!(begun && slot.disarmed, "removed what was not begun, or not ended: {slot:?}");
                assert!(slot.fooled || !world.is_armed(id, now), "removed under an armed gate: {slot:?}");
            }
            Act::Resolve | Act::Check | Act::Drain | Act::Confirm => {}
        }
    }

    fn attested(&mut self, now: Duration, said: &Attestation, world: &World) {
        if said.cause == Some(EndCause::Swept) {
            assert!(self.recovered.contains(&said.id) && !world.has(&said.id), "said to be swept: {said:?}");
            return;
        }
        let Some(slot) = self.slots.get_mut(&said.id) else {
            let target = self.submitted.iter().find_map(|i| Some((i, i.targets.iter().find(|t| t.id == said.id)?)));
            assert!(target.is_some(), "attested of what nobody handed in: {said:?}");
            let Some((injection, planned)) = target else { return };
            let deadline = injection.duration.map(|d| now.saturating_add(d));
            let slot = Slot {
                injection: injection.uid.clone(),
                reach: injection.reach.clone(),
                lasts: injection.fault.lasts(),
                changes: planned.changes(&injection.fault),
                deadline,
                asked: None,
                resolved: false,
                leave: false,
                begun: 0,
                disarmed: false,
                ended: false,
                robbed: false,
                fooled: false,
                said: said.clone(),
            };
            self.slots.insert(said.id.clone(), slot);
            return;
        };
        if slot.injection != said.injection {
            assert_eq!(said.state, State::Refused, "of two with one id the second is refused");
            return;
        }
        let before = &slot.said;
        assert!(!before.state.is_final() || before.state == said.state, "final, and then not: {before:?} {said:?}");
        assert!(before.cause.is_none() || before.cause == said.cause, "ended twice: {before:?} {said:?}");
        assert!(before.effect_ended.is_none() || before.effect_ended == said.effect_ended, "{before:?} {said:?}");
        // What is there of a slot that did not begin is its predecessor's.
        if !slot.fooled && slot.begun > 0 {
            assert!(said.effect_ended.is_none() || !world.is_armed(&said.id, now), "not ended: {said:?}");
            assert!(!said.state.is_final() || !world.has(&said.id), "something is left: {said:?}");
            let proven = said.clean.is_some() && said.effect_ended.is_some();
            assert!(said.state != State::Restored || proven, "restored without proof: {said:?}");
        }
        slot.said = said.clone();
    }

    fn halt_attested(&self, now: Duration, halt: &str, ended: bool, clean: bool, world: &World) {
        assert!(ended, "what has not ended is not attested");
        let standing: Vec<&Halt> = self.standing.iter().filter(|h| h.id == halt).collect();
        assert!(!standing.is_empty(), "{halt} does not stand");
        for (id, slot) in self.slots.iter().filter(|(_, s)| standing.iter().any(|h| h.covers(&s.reach))) {
            assert!(slot.fooled || !world.is_armed(id, now), "attested under {halt} and in effect: {slot:?}");
            assert!(slot.fooled || !clean || !world.has(id), "attested clean under {halt} and there: {slot:?}");
        }
        let predecessor = world.ids().find(|id| !self.slots.contains_key(*id));
        assert_eq!(predecessor, None, "attested under {halt} while something of a predecessor is there");
    }

    /// Looks at everything after a step.
    pub(super) fn look(&self, now: Duration, all: &[Attestation], world: &World) {
        assert_eq!(all.len(), self.slots.len());
        for is in all {
            let slot = &self.slots[&is.id];
            assert_eq!((is.state, &is.cause), (slot.said.state, &slot.said.cause), "a change was not told");
            let over = self.unreadable
                || slot.deadline.is_some_and(|d| d <= now)
                || self.standing.iter().any(|h| h.covers(&slot.reach));
            assert!(is.cause.is_some() || !over, "it goes on although it is over at {now:?}: {slot:?}");
            let real = world.is_armed(&is.id, now) || slot.robbed || slot.fooled || !slot.lasts;
            assert!(is.state != State::InEffect || real, "said to be in effect at {now:?}: {slot:?}");
        }
    }

    /// Looks at everything once it has come to rest.
    pub(super) fn rested(&self, world: &World) {
        for (id, slot) in &self.slots {
            assert!(
                slot.said.state.is_final() && (slot.fooled || slot.begun == 0 || !world.has(id)),
                "{id} does not end: {slot:?}"
            );
        }
    }
}
