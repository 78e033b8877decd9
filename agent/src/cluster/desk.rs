//! Where injections come in and what becomes of them is kept: from the API server's objects to the reconciler's events,
//! and back to statuses.
//!
//! Level-triggered and without I/O: it may be shown the same object any number of times. It must never let an injection
//! begin twice, nor begin what nobody wants any more.

use super::assemble::Assigned;
use super::ceilings::Ceilings;
use super::order::{self, Order};
use super::report::{self, Known, Wall};
use crate::core::Event;
use rumpus_cluster::{ChaosInjection, Unread};
use rumpus_model::halt::Halt;
use rumpus_model::injection::{Attestation, EndCause, Injection, State, Unwanted};
use rumpus_model::refusal::Refusal;
use rumpus_model::wire::{InjectionStatus, Phase};
use std::collections::{BTreeMap, BTreeSet};

mod held;
#[cfg(test)]
mod tests;

pub use held::Name;
use held::{Held, Stage};

/// What is to be done next.
#[derive(Debug)]
pub enum Act {
    /// Look its targets up.
    Assemble(Box<Order>),
    Tell(Box<Event>),
    /// Its status has something new; `now` where others wait for it.
    Report {
        uid: String,
        now: bool,
    },
    /// Nothing about it is left to be told: the journal need not keep it.
    Reported(String),
}

/// Whether the API server has shown that it binds agents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guard {
    Missing(String),
    Proven,
    Untried,
}

/// What a journal knows when an agent starts.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// It is new, or was damaged: a predecessor may have begun things of which it knows nothing.
    pub fresh: bool,
    /// UIDs of injections that were begun.
    pub begun: BTreeSet<String>,
    /// By injection and slot: what was not reported yet.
    pub recovered: BTreeMap<String, BTreeMap<String, Attestation>>,
}

/// The desk of one node.
#[derive(Debug)]
pub struct Desk {
    node: String,
    ceilings: Ceilings,
    guard: Guard,
    /// The Lease was not seen to move since this agent started: nobody may be there to end what it begins.
    unmoved: bool,
    stopping: bool,
    halts: Vec<Halt>,
    held: BTreeMap<String, Held>,
    /// Begun once, by this agent or a predecessor: never again.
    begun: BTreeSet<String>,
    /// What the journal says of injections that a predecessor began, until their object is seen.
    recovered: BTreeMap<String, BTreeMap<String, Attestation>>,
    /// Whose final status is stored: a final state stays, so whatever else is seen of them is of before.
    told: BTreeSet<String>,
    /// Of those that a predecessor left: whose object is there no more.
    absent: BTreeSet<String>,
    /// The journal is new or was damaged, and no list was seen yet: what is armed by then may have been carried out.
    unknowing: bool,
}

impl Desk {
    /// `kept` is what the journal knows.
    pub fn new(node: String, ceilings: Ceilings, kept: Kept) -> Self {
        let Kept { fresh, begun, recovered } = kept;
        Self {
            node,
            ceilings,
            guard: Guard::Untried,
            unmoved: true,
            stopping: false,
            halts: Vec::new(),
            held: BTreeMap::new(),
            begun,
            recovered,
            told: BTreeSet::new(),
            absent: BTreeSet::new(),
            unknowing: fresh,
        }
    }

    /// Takes an object in, as it is now.
    pub fn seen(&mut self, object: &ChaosInjection) -> Vec<Act> {
        let uid = object.uid().to_owned();
        if object.spec.node_name != self.node || uid.is_empty() || self.told.contains(&uid) {
            return Vec::new();
        }
        let name = Name { namespace: object.namespace().to_owned(), name: object.name().to_owned() };
        let mut acts = self.replaced(&name, &uid);
        let unwanted = unwanted(object);
        if let Some(held) = self.held.get_mut(&uid) {
            held.phase = object.spec.phase;
            held.generation = object.metadata.generation;
            if let Some(cause) = unwanted {
                acts.extend(self.end(&uid, cause));
            }
            return acts;
        }
        let state = object.status.as_ref().and_then(|s| s.state);
        if state.is_some_and(rumpus_model::wire::InjectionState::is_final) {
            acts.extend(self.recovered.remove(&uid).map(|_| Act::Reported(uid.clone())));
            self.told.insert(uid);
            return acts;
        }
        let unknown = self.unknowing && object.spec.phase != Phase::Planned;
        let begun = self.begun.contains(&uid) || state.is_some() || unknown;
        let wanted = object.spec.phase == Phase::Armed && unwanted.is_none();
        if !begun && object.spec.phase == Phase::Planned {
            return acts;
        }
        self.held.insert(uid.clone(), Held::new(name, object));
        match (begun, unwanted) {
            (true, _) => acts.extend(self.interrupted(&uid, object)),
            (false, Some(EndCause::Unwanted(_))) => drop(self.held.remove(&uid)),
            (false, Some(cause)) => acts.extend(self.refuse(&uid, cause)),
            (false, None) if wanted => acts.extend(self.consider(&uid)),
            (false, None) => {}
        }
        acts
    }

    /// Takes in an object of this node that cannot be understood: it is refused, and what it was before lives on only
    /// as long as it can be read.
    pub fn unreadable(&mut self, unread: &Unread) -> Vec<Act> {
        let Some(uid) = unread.metadata.uid.clone().filter(|uid| !self.begun.contains(uid)) else { return Vec::new() };
        self.begun.insert(uid.clone());
        let name = Name {
            namespace: unread.metadata.namespace.clone().unwrap_or_default(),
            name: unread.metadata.name.clone().unwrap_or_default(),
        };
        self.held.insert(uid.clone(), Held::unread(name, self.node.clone()));
        let problems = vec![report::short(&unread.why)];
        self.refuse(&uid, EndCause::Refused(Refusal::Invalid { problems }))
    }

    /// Takes in that these are all objects there are.
    pub fn listed(&mut self, uids: &BTreeSet<String>) -> Vec<Act> {
        self.unknowing = false;
        self.told.retain(|uid| uids.contains(uid));
        let absent: Vec<String> = self.held.keys().filter(|uid| !uids.contains(*uid)).cloned().collect();
        let mut acts: Vec<Act> = absent.iter().flat_map(|uid| self.gone(uid)).collect();
        self.absent.extend(self.recovered.keys().filter(|uid| !uids.contains(*uid)).cloned());
        acts.extend(self.settle_absent());
        acts
    }

    /// Of what a predecessor left and nobody asks about any more, the ChaosNode tells.
    fn settle_absent(&mut self) -> Vec<Act> {
        let over = |uid: &String| self.recovered.get(uid).is_none_or(|s| s.values().all(|a| a.state.is_final()));
        let over: Vec<String> = self.absent.iter().filter(|uid| over(uid)).cloned().collect();
        for uid in &over {
            self.absent.remove(uid);
            self.recovered.remove(uid);
        }
        over.into_iter().map(Act::Reported).collect()
    }

    /// Takes in that an object is there no more.
    pub fn gone(&mut self, uid: &str) -> Vec<Act> {
        let mut acts = self.end(uid, EndCause::Unwanted(Unwanted::Absent));
        if self.recovered.contains_key(uid) {
            self.absent.insert(uid.to_owned());
            acts.extend(self.settle_absent());
        }
        acts
    }

    /// Another object has the name of one that we hold.
    fn replaced(&mut self, name: &Name, uid: &str) -> Vec<Act> {
        let old: Vec<String> =
            self.held.iter().filter(|(u, h)| *u != uid && h.name == *name).map(|(u, _)| u.clone()).collect();
        old.iter().flat_map(|old| self.end(old, EndCause::Unwanted(Unwanted::Replaced))).collect()
    }

    /// Ends what is live, and never begins what waits.
    pub fn end(&mut self, uid: &str, cause: EndCause) -> Vec<Act> {
        let Some(held) = self.held.get_mut(uid) else { return Vec::new() };
        match held.stage {
            Stage::Waiting => self.refuse(uid, cause),
            Stage::Assembling => {
                held.cause.get_or_insert(cause);
                Vec::new()
            }
            Stage::Live => vec![Act::Tell(Box::new(Event::End { injection: uid.to_owned(), cause }))],
            Stage::Closed => Vec::new(),
        }
    }

    /// Looks again at whatever waits.
    fn reconsider(&mut self) -> Vec<Act> {
        let waiting = self.held.iter().filter(|(_, h)| h.stage == Stage::Waiting).map(|(u, _)| u.clone());
        waiting.collect::<Vec<_>>().iter().flat_map(|uid| self.consider(uid)).collect()
    }

    fn consider(&mut self, uid: &str) -> Vec<Act> {
        let Some(held) = self.held.get_mut(uid) else { return Vec::new() };
        let order = match order::read(uid, &held.name.namespace, &held.spec) {
            Ok(order) => order,
            Err(refusal) => return self.refuse(uid, EndCause::Refused(refusal)),
        };
        if let Some(halt) = self.halts.iter().find(|h| h.covers(&order.reach)) {
            let reason = halt.reason.clone();
            return self.refuse(uid, EndCause::Refused(Refusal::Halted { reason }));
        }
        if self.stopping {
            return self.refuse(uid, EndCause::Stopped { by: "SIGTERM".into() });
        }
        match &self.guard {
            Guard::Missing(why) => {
                let refusal = Refusal::AdmissionGuardMissing { why: why.clone() };
                return self.refuse(uid, EndCause::Refused(refusal));
            }
            Guard::Untried => return Vec::new(),
            Guard::Proven => {}
        }
        if self.unmoved {
            return Vec::new();
        }
        if let Err(refusal) = self.ceilings.whole(&order, self.live_slots()) {
            return self.refuse(uid, EndCause::Refused(refusal));
        }
        if let Some(held) = self.held.get_mut(uid) {
            held.stage = Stage::Assembling;
            held.expects = order.targets.len().saturating_mul(order.branches.len());
        }
        self.begun.insert(uid.to_owned());
        vec![Act::Assemble(Box::new(order))]
    }

    fn live_slots(&self) -> usize {
        self.held.values().filter(|h| matches!(h.stage, Stage::Assembling | Stage::Live)).map(|h| h.expects).sum()
    }

    /// Takes in what its targets came to.
    pub fn assembled(&mut self, injection: Injection, assigned: Vec<Assigned>) -> Vec<Act> {
        let uid = injection.uid.clone();
        let Some(held) = self.held.get_mut(&uid) else { return Vec::new() };
        held.assigned = assigned;
        held.expects = injection.targets.len();
        match held.cause.take() {
            Some(cause) => self.refuse(&uid, cause),
            None if injection.targets.is_empty() => {
                held.stage = Stage::Closed;
                vec![Act::Report { uid, now: true }]
            }
            None => {
                held.stage = Stage::Live;
                vec![Act::Tell(Box::new(Event::Submit(Box::new(injection))))]
            }
        }
    }

    fn refuse(&mut self, uid: &str, cause: EndCause) -> Vec<Act> {
        let Some(held) = self.held.get_mut(uid) else { return Vec::new() };
        held.stage = Stage::Closed;
        held.refused = Some(cause);
        held.name_targets();
        vec![Act::Report { uid: uid.to_owned(), now: true }]
    }

    /// A predecessor began it: it is not begun again, and what its journal says is reported.
    fn interrupted(&mut self, uid: &str, object: &ChaosInjection) -> Vec<Act> {
        self.begun.insert(uid.to_owned());
        let attested = self.recovered.remove(uid).unwrap_or_default();
        let Some(held) = self.held.get_mut(uid) else { return Vec::new() };
        held.stage = Stage::Live;
        held.assign(uid, object);
        held.attested = attested;
        held.fill_in();
        self.settle(uid, true)
    }

    /// Takes in what the reconciler attests.
    pub fn attested(&mut self, attestation: Attestation) -> Vec<Act> {
        let uid = attestation.injection.clone();
        let Some(held) = self.held.get_mut(&uid) else {
            if self.told.contains(&uid) {
                return if attestation.state.is_final() { vec![Act::Reported(uid)] } else { Vec::new() };
            }
            self.recovered.entry(uid).or_default().insert(attestation.id.clone(), attestation);
            return self.settle_absent();
        };
        let before = held.attested.insert(attestation.id.clone(), attestation.clone());
        // That it is accepted is said only if nothing else comes soon: it is one write less for each injection.
        let urgent = attestation.state != State::Accepted && before.is_none_or(|b| b.state != attestation.state);
        self.settle(&uid, urgent)
    }

    fn settle(&mut self, uid: &str, urgent: bool) -> Vec<Act> {
        let Some(held) = self.held.get_mut(uid) else { return Vec::new() };
        let over = held.is_over();
        if over {
            held.stage = Stage::Closed;
        }
        vec![Act::Report { uid: uid.to_owned(), now: urgent || over }]
    }

    /// Takes in the Halts that stand.
    pub fn halted(&mut self, halts: Vec<Halt>) -> Vec<Act> {
        self.halts.clone_from(&halts);
        let mut acts = vec![Act::Tell(Box::new(Event::Halts(halts)))];
        acts.extend(self.reconsider());
        acts
    }

    pub fn guarded(&mut self, guard: Guard) -> Vec<Act> {
        self.guard = guard;
        self.reconsider()
    }

    /// Takes in that the Lease was seen to move.
    pub fn lease_moved(&mut self) -> Vec<Act> {
        self.unmoved = false;
        self.reconsider()
    }

    /// Begins nothing new from now on.
    pub fn stop(&mut self) -> Vec<Act> {
        self.stopping = true;
        self.reconsider()
    }

    /// Returns whether something waits for the Lease to move.
    pub fn waits_for_lease(&self) -> bool {
        self.unmoved && self.held.values().any(|h| h.stage == Stage::Waiting)
    }

    pub fn halts(&self) -> &[Halt] {
        &self.halts
    }

    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Returns the injections that have a fault in effect, or may have soon, or are being ended.
    pub fn live(&self) -> Vec<(String, Name)> {
        let live = self.held.iter().filter(|(_, h)| h.stage == Stage::Live);
        live.map(|(uid, held)| (uid.clone(), held.name.clone())).collect()
    }

    pub fn name(&self, uid: &str) -> Option<&Name> {
        self.held.get(uid).map(|h| &h.name)
    }

    /// Returns the order that an injection was accepted with.
    pub fn order(&self, uid: &str) -> Option<Order> {
        let held = self.held.get(uid)?;
        order::read(uid, &held.name.namespace, &held.spec).ok()
    }

    /// Returns the status to be reported, and whether it is final.
    pub fn status(&mut self, uid: &str, wall: &impl Wall) -> Option<(Name, InjectionStatus, bool)> {
        let held = self.held.get_mut(uid)?;
        let known = Known {
            phase: held.phase,
            generation: held.generation,
            refused: held.refused.as_ref(),
            assigned: &held.assigned,
            attested: &held.attested,
            conditions: &held.conditions,
        };
        let mut status = report::status(&known, wall);
        // What was said once stands: an instant of the past does not move with the wall clock.
        held.effect_ended = held.effect_ended.take().or(status.effect_ended.take());
        held.clean = held.clean.take().or(status.clean.take());
        (status.effect_ended, status.clean) = (held.effect_ended.clone(), held.clean.clone());
        held.conditions = status.conditions.clone();
        Some((held.name.clone(), status, held.stage == Stage::Closed))
    }

    /// Takes in what came of writing a status. `nobody`: its name means nothing or another object now, so that nobody
    /// takes it; `last`: it was final, and nothing newer waits.
    pub fn answered(&mut self, uid: &str, stored: bool, nobody: bool, last: bool) -> Vec<Act> {
        match (nobody, last) {
            (true, false) => self.gone(uid),
            (true, true) => self.reported(uid),
            (false, true) if stored => {
                let acts = self.reported(uid);
                if !acts.is_empty() {
                    self.told.insert(uid.to_owned());
                }
                acts
            }
            (false, _) => Vec::new(),
        }
    }

    /// Takes in that a final status was stored, or that nobody is left to read it.
    pub fn reported(&mut self, uid: &str) -> Vec<Act> {
        if self.held.get(uid).is_some_and(|h| h.stage == Stage::Closed) {
            self.held.remove(uid);
            let forget = Act::Tell(Box::new(Event::Forget { injection: uid.to_owned() }));
            return vec![forget, Act::Reported(uid.to_owned())];
        }
        Vec::new()
    }

    /// Returns whether nothing is live and everything was reported.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty() && self.recovered.is_empty()
    }
}

/// Returns why an object is not wanted any more, if so.
pub fn unwanted(object: &ChaosInjection) -> Option<EndCause> {
    if object.is_ending() {
        return Some(EndCause::Unwanted(Unwanted::Deleting));
    }
    if object.metadata.owner_references.as_ref().is_none_or(Vec::is_empty) {
        return Some(EndCause::Unwanted(Unwanted::Orphaned));
    }
    match object.spec.phase {
        Phase::Cancelled => Some(EndCause::Cancelled),
        Phase::Planned | Phase::Armed => None,
    }
}
