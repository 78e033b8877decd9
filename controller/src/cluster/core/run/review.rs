//! Judged by all that the Ledger tells of, or not reserved.
//!
//! A plan counts what was held when it was asked for. What the Ledger tells of later is not in it: a predecessor's
//! reservations, read at a take-over or because somebody put another object in its place. A run that nothing was begun of
//! is planned once more then, with all of it; so is one that a predecessor planned and had not reserved. Until that plan
//! comes to the same without a refusal, the run stands in no write of the Ledger and nothing of it is armed.
//!
//! ```text
//! planned -> the Ledger tells of nothing new ------------------------> may be reserved, and armed
//!        \-> it does -> planned again -> the same plan, not refused -/
//!                                    \-> anything else: it ends; nothing of it was armed
//! ```

use super::begin::is_behind;
use super::{Cause, Ctx, Run};
use crate::cluster::core::event::{Act, OpId, Outcome};
use crate::cluster::core::no::No;
use crate::cluster::core::retry::Retry;
use std::time::Duration;

/// What a run's plan has counted.
#[derive(Debug, Default)]
pub(super) struct Review {
    /// All that the Ledger had told of by then.
    counted: Option<u64>,
    asked: Option<(OpId, u64)>,
    retry: Retry,
}

impl Review {
    /// A plan is asked for that counts all of this.
    pub(super) fn counts(&mut self, told: u64) {
        self.counted = Some(told);
    }

    pub(super) fn is_asked(&self, op: OpId) -> bool {
        self.asked.is_some_and(|(asked, _)| asked == op)
    }

    pub(super) fn wake_at(&self, now: Duration) -> Option<Duration> {
        self.retry.wake_at(now)
    }
}

impl Run {
    /// Returns whether anything of it may have been carried out, or was reserved by a predecessor.
    pub(super) fn is_begun(&self) -> bool {
        self.shares.iter().any(|s| s.armed_at.is_some()) || self.pods.is_begun() || self.reserve.is_inherited()
    }

    /// Returns whether it was judged by all that the Ledger tells of. What has begun cannot be judged any more.
    pub(super) fn is_judged(&self, ctx: &Ctx<'_>) -> bool {
        self.is_begun() || self.review.counted == Some(ctx.ledger.told())
    }

    /// Asks for a plan that counts all of it, where that was not done.
    pub(super) fn review(&mut self, ctx: &mut Ctx<'_>) {
        let due = self.review.asked.is_none() && self.review.retry.is_due(ctx.now.boot);
        let may = self.cause.is_none() && !ctx.draining && ctx.ledger.is_fenced();
        if !due || !may || self.is_judged(ctx) {
            return;
        }
        if let Some(input) = self.input.clone() {
            let (active, told) = (ctx.active(), ctx.ledger.told());
            let hits = ctx.ledger.hits();
            self.review.asked = Some((ctx.ask(Act::Plan { input, active, hits }), told));
        }
    }

    pub(super) fn reviewed(&mut self, ctx: &Ctx<'_>, outcome: Outcome) {
        let Some((_, told)) = self.review.asked.take() else { return };
        let plan = if let Outcome::Planned(plan) = outcome { Some(plan) } else { None };
        let Some(plan) = plan.filter(|plan| !is_behind(plan, &self.seen.key.namespace)) else {
            // It may be known in a moment; a run has only so long to begin.
            return self.review.retry.failed(ctx.now.boot);
        };
        self.review.retry.succeeded();
        if self.is_begun() || self.cause.is_some() {
            return;
        }
        let same = self.status.plan.as_ref().is_some_and(|planned| planned.hash == plan.hash);
        match plan.refusals.first() {
            Some(refusal) => self.cause = Some(Cause::Failed(No::Model(refusal.clone()))),
            None if !same => self.cause = Some(Cause::Failed(No::PlanChanged)),
            None => self.review.counts(told),
        }
    }
}
