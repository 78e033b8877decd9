//! Peers that move while a fault stands: an address that has left the set may belong to a stranger.
//!
//! The old share is ended first; only when somebody attests that nothing of it is in effect any more is the next
//! revision armed, for what is left of the time. The gap is meant.

use super::{Cause, Ctx, Run};
use crate::cluster::core::event::{Act, OpId, Outcome, Revised};
use crate::cluster::core::no::No;
use crate::cluster::core::retry::Retry;
use crate::cluster::core::share::Share;
use crate::cluster::core::spec;
use rumpus_model::cluster::{PeerEntry, written};
use std::time::Duration;

/// The least time that is worth a revision: the shortest duration that a fault may have.
const WORTH: Duration = Duration::from_secs(1);

/// What is known about a run's other side.
#[derive(Debug, Default)]
pub(super) struct Peers {
    /// They are pods or Services, so that they may move.
    moves: bool,
    follow: bool,
    dirty: bool,
    asked: Option<OpId>,
    retry: Retry,
    unknown_since: Option<Duration>,
    /// What the next revision is about, until it is created on every node.
    next: Option<Vec<PeerEntry>>,
}

impl Peers {
    pub(super) fn planned(&mut self, moves: bool, follow: bool) {
        (self.moves, self.follow) = (moves, follow);
    }

    /// After a restart they are looked at once, because nobody watched meanwhile.
    pub(super) fn found(&mut self, moves: bool, follow: bool) {
        (self.moves, self.follow, self.dirty) = (moves, follow, moves);
    }

    pub(super) fn changed(&mut self) {
        self.dirty |= self.moves;
    }

    pub(super) fn is_asked(&self, op: OpId) -> bool {
        self.asked == Some(op)
    }

    pub(super) fn is_busy(&self) -> bool {
        self.next.is_some()
    }

    pub(super) fn wake_at(&self, now: Duration) -> Option<Duration> {
        self.retry.wake_at(now).filter(|_| self.dirty)
    }
}

impl Run {
    pub(super) fn revise(&mut self, ctx: &mut Ctx<'_>) {
        if self.cause.is_some() || self.halted_parts.is_some() {
            self.peers.next = None;
            return;
        }
        if let Some(peers) = self.peers.next.clone() {
            return self.replace_shares(ctx, &peers);
        }
        let armed = self.shares.iter().any(|s| s.armed_at.is_some());
        let due = self.peers.dirty && self.peers.asked.is_none() && self.peers.retry.is_due(ctx.now.boot);
        if let Some(input) = self.input.clone().filter(|_| armed && due && !ctx.draining) {
            self.peers.dirty = false;
            let armed = self.planned_peers.clone();
            self.peers.asked = Some(ctx.ask(Act::Revise { input, armed }));
        }
    }

    pub(super) fn resolved(&mut self, ctx: &mut Ctx<'_>, outcome: Outcome) {
        self.peers.asked = None;
        let since = self.peers.unknown_since.take();
        let revised = if let Outcome::Revised(revised) = outcome { Some(revised) } else { None };
        match revised {
            Some(Revised::Keep) => self.peers.retry.succeeded(),
            Some(Revised::Change(peers)) => {
                self.peers.retry.succeeded();
                self.happened(ctx.now, "peers changed: the fault is ended and begun anew without those that left");
                self.peers.next = Some(peers);
            }
            Some(Revised::End) => {
                self.cause.get_or_insert(Cause::Failed(No::NobodyLeft));
            }
            // Whoever cannot be read may have left: that is borne for one lease.
            Some(Revised::Unknown { .. }) | None => {
                let since = since.unwrap_or(ctx.now.boot);
                self.peers.unknown_since = Some(since);
                self.peers.dirty = true;
                self.peers.retry.failed(ctx.now.boot);
                if ctx.now.boot >= since + ctx.settings.lease {
                    self.cause.get_or_insert(Cause::Failed(No::PeersUnknown));
                }
            }
        }
    }

    fn replace_shares(&mut self, ctx: &mut Ctx<'_>, peers: &[PeerEntry]) {
        let left = self.over_by.unwrap_or_default().saturating_sub(ctx.now.boot).min(self.time_left(ctx.now.boot));
        let mut fresh: Vec<Share> = Vec::new();
        let mut waiting = false;
        for share in &mut self.shares {
            if share.superseded {
                continue;
            }
            let is_new = share.spec.peers == written::peers(peers);
            let ended = ctx.ended.get(share.node());
            let over = share.settled(ended).is_some();
            if is_new || (over && share.phase() != Some(rumpus_model::wire::Phase::Cancelled)) {
                continue;
            }
            // First the old one is cancelled; `superseded` is what makes the wish.
            share.superseded = true;
            if left < WORTH {
                continue;
            }
            waiting = true;
            let (key, wanted) = spec::revised(&share.key, &share.spec, ctx.epoch, peers, left);
            fresh.push(Share::new(key, wanted));
        }
        self.shares.extend(fresh);
        if !waiting {
            self.planned_peers = peers.to_vec();
            self.peers.next = None;
        }
    }

    /// Returns what is left of the duration since the first share was armed.
    fn time_left(&self, now: Duration) -> Duration {
        let first = self.shares.iter().filter_map(|s| s.armed_at).min().unwrap_or(now);
        (first + self.duration()).saturating_sub(now)
    }
}
