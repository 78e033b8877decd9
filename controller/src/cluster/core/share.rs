//! One injection: created with its name, armed, cancelled, and followed until somebody attests its end.
//!
//! Level-triggered: [`Share::next`] compares what is wished with what was seen. A write without an answer is read back
//! before anything is built on it.
//!
//! ```text
//! (nothing) -> create -> Planned -> Armed -> attested | vanished and named by its node | released by time
//!                           \---------\---> Cancelled ---/
//! ```

use super::event::{Act, InjectionSeen, Key, NewInjection, Now, OpId, Outcome};
use super::no::No;
use super::retry::Retry;
use rumpus_model::wire::{InjectionSpec, InjectionState, Phase};
use std::collections::BTreeSet;
use std::time::Duration;

/// What a run wants of one of its shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Exist,
    Arm,
    Cancel,
    /// Nothing new: the controller is about to end.
    Keep,
}

/// Who says that it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// Its status is final.
    Attested,
    /// The object is gone, and its node says that it has ended.
    NodeSays,
    /// It was never armed: there is nothing to attest.
    NeverArmed,
}

/// One injection.
#[derive(Debug)]
pub(crate) struct Share {
    pub(crate) key: Key,
    /// As it was wished; once it was seen, as it is.
    pub(crate) spec: InjectionSpec,
    pub(crate) seen: Option<InjectionSeen>,
    /// It was there and is gone.
    pub(crate) vanished: bool,
    /// The last instant at which it may have been armed: by us, or before we took over.
    pub(crate) armed_at: Option<Duration>,
    /// Ended in favour of the next revision.
    pub(crate) superseded: bool,
    pub(crate) failed: Option<No>,
    pending: Option<(OpId, Kind)>,
    retry: Retry,
    doubt: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Create,
    Arm,
    Cancel,
    Read,
}

impl Share {
    pub(crate) fn new(key: Key, spec: InjectionSpec) -> Self {
        Self {
            key,
            spec,
            seen: None,
            vanished: false,
            armed_at: None,
            superseded: false,
            failed: None,
            pending: None,
            retry: Retry::default(),
            doubt: false,
        }
    }

    /// Takes over what a predecessor left: if it may have been armed, it counts as armed at this instant.
    pub(crate) fn found(seen: InjectionSeen, now: Now) -> Self {
        let mut share = Self::new(seen.key.clone(), seen.spec.clone());
        let may = match seen.spec.phase {
            Phase::Planned => false,
            Phase::Armed => true,
            Phase::Cancelled => !seen.never_armed,
        };
        share.armed_at = may.then_some(now.boot);
        share.seen = Some(seen);
        share
    }

    pub(crate) fn phase(&self) -> Option<Phase> {
        self.seen.as_ref().map(|s| s.spec.phase)
    }

    pub(crate) fn state(&self) -> Option<InjectionState> {
        self.seen.as_ref().and_then(|s| s.status.state)
    }

    pub(crate) fn node(&self) -> &str {
        &self.spec.node_name
    }

    /// Returns whether nothing of it is in effect any more, as somebody attests.
    pub(crate) fn effect_is_over(&self, ended: Option<&BTreeSet<String>>) -> bool {
        self.settled(ended).is_some()
            || self.node_says(ended)
            || self.seen.as_ref().is_some_and(|s| s.status.effect_ended.is_some())
    }

    /// Returns who says that it is over, if somebody does. `ended` is what its node says has ended: that counts only
    /// once the object is gone, because the object says more.
    pub(crate) fn settled(&self, ended: Option<&BTreeSet<String>>) -> Option<Settled> {
        if self.state().is_some_and(InjectionState::is_final) {
            return Some(Settled::Attested);
        }
        let quiet = self.pending.is_none() && !self.doubt;
        let cannot_begin = self.vanished || self.phase() == Some(Phase::Cancelled) || self.seen.is_none();
        if self.state().is_none() && self.armed_at.is_none() && quiet && cannot_begin {
            return Some(Settled::NeverArmed);
        }
        (self.vanished && self.node_says(ended)).then_some(Settled::NodeSays)
    }

    /// Returns whether its node says that it has ended.
    pub(crate) fn node_says(&self, ended: Option<&BTreeSet<String>>) -> bool {
        let uid = self.seen.as_ref().map(|s| &s.uid);
        uid.is_some_and(|uid| ended.is_some_and(|e| e.contains(uid)))
    }

    /// Takes in what a watch or an answer shows; an older version is ignored.
    pub(crate) fn adopt(&mut self, seen: InjectionSeen, now: Now) {
        if let Some(before) = &self.seen {
            if before.uid == seen.uid && !is_newer(&seen.resource_version, &before.resource_version) {
                return;
            }
            if before.uid != seen.uid {
                // Somebody deleted ours and put another one of that name into its place.
                self.vanished = true;
                return;
            }
        } else if !same(&self.spec, &seen.spec) {
            self.failed = Some(No::NameTaken { name: self.key.name.clone() });
            self.doubt = false;
            return;
        }
        if seen.spec.phase == Phase::Armed && self.armed_at.is_none() {
            self.armed_at = Some(now.boot);
        }
        self.doubt = false;
        self.spec = seen.spec.clone();
        self.seen = Some(seen);
    }

    /// Returns the next effect, if there is one to be had by `wish`.
    pub(crate) fn next(&mut self, now: Now, op: OpId, wish: Wish) -> Option<Act> {
        if self.pending.is_some() || self.vanished || !self.retry.is_due(now.boot) {
            return None;
        }
        let (kind, act) =
            if self.doubt { (Kind::Read, Act::ReadInjection(self.key.clone())) } else { self.wanted(now, wish)? };
        self.pending = Some((op, kind));
        Some(act)
    }

    fn wanted(&mut self, now: Now, wish: Wish) -> Option<(Kind, Act)> {
        let Some(seen) = &self.seen else {
            let create = match wish {
                Wish::Exist | Wish::Arm => self.failed.is_none(),
                Wish::Cancel | Wish::Keep => false,
            };
            let new = NewInjection { key: self.key.clone(), spec: self.spec.clone() };
            return create.then(|| (Kind::Create, Act::Create(Box::new(new))));
        };
        let set = |phase, never_armed| Act::SetPhase {
            key: self.key.clone(),
            resource_version: seen.resource_version.clone(),
            spec: Box::new(seen.spec.clone()),
            phase,
            never_armed,
        };
        let is_final = seen.status.state.is_some_and(InjectionState::is_final);
        match (wish, seen.spec.phase) {
            (Wish::Arm, Phase::Planned) if self.failed.is_none() => {
                let act = set(Phase::Armed, false);
                // From here on it may be armed, whatever the answer says.
                self.armed_at = Some(now.boot);
                Some((Kind::Arm, act))
            }
            (Wish::Cancel, Phase::Planned | Phase::Armed) if !is_final => {
                Some((Kind::Cancel, set(Phase::Cancelled, self.armed_at.is_none())))
            }
            (Wish::Exist | Wish::Keep | Wish::Arm | Wish::Cancel, Phase::Planned | Phase::Armed | Phase::Cancelled) => {
                None
            }
        }
    }

    pub(crate) fn is_pending(&self, op: OpId) -> bool {
        self.pending.is_some_and(|(pending, _)| pending == op)
    }

    /// Takes in what came of a command. Returns whether it was this share's.
    pub(crate) fn done(&mut self, now: Now, op: OpId, outcome: Outcome) -> bool {
        let Some((_, kind)) = self.pending.filter(|(pending, _)| *pending == op) else { return false };
        self.pending = None;
        match outcome {
            Outcome::Injection(seen) => {
                self.retry.succeeded();
                if kind == Kind::Arm {
                    self.armed_at = Some(now.boot);
                }
                let before = self.seen.as_ref().map(|s| s.resource_version.clone());
                self.adopt(*seen, now);
                self.doubt = false;
                // An answer that tells nothing new must not be asked for again at once.
                if kind != Kind::Create && self.seen.as_ref().map(|s| &s.resource_version) == before.as_ref() {
                    self.retry.failed(now.boot);
                }
            }
            Outcome::Missing => match (kind, self.seen.is_some()) {
                (Kind::Create, _) => self.not_created("the namespace is gone"),
                (Kind::Arm | Kind::Cancel | Kind::Read, true) => self.vanished = true,
                (Kind::Arm | Kind::Cancel | Kind::Read, false) => {
                    self.doubt = false;
                    self.retry.failed(now.boot);
                }
            },
            Outcome::Exists | Outcome::Conflict => self.doubt = true,
            Outcome::Unknown { .. } => {
                self.doubt = true;
                self.retry.failed(now.boot);
            }
            Outcome::Refused { why } if kind == Kind::Create => self.not_created(&why),
            Outcome::Refused { why } => {
                // A cancellation is tried for ever; whoever may not arm does not begin.
                if kind == Kind::Arm {
                    self.failed = Some(No::NotCreated { name: self.key.name.clone(), why });
                }
                self.retry.failed(now.boot);
            }
            Outcome::Busy { .. }
            | Outcome::Done
            | Outcome::Planned(_)
            | Outcome::Agenda(_)
            | Outcome::Revised(_)
            | Outcome::Recovered { .. }
            | Outcome::Halts(_)
            | Outcome::Ledger(_)
            | Outcome::Policy(_)
            | Outcome::Run(_)
            | Outcome::Pod { .. }
            | Outcome::Closed(_)
            | Outcome::Reviewed { .. } => self.retry.failed(now.boot),
        }
        true
    }

    pub(crate) fn wake_at(&self, now: Now) -> Option<Duration> {
        self.retry.wake_at(now.boot).filter(|_| self.pending.is_none())
    }

    fn not_created(&mut self, why: &str) {
        self.failed = Some(No::NotCreated { name: self.key.name.clone(), why: why.to_owned() });
    }
}

/// Returns whether two injections ask for the same, whoever wrote them and when.
pub(crate) fn same(a: &InjectionSpec, b: &InjectionSpec) -> bool {
    let mut a = a.clone();
    a.phase = b.phase;
    a.epoch = b.epoch;
    a.not_after.clone_from(&b.not_after);
    a == *b
}

/// Compares resourceVersions: they are comparable as numbers wherever objects come from one API server. What is no
/// number counts as newer: it is looked at again anyway.
pub(crate) fn is_newer(new: &str, old: &str) -> bool {
    match (new.parse::<u64>(), old.parse::<u64>()) {
        (Ok(new), Ok(old)) => new > old,
        (Ok(_) | Err(_), _) => new != old,
    }
}
