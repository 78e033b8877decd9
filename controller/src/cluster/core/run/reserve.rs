//! What a run holds in the Ledger: reserved once its plan is on record and all its shares are there, before the first is
//! armed; released when nothing of it is in effect any more.

use super::{Cause, Ctx, Run, Stage};
use crate::cluster::core::Settings;
use crate::cluster::core::event::{Now, Uid};
use crate::cluster::core::ledger::RELEASE;
use rumpus_model::fault::Fault;
use rumpus_model::scope::Direction;
use rumpus_model::wire;
use rumpus_model::wire::RunState;
use rumpus_model::wire::ledger::Reservation;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// One run's side of the Ledger.
#[derive(Debug, Default)]
pub(super) struct Reserve {
    /// As it is wished, for so many shares that are there.
    entry: Option<(usize, Arc<Reservation>)>,
    /// What a predecessor reserved.
    before: Option<Arc<Reservation>>,
    /// Injections that were reserved and are not there any more: nothing but their nodes can attest their end.
    missing: BTreeSet<Uid>,
    /// From then on the missing ones cannot be in effect.
    until: Option<Duration>,
}

impl Reserve {
    /// Returns the pods that a predecessor reserved.
    pub(super) fn pods(&self) -> impl Iterator<Item = &str> {
        self.before.iter().flat_map(|b| &b.pods).map(String::as_str)
    }

    pub(super) fn until(&self) -> Option<Duration> {
        self.until.filter(|_| !self.missing.is_empty())
    }

    /// Returns how many injections nobody attests the end of.
    pub(super) fn missing(&self) -> usize {
        self.missing.len()
    }

    /// Looks whether nothing of what is missing is in effect any more.
    pub(super) fn is_over(&mut self, now: Duration, ended: &BTreeMap<String, BTreeSet<Uid>>) -> bool {
        self.missing.retain(|uid| !ended.values().any(|of_node| of_node.contains(uid)));
        self.until().is_none_or(|until| now >= until)
    }
}

impl Run {
    /// Takes over what a predecessor reserved. Where an injection of it is gone, nothing is created in its place: it may
    /// have been carried out.
    pub(crate) fn was_reserved(
        &mut self,
        entry: Arc<Reservation>,
        now: Now,
        settings: &Settings,
        ended: &BTreeMap<String, BTreeSet<Uid>>,
    ) {
        if self.is_finished() {
            return;
        }
        let there: BTreeSet<&Uid> = self.shares.iter().filter_map(|s| s.seen.as_ref()).map(|s| &s.uid).collect();
        let is_over = |uid: &&Uid| ended.values().any(|of_node| of_node.contains(*uid));
        let missing = entry.injections.iter().filter(|uid| !there.contains(*uid) && !is_over(uid));
        self.reserve.missing = missing.cloned().collect();
        let live = matches!(self.stage, Stage::Live);
        if !self.reserve.missing.is_empty() || (!live && !entry.injections.is_empty()) {
            let lasts = Duration::from_secs(u64::try_from(entry.lasts_seconds).unwrap_or(u64::MAX));
            self.reserve.until = Some(now.boot.saturating_add(lasts).saturating_add(settings.lease + RELEASE));
            self.stage = Stage::Live;
            let what = "an injection of it was deleted while no controller was there";
            self.cause.get_or_insert(Cause::Interrupted { what });
        }
        self.reserve.before = Some(entry);
        // What is wished from now on holds that too.
        self.reserve.entry = None;
    }

    /// Tells the Ledger what is to be held.
    pub(super) fn reserve(&mut self, ctx: &mut Ctx<'_>) {
        let there = self.shares.iter().filter(|s| s.seen.is_some()).count();
        if let Some((shares, entry)) = &self.reserve.entry
            && *shares == there
        {
            return ctx.ledger.want(entry);
        }
        let recorded = self.written.plan.is_some() && self.written.state >= Some(RunState::Injecting);
        let whole = self.shares.iter().all(|s| s.seen.is_some() || s.superseded);
        let begins = self.cause.is_none() && recorded && whole;
        let begun = self.shares.iter().any(|s| s.armed_at.is_some()) || self.reserve.before.is_some();
        if begins || begun {
            let entry = Arc::new(self.reservation_entry(ctx.settings));
            ctx.ledger.want(&entry);
            self.reserve.entry = Some((there, entry));
        }
    }

    /// Gives back what was held, once its end is on record: a run that is neither finished nor in the Ledger was never
    /// armed, for whoever comes after us.
    pub(super) fn release(&self, ctx: &mut Ctx<'_>) {
        if self.is_finished() && (self.gone || self.written.state == Some(RunState::Finished)) {
            ctx.ledger.release(&self.seen.uid);
        }
    }

    /// Returns whether everything of it that is there stands in the Ledger, in our own epoch.
    pub(super) fn is_reserved(&self, ctx: &Ctx<'_>) -> bool {
        let there = self.shares.iter().filter(|s| s.seen.is_some()).count();
        let whole = self.shares.iter().all(|s| s.seen.is_some() || s.superseded);
        whole && self.reserve.entry.as_ref().is_some_and(|(n, _)| *n == there) && ctx.ledger.holds(self.uid())
    }

    fn reservation_entry(&self, settings: &Settings) -> Reservation {
        let fault = self.input.as_ref().map(|i| &i.policy.experiment.fault);
        let (mut delays, mut lasts) = (None, self.duration() + settings.start_window);
        match fault {
            Some(Fault::Latency(latency)) => delays = Some(direction(latency.network.direction)),
            Some(Fault::PodDelete(_) | Fault::PodEvict(_)) => lasts += self.pods.allowed(),
            Some(Fault::Kill(_) | Fault::Loss(_) | Fault::Partition(_)) | None => {}
        }
        lasts += self.grace();
        let injections = self.shares.iter().filter_map(|s| s.seen.as_ref()).map(|s| s.uid.clone());
        let pods = self.shares.iter().flat_map(|s| &s.spec.targets).map(|t| t.uid.clone());
        let pods: BTreeSet<String> = pods.chain(self.pods.uids().map(str::to_owned)).collect();
        let before = self.reserve.before.as_deref();
        let (missing, hit) = before.map(|b| (b.injections.clone(), b.pods.clone())).unwrap_or_default();
        Reservation {
            namespace: self.seen.key.namespace.clone(),
            name: self.seen.key.name.clone(),
            uid: self.seen.uid.clone(),
            policy: self.seen.owners.first().cloned(),
            // What cannot be told is held to be the worse.
            takes_down: fault.is_none_or(Fault::takes_down),
            delays,
            lasts_seconds: i64::try_from(lasts.as_secs().saturating_add(1)).unwrap_or(i64::MAX),
            injections: injections.chain(missing).collect::<BTreeSet<_>>().into_iter().collect(),
            pods: pods.into_iter().chain(hit).collect::<BTreeSet<_>>().into_iter().collect(),
        }
    }
}

fn direction(direction: Direction) -> wire::Direction {
    match direction {
        Direction::Egress => wire::Direction::Egress,
        Direction::Ingress => wire::Direction::Ingress,
        Direction::Both => wire::Direction::Both,
    }
}
