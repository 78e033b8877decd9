//! How a run ends: what ends it, when nothing is left to wait for, and what is to be said about it then.

use super::{Cause, Ctx, Run, Stage, halted};
use crate::cluster::core::event::Act;
use crate::cluster::core::no::No;
use crate::cluster::core::share::{Settled, Share};
use rumpus_model::cluster::run as judge;
use rumpus_model::run::Outcome as RunOutcome;
use rumpus_model::wire::{Confirmation, InjectionState, RunState, TargetStatus, Truth, Verdict};
use std::collections::BTreeSet;

impl Cause {
    /// Returns whether somebody or something broke it off.
    fn aborts(&self) -> bool {
        match self {
            Self::Deleted { .. } | Self::Halted { .. } | Self::Interrupted { .. } | Self::Stopped => true,
            Self::Deadline | Self::Failed(_) => false,
        }
    }

    /// Returns (CamelCase word, in words).
    pub(super) fn told(&self) -> (String, String) {
        match self {
            Self::Deadline => ("Deadline".into(), "its time was over".into()),
            Self::Deleted { what } => ("Deleted".into(), (*what).into()),
            Self::Failed(no) => (no.reason(), no.to_string()),
            Self::Halted { halt, reason } => ("Halted".into(), format!("halted by {halt}: {reason}")),
            Self::Interrupted { what } => ("Interrupted".into(), (*what).into()),
            Self::Stopped => ("Stopped".into(), "stopped by hand".into()),
        }
    }
}

impl Run {
    /// Notes why the run must end, if it must; the first reason stays.
    pub(super) fn end_if_unwanted(&mut self, ctx: &Ctx<'_>) {
        if self.is_finished() || self.cause.is_some() {
            return;
        }
        if self.gone || self.seen.deleting {
            self.cause = Some(Cause::Deleted { what: "the run was deleted" });
        } else if self.seen.spec.stop == Some(true) {
            self.cause = Some(Cause::Stopped);
        } else if let Stage::Live = self.stage
            && let Some(halt) = ctx.halts.and_then(|h| halted::of_run(h, &self.seen.key))
        {
            self.cause = Some(Cause::Halted { halt: halt.name.to_string(), reason: halt.reason.clone() });
        }
    }

    /// Ends a run of which nothing was done.
    pub(super) fn finish_unbegun(&mut self, ctx: &mut Ctx<'_>) {
        if self.state() > RunState::Injecting && self.shares.is_empty() {
            self.pods.given_up(self.status.targets.unwrap_or_default());
        }
        if !self.shares.is_empty() || self.pods.is_any() {
            self.stage = Stage::Live;
            return self.live(ctx);
        }
        let (word, text) = self.cause.as_ref().map_or_else(Default::default, Cause::told);
        self.conclude(ctx, Verdict::Aborted, &word, &text);
    }

    /// Ends a run because of what was asked before its plan.
    pub(super) fn refuse(&mut self, ctx: &mut Ctx<'_>, nos: Vec<No>) {
        if self.shares.is_empty() {
            self.finish_planned(ctx, nos);
        } else if let Some(no) = nos.into_iter().next() {
            self.cause.get_or_insert(Cause::Failed(no));
            self.stage = Stage::Live;
        }
    }

    /// Ends a run after its plan: refused, nothing selected, or a dry run.
    pub(super) fn finish_planned(&mut self, ctx: &mut Ctx<'_>, nos: Vec<No>) {
        self.status.refusals = nos.iter().map(No::why).collect();
        self.accepted(ctx.now);
        match nos.first() {
            Some(no) => {
                let (word, text) = (no.reason(), no.to_string());
                self.conclude(ctx, Verdict::Refused, &word, &text);
            }
            None if self.status.targets == Some(0) => {
                self.conclude(ctx, Verdict::Inconclusive, "NothingSelected", "nothing was selected");
            }
            None => {
                let text = format!("dry run: {} planned, nothing was done", self.summary());
                self.conclude(ctx, Verdict::NotApplicable, "DryRun", &text);
            }
        }
    }

    /// The last word of a controller of an earlier term came late, and before any of ours: nothing was begun in this term,
    /// because that waits until our own word is written. So it stands, and what is there of the run is taken back.
    pub(super) fn finished_elsewhere(&mut self) {
        if self.shares.iter().any(|s| s.armed_at.is_some()) || self.pods.any_begun() {
            // Nobody who keeps the rules wrote that.
            self.cause.get_or_insert(Cause::Interrupted { what: "its status was written by somebody else" });
            return;
        }
        self.stage = Stage::Finished;
        self.takes_back = true;
        self.status = self.written.clone();
    }

    /// Looks where a live run stands, and ends it once nothing is left to wait for.
    pub(super) fn judge(&mut self, ctx: &mut Ctx<'_>) {
        let settled = |s: &Share| s.settled(ctx.ended.get(s.node()));
        let waiting: Vec<&Share> = self.shares.iter().filter(|s| settled(s).is_none()).collect();
        let over = waiting.iter().all(|s| self.is_released(s, ctx)) && self.pods.is_over();
        let over = self.reserve.is_over(ctx.now.boot, ctx.ended) && over;
        // A share that follows another one is still to come.
        let to_come = self.cause.is_none() && self.peers.is_busy();
        if over && !to_come && self.everything_was_tried() {
            let silent = waiting.iter().filter(|s| !s.node_says(ctx.ended.get(s.node())));
            let unsure: BTreeSet<String> = silent.map(|s| s.node().to_owned()).collect();
            return self.finish(ctx, unsure);
        }
        if let Some((_, text)) = self.cause.as_ref().map(Cause::told) {
            return self.move_to(ctx, RunState::Ending, &text);
        }
        let state = self
            .shares
            .iter()
            .filter(|s| !s.superseded)
            .map(|s| judge::progress(s.state()))
            .min()
            .unwrap_or(RunState::Running);
        match state {
            RunState::Running => {
                let text = format!("in effect: {}", self.summary());
                self.injected(ctx);
                self.move_to(ctx, RunState::Running, &text);
            }
            RunState::Ending => self.move_to(ctx, RunState::Ending, "the fault is ending"),
            RunState::Pending | RunState::Gating | RunState::Injecting | RunState::Finished => {}
        }
    }

    /// Returns whether no share is left that was never created and still could be.
    fn everything_was_tried(&self) -> bool {
        self.cause.is_some() || self.shares.iter().all(|s| s.seen.is_some() || s.superseded)
    }

    fn finish(&mut self, ctx: &mut Ctx<'_>, mut unsure: BTreeSet<String>) {
        unsure.extend(self.pods.unsure_nodes());
        unsure.extend(self.reserve.lost().iter().cloned());
        // The agent itself does not know what became of it.
        let lost = |s: &&Share| {
            s.state() == Some(InjectionState::Lost)
                && s.seen.as_ref().is_some_and(|seen| seen.status.effect_ended.is_none())
        };
        unsure.extend(self.shares.iter().filter(lost).map(|s| s.node().to_owned()));
        let aborted = self.cause.as_ref().is_some_and(Cause::aborts) || self.halted_parts.is_some();
        let begun = self.shares.iter().any(|s| s.armed_at.is_some()) || self.pods.any_begun();
        let verdict = match &self.cause {
            _ if aborted => Verdict::Aborted,
            Some(Cause::Failed(no)) => {
                self.status.refusals.push(no.why());
                if begun { Verdict::Aborted } else { Verdict::Refused }
            }
            _ => self.verdict_of_effects(&unsure),
        };
        self.note_end(&unsure);
        let (word, why) = match (&self.cause, &self.halted_parts) {
            (Some(cause), _) => cause.told(),
            (None, Some((halt, reason))) => Cause::Halted { halt: halt.clone(), reason: reason.clone() }.told(),
            (None, None) if self.duration().is_zero() => ("Done".into(), "carried out".into()),
            (None, None) => match self.attested_targets().find_map(judge::ended_early) {
                Some((word, text)) => (word.to_owned(), text.to_owned()),
                None => ("Done".into(), "its time was over".into()),
            },
        };
        let text = match unsure.is_empty() {
            true if self.reserve.missing() > 0 => format!("{why}; of what was deleted nobody attests the end"),
            true if self.pods.lost > 0 => format!("{why}; which pods were hit is not known"),
            true => format!("{why}; every node attests the end"),
            false => {
                let nodes: Vec<String> = unsure.iter().take(10).cloned().collect();
                format!("{why}; not confirmed by {}", nodes.join(", "))
            }
        };
        self.conclude(ctx, verdict, &word, &text);
    }

    /// Notes who attests the end, and since when.
    fn note_end(&mut self, unsure: &BTreeSet<String>) {
        // Pods that a predecessor may have hit are on no list of nodes.
        let sure =
            unsure.is_empty() && self.pods.lost == 0 && self.reserve.missing() == 0 && self.reserve.lost().is_empty();
        self.status.confirmation = Some(if sure { Confirmation::Confirmed } else { Confirmation::Unconfirmed });
        self.status.unconfirmed_nodes = unsure.union(self.reserve.lost()).cloned().collect();
        let latest = |of: fn(&Share) -> Option<&String>| self.shares.iter().filter_map(of).max().cloned();
        let effect_ended = latest(|s| s.seen.as_ref()?.status.effect_ended.as_ref());
        let clean = latest(|s| s.seen.as_ref()?.status.clean.as_ref());
        if unsure.is_empty() {
            (self.status.effect_ended, self.status.clean) = (effect_ended, clean);
        }
        self.note_effect();
        self.status.cluster = self.pods.summary();
    }

    fn note_effect(&mut self) {
        let felt = self.attested_targets().map(|t| t.effective.unwrap_or(Truth::Unknown));
        let truths: Vec<Truth> = felt.chain(self.pods.truths()).collect();
        self.status.effective_targets = i64::try_from(truths.iter().filter(|t| **t == Truth::True).count()).ok();
        self.status.effective = Some(judge::effective(truths));
    }

    /// Returns what the agents attest of each target. What a revision replaced has no say: its successor measures on.
    fn attested_targets(&self) -> impl Iterator<Item = &TargetStatus> {
        let replaced = |share: &Share| {
            self.shares.iter().any(|s| s.node() == share.node() && s.spec.revision > share.spec.revision)
        };
        let last = self.shares.iter().filter(move |share| !replaced(share));
        last.flat_map(|share| share.seen.iter().flat_map(|seen| &seen.status.targets))
    }

    fn verdict_of_effects(&self, unsure: &BTreeSet<String>) -> Verdict {
        let of = |t: &TargetStatus| judge::outcome(t.state, t.effective.unwrap_or(Truth::Unknown), t.reason.as_deref());
        let mut outcomes: Vec<RunOutcome> = self.attested_targets().map(of).collect();
        outcomes.extend(self.pods.outcomes());
        if !unsure.is_empty() {
            outcomes.push(RunOutcome::RestoreProblem);
        }
        RunOutcome::worst(outcomes).map_or(Verdict::Inconclusive, |o| judge::verdict(o.verdict()))
    }

    /// A finished run is looked at as long as something of it is not confirmed: what comes late is still the truth.
    pub(super) fn late(&mut self, ctx: &mut Ctx<'_>) {
        if self.gone {
            self.take_away(ctx);
        }
        let unsure = self.status.confirmation == Some(Confirmation::Unconfirmed);
        for share in self.shares.iter_mut().filter(|_| unsure || self.takes_back) {
            if let Some(act) = share.next(ctx.now, *ctx.next_op, super::super::share::Wish::Cancel) {
                ctx.ask(act);
            }
        }
        if !unsure {
            return;
        }
        let says = |s: &Share| s.settled(ctx.ended.get(s.node())).is_some() || s.node_says(ctx.ended.get(s.node()));
        let unsure = |s: &&Share| !says(s);
        if !self.shares.is_empty() && !self.shares.iter().any(|s| unsure(&s)) {
            self.reserve.is_over(ctx.now.boot, ctx.ended);
            self.note_end(&BTreeSet::new());
            // What was deleted by hand may never be confirmed: then this is no news, however often it is looked at.
            if self.status.confirmation == Some(Confirmation::Confirmed) {
                self.happened(ctx.now, "confirmed late: every node attests the end");
            }
            self.restored(ctx.now);
        }
    }

    /// Deletes what is final of a run that is gone; the garbage collector would do it later.
    pub(super) fn take_away(&mut self, ctx: &mut Ctx<'_>) {
        let mut acts = Vec::new();
        for share in &mut self.shares {
            let settled = share.settled(ctx.ended.get(share.node()));
            let attested = matches!(settled, Some(Settled::Attested | Settled::NeverArmed));
            if let Some(seen) = share.seen.as_ref().filter(|_| attested && !share.vanished) {
                acts.push(Act::DeleteInjection { key: share.key.clone(), uid: seen.uid.clone() });
                // Asked for once; if it is lost, the garbage collector or the next start does it.
                share.vanished = true;
            }
        }
        for act in acts {
            ctx.ask(act);
        }
    }
}
