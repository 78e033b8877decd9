//! A run that acts: every share there before the first is armed, followed until all are over.

use super::{Cause, Ctx, Run, Stage, halted, pods};
use crate::cluster::core::Settings;
use crate::cluster::core::event::{InjectionSeen, Now, RunSeen};
use crate::cluster::core::ledger::RELEASE;
use crate::cluster::core::no::No;
use crate::cluster::core::share::{Share, Wish};
use crate::cluster::core::spec;
use jiff::Timestamp;
use rumpus_model::fault::{Fault, Kill};
use rumpus_model::wire::{InjectionState, Phase, RunState};
use std::collections::BTreeSet;
use std::time::Duration;

impl Run {
    /// Builds a run anew from what a predecessor wrote.
    pub(crate) fn found(
        seen: RunSeen,
        injections: Vec<InjectionSeen>,
        now: Now,
        settings: &Settings,
        epoch: i64,
    ) -> Self {
        let mut run = Self::new(seen);
        run.shares = injections.into_iter().map(|i| Share::found(i, now)).collect();
        run.shares.sort_by_key(|s| (s.node().to_owned(), s.spec.revision));
        for index in 1..run.shares.len() {
            let follows = run.shares[index - 1].node() == run.shares[index].node();
            run.shares[index - 1].superseded = follows;
        }
        run.renew_unarmed(epoch);
        if run.is_finished() || (run.shares.is_empty() && run.state() < RunState::Injecting) {
            return run;
        }
        run.input = super::begin::input(&run.seen).ok().map(Box::new);
        if run.input.as_ref().is_none_or(|i| i.policy.experiment.fault.by_controller()) {
            // Which pods were hit already is written nowhere: hitting others in their place would be a second run.
            run.cause = Some(Cause::Interrupted { what: "the controller was restarted in its midst" });
            run.pods.given_up(run.status.targets.unwrap_or_default());
            run.stage = Stage::Live;
            return run;
        }
        let there: BTreeSet<&str> = run.shares.iter().map(Share::node).collect();
        let planned = run.status.plan.iter().flat_map(|plan| &plan.nodes).map(|node| &node.node);
        let lost: BTreeSet<String> = planned.clone().filter(|node| !there.contains(node.as_str())).cloned().collect();
        if planned.count() == 0 || !lost.is_empty() {
            // Not all of it was created: it is planned again, and must come to the same. Or it was created, and deleted.
            if run.state() > RunState::Injecting {
                run.lost_on(lost, now, settings);
            }
            return run;
        }
        run.stage = Stage::Live;
        run.take_times(now, settings);
        if let Some(sets) = run.shares.iter().rev().find_map(|s| s.spec.peers.as_ref()) {
            run.planned_peers = spec::peer_entries(sets);
        }
        if let Some(experiment) = run.input.as_ref().map(|i| &i.policy.experiment) {
            let follow = spec::written_peers(&run.seen, experiment).is_some_and(|p| p.follow == Some(true));
            let moves = spec::peers_move(&run.seen, experiment) && !run.planned_peers.is_empty();
            run.peers.found(moves, follow);
        }
        let over = run.over_by.is_some_and(|by| now.boot >= by);
        if run.shares.iter().any(|s| !s.superseded && s.phase() == Some(Phase::Cancelled)) {
            run.cause = Some(if over {
                Cause::Deadline
            } else {
                Cause::Interrupted { what: "it was being ended when the controller was restarted" }
            });
        }
        run
    }

    /// What was never armed is written anew in our own epoch: an agent takes nothing of a former one.
    fn renew_unarmed(&mut self, epoch: i64) {
        let mut fresh = Vec::new();
        for share in &mut self.shares {
            if !share.superseded && share.phase() == Some(Phase::Planned) && share.spec.epoch < epoch {
                share.superseded = true;
                let (key, spec) = spec::renewed(&share.key, &share.spec, epoch);
                fresh.push(Share::new(key, spec));
            }
        }
        if !self.is_finished() {
            self.shares.extend(fresh);
        }
    }

    /// Takes the times over from an injection: they are of a controller's wall clock, as ours.
    fn take_times(&mut self, now: Now, settings: &Settings) {
        let Some(not_after) = self.shares.first().and_then(|s| s.spec.not_after.parse::<Timestamp>().ok()) else {
            return;
        };
        let left = Duration::try_from(not_after.duration_since(now.wall)).unwrap_or_default();
        let lasts = self.duration();
        self.over_by = (!lasts.is_zero()).then(|| now.boot + left);
        self.begin_by = now.boot + left.saturating_sub(lasts).min(settings.start_window);
    }

    pub(super) fn duration(&self) -> Duration {
        self.input.as_ref().and_then(|i| i.policy.experiment.duration).unwrap_or_default()
    }

    pub(super) fn live(&mut self, ctx: &mut Ctx<'_>) {
        self.end_in_time(ctx);
        self.revise(ctx);
        self.review(ctx);
        self.reserve(ctx);
        let wishes: Vec<Wish> = (0..self.shares.len()).map(|index| self.wish(ctx, index)).collect();
        for (share, wish) in self.shares.iter_mut().zip(wishes) {
            if let Some(act) = share.next(ctx.now, *ctx.next_op, wish) {
                ctx.ask(act);
            }
            if let Some(no) = &share.failed
                && self.cause.is_none()
            {
                self.cause = Some(Cause::Failed(no.clone()));
            }
        }
        self.pods_next(ctx);
        self.judge(ctx);
    }

    /// Ends what must not go on: over its time, or not begun in time.
    fn end_in_time(&mut self, ctx: &Ctx<'_>) {
        if self.cause.is_some() {
            return;
        }
        // A revision waits for its predecessor as long as there is time.
        let follows = |s: &Share| self.shares.iter().any(|o| o.node() == s.node() && o.armed_at.is_some());
        let waiting = |s: &Share| matches!(s.phase(), None | Some(Phase::Planned)) && !s.superseded && !follows(s);
        if self.over_by.is_some_and(|by| ctx.now.boot >= by) {
            self.cause = Some(Cause::Deadline);
        } else if ctx.now.boot >= self.begin_by && self.shares.iter().any(waiting) {
            let mut what = format!("not armed within {} s", ctx.settings.start_window.as_secs());
            if let Some(why) = ctx.ledger.trouble() {
                what += &format!(", because the Ledger could not be written: {why}");
            }
            self.cause = Some(Cause::Failed(No::TooLate { what }));
        }
    }

    fn wish(&mut self, ctx: &Ctx<'_>, index: usize) -> Wish {
        let share = &self.shares[index];
        let namespaces = share.spec.targets.iter().map(|t| t.namespace.as_str());
        let halt = ctx.halts.and_then(|h| halted::of_part(h, &self.seen.key, share.node(), namespaces));
        if let Some(halt) = halt.filter(|_| share.settled(ctx.ended.get(share.node())).is_none()) {
            self.halted_parts.get_or_insert_with(|| (halt.name.to_string(), halt.reason.clone()));
            return Wish::Cancel;
        }
        if self.cause.is_some() || share.superseded || self.was_halted(share) {
            return Wish::Cancel;
        }
        if ctx.draining {
            return Wish::Keep;
        }
        if self.may_arm(ctx, share) { Wish::Arm } else { Wish::Exist }
    }

    /// A share that is cancelled already stays so.
    fn was_halted(&self, share: &Share) -> bool {
        self.halted_parts.is_some() && share.phase() == Some(Phase::Cancelled)
    }

    /// Returns whether this share may be armed: all shares are there and in the Ledger, and a predecessor with other
    /// peers has ended.
    fn may_arm(&self, ctx: &Ctx<'_>, share: &Share) -> bool {
        let mut before =
            self.shares.iter().filter(|s| s.node() == share.node() && s.spec.revision < share.spec.revision);
        ctx.may_arm() && self.is_reserved(ctx) && before.all(|s| s.effect_is_over(ctx.ended.get(s.node())))
    }

    /// Returns when a share that nobody attests is given up; a failed restore never is.
    pub(super) fn release_at(&self, share: &Share, settings: &Settings) -> Option<Duration> {
        let since = share.armed_at.filter(|_| share.state() != Some(InjectionState::RestoreFailed))?;
        Some(since + self.duration() + self.grace() + settings.lease + RELEASE)
    }

    /// Returns how long a process may take to end by itself.
    pub(super) fn grace(&self) -> Duration {
        match self.input.as_ref().map(|i| &i.policy.experiment.fault) {
            Some(Fault::Kill(Kill::Process { grace, .. })) => *grace,
            Some(
                Fault::Kill(Kill::Container)
                | Fault::Latency(_)
                | Fault::Loss(_)
                | Fault::Partition(_)
                | Fault::PodDelete(_)
                | Fault::PodEvict(_),
            )
            | None => Duration::ZERO,
        }
    }

    pub(super) fn is_released(&self, share: &Share, ctx: &Ctx<'_>) -> bool {
        self.release_at(share, ctx.settings).is_some_and(|at| ctx.now.boot >= at)
    }

    fn pods_next(&mut self, ctx: &mut Ctx<'_>) {
        let go = self.cause.is_none() && ctx.may_arm() && self.is_reserved(ctx);
        if self.cause.is_some() {
            self.pods.skip_the_rest();
        }
        if let Some(act) = self.pods.next(ctx.now.boot, go) {
            let op = ctx.ask(act);
            self.pods.asked(op);
        }
    }

    pub(super) fn pod_done(&mut self, ctx: &mut Ctx<'_>, outcome: crate::cluster::core::event::Outcome) {
        match self.pods.done(ctx.now.boot, outcome, &self.seen.key) {
            pods::Answer::Taken => {}
            pods::Answer::Halted { halt, reason } => {
                self.cause.get_or_insert(Cause::Halted { halt, reason });
            }
        }
    }
}
