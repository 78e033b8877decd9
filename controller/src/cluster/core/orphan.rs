//! An injection whose run is not known here: nobody wants it, so it is ended, and deleted once it is final.
//!
//! Watches of two kinds do not keep step, so its run is asked for by quorum first.

use super::event::{Act, InjectionSeen, Key, Now, OpId, Outcome};
use super::retry::Retry;
use super::share::{Share, Wish};
use std::time::Duration;

/// One injection without a run.
#[derive(Debug)]
pub(crate) struct Orphan {
    share: Share,
    run_is_gone: bool,
    pending: Option<OpId>,
    retry: Retry,
    deleted: bool,
}

/// The canary of the agents' admission probe has this name, no run, and must stay.
pub(crate) const CANARY: &str = "rumpus-canary";

impl Orphan {
    pub(crate) fn new(seen: InjectionSeen, now: Now) -> Self {
        let canary = seen.spec.run.uid.is_empty() || seen.key.name == CANARY;
        Self {
            share: Share::found(seen, now),
            run_is_gone: false,
            pending: None,
            retry: Retry::default(),
            deleted: canary,
        }
    }

    pub(crate) fn observe(&mut self, seen: InjectionSeen) {
        if let Some(old) = &self.share.seen
            && super::share::is_newer(&seen.resource_version, &old.resource_version)
        {
            self.share.seen = Some(seen);
        }
    }

    pub(crate) fn next(&mut self, now: Now, op: OpId) -> Option<Act> {
        if self.deleted || self.pending.is_some() || !self.retry.is_due(now.boot) {
            return None;
        }
        if !self.run_is_gone {
            self.pending = Some(op);
            let namespace = self.share.key.namespace.clone();
            return Some(Act::ReadRun(Key { namespace, name: self.share.spec.run.name.clone() }));
        }
        if self.share.settled(None).is_some() {
            let uid = self.share.seen.as_ref()?.uid.clone();
            self.pending = Some(op);
            return Some(Act::DeleteInjection { key: self.share.key.clone(), uid });
        }
        self.share.next(now, op, Wish::Cancel)
    }

    pub(crate) fn done(&mut self, now: Now, op: OpId, outcome: Outcome) {
        if self.share.is_pending(op) {
            self.share.done(now, op, outcome);
            return;
        }
        self.pending = None;
        match (self.run_is_gone, outcome) {
            (false, Outcome::Missing) => self.run_is_gone = true,
            (false, Outcome::Run(run)) if run.uid != self.share.spec.run.uid => self.run_is_gone = true,
            (true, Outcome::Done | Outcome::Missing | Outcome::Conflict) => self.deleted = true,
            // Its run is there: the watch is behind, and will bring it.
            (_, _) => self.retry.failed(now.boot),
        }
    }

    pub(crate) fn wake_at(&self, now: Duration) -> Option<Duration> {
        self.retry.wake_at(now).filter(|_| self.pending.is_none() && !self.deleted)
    }
}
