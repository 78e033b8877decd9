//! One fault on one target: where it stands and what comes next.
//!
//! Forward: `Resolve -> Intent -> AskHalt -> Apply(i) -> Applied -> Check -> Standing` (or `Watching` for a signal's
//! grace). Back: `Disarm -> CheckEnded -> Drain -> Remove(i) -> Confirm -> Close -> Final`. A step that was begun may
//! have left something, so the way back starts at the last step that was begun, and never stops at an error: it
//! collects, goes on, and tries again.

use super::OpId;
use rumpus_model::change::Change;
use rumpus_model::evidence::{Effective, Reading};
use rumpus_model::fault::Fault;
use rumpus_model::halt::Reach;
use rumpus_model::injection::{Attestation, EndCause, State};
use rumpus_model::plan::Planned;
use rumpus_model::refusal::Refusal;
use std::sync::Arc;
use std::time::Duration;

mod done;
mod next;

/// After this many failures in a row a restore is reported as failed; it is tried on for ever.
const FAILURES: u32 = 3;

/// One fault on one target.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) injection: String,
    policy: String,
    pub(super) fault: Fault,
    pub(super) planned: Planned,
    pub(super) changes: Vec<Change>,
    pub(super) deadline: Option<Duration>,
    pub(super) reach: Arc<Reach>,
    not_after: Option<i64>,
    accepted: Duration,
    stage: Stage,
    inflight: Option<OpId>,
    recorded: bool,
    /// How many steps were begun: each may have left something.
    begun: usize,
    cause: Option<EndCause>,
    /// The target or our rules went away by themselves: gone is not restored.
    lost: bool,
    /// Until when the kernel keeps the fault alive if nobody renews it, as last confirmed.
    stands_until: Duration,
    /// The instant that the command in flight asks for.
    asked_until: Duration,
    renewed: Duration,
    escalate_at: Option<Duration>,
    drain_until: Option<Duration>,
    retry_at: Duration,
    failures: u32,
    in_effect: Option<Duration>,
    effect_ended: Option<Duration>,
    clean: Option<Duration>,
    readings: Vec<Reading>,
    effective: Effective,
    problems: Vec<String>,
    changed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Resolve,
    Intent,
    AskHalt,
    Apply(usize),
    Applied,
    Check,
    Standing,
    Watching,
    Disarm,
    CheckEnded,
    Drain,
    Draining,
    Remove(usize),
    Confirm,
    Close(State),
    Final(State),
}

impl Slot {
    pub(super) fn new(
        injection: String,
        policy: String,
        fault: Fault,
        planned: Planned,
        changes: Vec<Change>,
        deadline: Option<Duration>,
        now: Duration,
    ) -> Self {
        Self {
            injection,
            policy,
            fault,
            planned,
            changes,
            deadline,
            reach: Arc::default(),
            not_after: None,
            accepted: now,
            stage: Stage::Resolve,
            inflight: None,
            recorded: false,
            begun: 0,
            cause: None,
            lost: false,
            stands_until: Duration::ZERO,
            asked_until: Duration::ZERO,
            renewed: now,
            escalate_at: None,
            drain_until: None,
            retry_at: now,
            failures: 0,
            in_effect: None,
            effect_ended: None,
            clean: None,
            readings: Vec::new(),
            effective: Effective::Unknown,
            problems: Vec::new(),
            changed: false,
        }
    }

    /// Says what a Halt may name to end it, and when it must be over by the planner's clock.
    pub(super) fn within(mut self, reach: Arc<Reach>, not_after: Option<i64>) -> Self {
        (self.reach, self.not_after) = (reach, not_after);
        self
    }

    pub(super) fn is_final(&self) -> bool {
        matches!(self.stage, Stage::Final(_))
    }

    pub(super) fn is_stuck(&self) -> bool {
        self.failures >= FAILURES * 3
    }

    pub(super) fn is_ending(&self) -> bool {
        self.cause.is_some()
    }

    /// Returns whether it is on record: no step is begun before that.
    pub(super) fn has_begun(&self) -> bool {
        self.recorded
    }

    /// Returns whether nothing is in effect any more, or never was.
    pub(super) fn effect_is_over(&self) -> bool {
        self.is_final()
            || self.effect_ended.is_some()
            || (self.is_ending() && self.begun == 0 && self.inflight.is_none())
    }

    /// Says that it must end; the first cause stands.
    pub(super) fn end(&mut self, cause: EndCause) {
        if self.cause.is_none() && !self.is_final() {
            self.cause = Some(cause);
            self.changed = true;
        }
    }

    /// Ends before anything began; what is final stays what it is.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        self.end(EndCause::Refused(refusal));
        if self.begun == 0 && !self.recorded && self.inflight.is_none() && !self.is_final() {
            self.stage = Stage::Final(if self.lost { State::Lost } else { State::Refused });
            self.changed = true;
        }
    }

    /// Ends at the deadline, or where the kernel has let the fault go because nobody renewed it.
    pub(super) fn expire(&mut self, now: Duration) {
        if self.deadline.is_some_and(|d| now >= d) {
            self.end(EndCause::Deadline);
        } else if matches!(self.stage, Stage::Apply(1..) | Stage::Applied | Stage::Check | Stage::Standing)
            && self.fault.lasts()
            && now >= self.stands_until
        {
            self.end(EndCause::LeaseLost);
        }
    }

    pub(super) fn state(&self) -> State {
        if let Stage::Final(state) = self.stage {
            return state;
        }
        match (self.failures >= FAILURES, self.is_ending(), self.in_effect.is_some()) {
            (true, _, _) => State::RestoreFailed,
            (false, true, _) => State::Ending,
            (false, false, true) => State::InEffect,
            (false, false, false) => State::Accepted,
        }
    }

    /// Returns when time alone brings something; never for what is past, or whoever sleeps until then never sleeps.
    pub(super) fn wake_at(&self) -> Option<Duration> {
        let retry = (self.inflight.is_none() && !self.is_final()).then_some(self.retry_at);
        if self.is_ending() || self.is_final() {
            return retry;
        }
        let sooner = if self.stage == Stage::Standing {
            Some(self.stands_until)
        } else {
            // The end of a grace is seen at the next look.
            retry.filter(|_| self.stage == Stage::Watching)
        };
        self.deadline.into_iter().chain(sooner).min()
    }

    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    pub(super) fn attestation(&self) -> Attestation {
        Attestation {
            injection: self.injection.clone(),
            id: self.planned.id.clone(),
            target: self.planned.target.to_string(),
            state: self.state(),
            effective: self.effective,
            cause: self.cause.clone(),
            in_effect: self.in_effect,
            effect_ended: self.effect_ended,
            clean: self.clean,
            readings: self.readings.clone(),
            problems: self.problems.clone(),
        }
    }
}
