//! What a run holds in the Ledger: reserved once its plan is on record and all its shares are there, before the first is
//! armed; released when nothing of it is in effect any more.

use super::{Cause, Ctx, Run, Stage};
use crate::cluster::core::Settings;
use crate::cluster::core::event::{Now, Uid};
use crate::cluster::core::ledger::{RELEASE, has_ended};
use rumpus_model::cluster::world::Reservation as Held;
use rumpus_model::fault::Fault;
use rumpus_model::scope::Direction;
use rumpus_model::wire;
use rumpus_model::wire::RunState;
use rumpus_model::wire::ledger::{MAX_OWNERS, Reservation};
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
    /// Nodes of the plan of which no injection is there, and none is known: neither it nor the Ledger tells of it any more.
    lost: BTreeSet<String>,
    /// From then on what is missing or lost cannot be in effect.
    until: Option<Duration>,
}

impl Reserve {
    /// Returns the pods that a predecessor reserved.
    pub(super) fn pods(&self) -> impl Iterator<Item = &str> {
        self.before.iter().flat_map(|b| &b.pods).map(String::as_str)
    }

    /// Returns their owners.
    pub(super) fn owners(&self) -> impl Iterator<Item = &str> {
        self.before.iter().flat_map(|b| &b.owners).map(String::as_str)
    }

    /// Returns whether a predecessor reserved it.
    pub(super) fn is_inherited(&self) -> bool {
        self.before.is_some()
    }

    pub(super) fn until(&self) -> Option<Duration> {
        self.until.filter(|_| !self.missing.is_empty() || !self.lost.is_empty())
    }

    /// Returns how many injections nobody attests the end of.
    pub(super) fn missing(&self) -> usize {
        self.missing.len()
    }

    /// Returns the nodes that nobody knows an injection of.
    pub(super) fn lost(&self) -> &BTreeSet<String> {
        &self.lost
    }

    /// Looks whether nothing of what is missing is in effect any more.
    pub(super) fn is_over(&mut self, now: Duration, ended: &BTreeMap<String, BTreeSet<Uid>>) -> bool {
        self.missing.retain(|uid| !has_ended(ended, uid));
        self.until().is_none_or(|until| now >= until)
    }
}

impl Run {
    /// Something was begun on these nodes, and nothing there tells of it: it may be in effect until its time is over, by
    /// our own clock alone.
    pub(super) fn lost_on(&mut self, nodes: BTreeSet<String>, now: Now, settings: &Settings) {
        let lasts = self.duration() + settings.start_window + self.grace();
        self.reserve.until = Some(now.boot.saturating_add(lasts).saturating_add(settings.lease + RELEASE));
        self.reserve.lost = nodes;
    }

    /// Takes over what a predecessor reserved, which cannot be in effect from `until` on. Where an injection of it is gone, nothing is created in its place: it may
    /// have been carried out.
    pub(crate) fn was_reserved(
        &mut self,
        entry: Arc<Reservation>,
        until: Duration,
        ended: &BTreeMap<String, BTreeSet<Uid>>,
    ) {
        if self.is_finished() {
            return;
        }
        let there: BTreeSet<&Uid> = self.shares.iter().filter_map(|s| s.seen.as_ref()).map(|s| &s.uid).collect();
        let missing = entry.injections.iter().filter(|uid| !there.contains(*uid) && !has_ended(ended, uid));
        self.reserve.missing = missing.cloned().collect();
        // It names what was begun.
        self.reserve.lost.clear();
        let live = matches!(self.stage, Stage::Live);
        if !self.reserve.missing.is_empty() || (!live && !entry.injections.is_empty()) {
            self.reserve.until = Some(until);
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
        if !self.is_judged(ctx) {
            return ctx.ledger.forget(&self.seen.uid);
        }
        let (there, whole) = self.shares_there();
        if let Some((shares, entry)) = &self.reserve.entry
            && *shares == there
        {
            return ctx.ledger.want(entry);
        }
        let recorded = self.written.plan.is_some() && self.written.state >= Some(RunState::Injecting);
        let begins = self.cause.is_none() && recorded && whole;
        let begun = self.shares.iter().any(|s| s.armed_at.is_some()) || self.reserve.before.is_some();
        // It names each pod: not made before it is wanted, because each step of a run comes by here.
        if !begins && !begun {
            return;
        }
        if let Some(held) = self.reservation() {
            let entry = Arc::new(self.written_as(held, ctx.settings));
            ctx.ledger.want(&entry);
            self.reserve.entry = Some((there, entry));
        }
    }

    /// Gives back what was held, once its end is on record: a run that is neither finished nor in the Ledger was never
    /// armed, for whoever comes after us.
    pub(super) fn release(&self, ctx: &mut Ctx<'_>) {
        if self.is_finished() && (self.gone || self.written.state == Some(RunState::Finished)) {
            if self.is_begun() {
                ctx.ledger.release(&self.seen.uid, ctx.now.wall);
            } else {
                ctx.ledger.forget(&self.seen.uid);
            }
        }
    }

    /// Returns whether everything of it that is there stands in the Ledger, in our own epoch.
    pub(super) fn is_reserved(&self, ctx: &Ctx<'_>) -> bool {
        let (there, whole) = self.shares_there();
        whole && self.reserve.entry.as_ref().is_some_and(|(n, _)| *n == there) && ctx.ledger.holds(self.uid())
    }

    /// Returns how many shares are there, and whether none is still to be created.
    fn shares_there(&self) -> (usize, bool) {
        let there = self.shares.iter().filter(|s| s.seen.is_some()).count();
        (there, self.shares.iter().all(|s| s.seen.is_some() || s.superseded))
    }

    /// Returns what it holds as the Ledger holds it.
    fn written_as(&self, held: Held, settings: &Settings) -> Reservation {
        let fault = self.input.as_ref().map(|i| &i.policy.experiment.fault);
        let pods = if fault.is_some_and(Fault::by_controller) { self.pods.allowed() } else { Duration::ZERO };
        let lasts = self.duration() + settings.start_window + self.grace() + pods;
        let there = self.shares.iter().filter_map(|s| s.seen.as_ref()).map(|s| &s.uid);
        let before = self.reserve.before.iter().flat_map(|b| &b.injections);
        let injections: BTreeSet<&Uid> = there.chain(before).collect();
        Reservation {
            namespace: held.namespace.to_string(),
            name: held.run.to_string(),
            uid: held.run_uid.to_string(),
            policy: held.policy_uid.as_deref().map(str::to_owned),
            takes_down: held.takes_down,
            delays: held.delay.map(|d| direction(d.direction)),
            lasts_seconds: i64::try_from(lasts.as_secs().saturating_add(1)).unwrap_or(i64::MAX),
            injections: injections.into_iter().cloned().collect(),
            pods: held.pods.keys().map(ToString::to_string).collect(),
            more_owners: held.owners.len() > MAX_OWNERS || self.reserve.before.iter().any(|before| before.more_owners),
            owners: held.owners.iter().take(MAX_OWNERS).map(ToString::to_string).collect(),
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
