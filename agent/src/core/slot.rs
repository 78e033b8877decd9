//! One fault on one target: where it stands and what comes next.
//!
//! Forward: `Resolve -> Intent -> AskHalt -> Apply(i) -> Applied -> Check -> Standing` (or `Watching` for a signal's
//! grace). Back: `Disarm -> CheckEnded -> Drain -> Remove(i) -> Confirm -> Close -> Final`. A step that was begun may
//! have left something, so the way back starts at the last step that was begun, and never stops at an error: it
//! collects, goes on, and tries again.

use super::{Act, Command, Intent, OpId, Order, Outcome, Record};
use rumpus_model::change::Change;
use rumpus_model::evidence::{Effective, Reading};
use rumpus_model::fault::Fault;
use rumpus_model::injection::{Attestation, EndCause, State};
use rumpus_model::plan::Planned;
use rumpus_model::refusal::Refusal;
use rumpus_model::world::Halted;
use std::time::Duration;

/// After this many failures in a row a restore is reported as failed; it is tried on for ever.
const FAILURES: u32 = 3;
/// How long to wait between tries of a failed step back.
const RETRY: Duration = Duration::from_millis(200);
/// How often a signalled process, or a draining delay, is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// One fault on one target.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) injection: String,
    policy: String,
    pub(super) fault: Fault,
    pub(super) planned: Planned,
    pub(super) changes: Vec<Change>,
    pub(super) deadline: Option<Duration>,
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
    #[expect(clippy::too_many_arguments, reason = "called once, with the parts of one injection's target")]
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

    /// A fault that a predecessor began and a sweep took away.
    pub(super) fn recovered(intent: Intent, state: State, now: Duration) -> Self {
        let changes = intent.planned.changes(&intent.fault);
        let mut slot = Self::new(
            intent.injection,
            intent.policy,
            intent.fault,
            intent.planned,
            changes,
            intent.deadline,
            intent.at,
        );
        slot.stage = Stage::Final(state);
        slot.cause = Some(EndCause::Swept);
        slot.effect_ended = Some(now);
        slot.clean = Some(now);
        slot
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

    pub(super) fn has_begun(&self) -> bool {
        self.begun > 0 || self.recorded
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

    /// Ends before anything began.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        self.end(EndCause::Refused(refusal));
        if self.begun == 0 && !self.recorded && self.inflight.is_none() {
            self.stage = Stage::Final(State::Refused);
        }
    }

    /// Ends at the deadline, or where the kernel has let the fault go because nobody renewed it.
    pub(super) fn expire(&mut self, now: Duration) {
        if self.deadline.is_some_and(|d| now >= d) {
            self.end(EndCause::Deadline);
        } else if matches!(self.stage, Stage::Standing | Stage::Check) && self.fault.lasts() && now >= self.stands_until
        {
            self.end(EndCause::LeaseLost);
        }
    }

    /// Returns the next command, if there is one to give now.
    pub(super) fn next(&mut self, now: Duration, op: OpId, until: Duration, lease: Duration) -> Option<Command> {
        if self.inflight.is_some() || now < self.retry_at {
            return None;
        }
        if self.is_ending() {
            self.turn();
        }
        let command = self.command(now, op, until, lease)?;
        self.inflight = Some(op);
        Some(command)
    }

    /// Leaves the way forward for the way back.
    fn turn(&mut self) {
        let one_shot = !self.fault.lasts();
        match self.stage {
            Stage::Resolve | Stage::Intent | Stage::AskHalt | Stage::Apply(_) if self.begun == 0 => {
                let refused = if self.lost { State::Lost } else { State::Refused };
                self.stage = if self.recorded { Stage::Close(refused) } else { Stage::Final(refused) };
                self.changed = true;
            }
            Stage::Watching => self.stage = Stage::Close(State::Done),
            Stage::Apply(_) | Stage::Applied | Stage::Check | Stage::Standing if one_shot => {
                self.stage = Stage::Close(match (self.lost, self.readings.is_empty()) {
                    (true, _) => State::Lost,
                    (false, true) => State::Refused,
                    (false, false) => State::Done,
                });
            }
            Stage::Resolve
            | Stage::Intent
            | Stage::AskHalt
            | Stage::Apply(_)
            | Stage::Applied
            | Stage::Check
            | Stage::Standing => {
                self.stage = Stage::Disarm;
                self.changed = true;
            }
            Stage::Disarm
            | Stage::CheckEnded
            | Stage::Drain
            | Stage::Draining
            | Stage::Remove(_)
            | Stage::Confirm
            | Stage::Close(_)
            | Stage::Final(_) => {}
        }
    }

    fn command(&mut self, now: Duration, op: OpId, until: Duration, lease: Duration) -> Option<Command> {
        let act = match self.stage {
            Stage::Resolve => Act::Resolve,
            Stage::Intent => return Some(Command::Record { op, record: Record::Intent(Box::new(self.intent())) }),
            Stage::AskHalt => return Some(Command::ReadHalt { op }),
            Stage::Apply(step) => {
                self.begun = self.begun.max(step + 1);
                self.asked_until = until;
                Act::Apply { change: self.changes.get(step)?.clone(), until }
            }
            Stage::Applied => {
                return Some(Command::Record { op, record: Record::Applied { id: self.planned.id.clone() } });
            }
            Stage::Check | Stage::CheckEnded | Stage::Draining => Act::Check,
            Stage::Standing => {
                if now < self.renewed.saturating_add(lease / 5) || until <= self.stands_until {
                    return None;
                }
                self.asked_until = until;
                Act::Renew { until }
            }
            Stage::Watching if self.escalate_at.is_some_and(|at| now >= at) => Act::Escalate,
            Stage::Watching => Act::Check,
            Stage::Disarm => Act::Disarm,
            Stage::Drain => Act::Drain,
            Stage::Remove(step) => Act::Remove { change: self.changes.get(step)?.clone() },
            Stage::Confirm => Act::Confirm,
            Stage::Close(state) => {
                let cause = self.cause.clone().unwrap_or(EndCause::Once);
                let record = Record::Ended { id: self.planned.id.clone(), state, cause, at: now };
                return Some(Command::Record { op, record });
            }
            Stage::Final(_) => return None,
        };
        Some(Command::Order { op, order: Order { planned: self.planned.clone(), fault: self.fault.clone(), act } })
    }

    /// Takes the result of the command in flight.
    pub(super) fn done(&mut self, now: Duration, op: OpId, outcome: Outcome) {
        if self.inflight != Some(op) {
            return;
        }
        self.inflight = None;
        match outcome {
            Outcome::Ok => self.succeeded(now, &[]),
            Outcome::Read(readings) => self.succeeded(now, &readings),
            Outcome::Halt(Halted::No) => self.succeeded(now, &[]),
            Outcome::Halt(_) => {} // the core has noted it and ends every slot
            Outcome::Swept { .. } => {}
            Outcome::Failed { why } => self.failed(now, why),
            Outcome::TargetGone { what } => self.gone(now, EndCause::TargetGone { what }),
            Outcome::Vanished { what } => self.gone(now, EndCause::Vanished { what }),
        }
    }

    fn succeeded(&mut self, now: Duration, readings: &[Reading]) {
        if !readings.is_empty() {
            self.readings = readings.to_vec();
        }
        let armed = Reading::filtered(readings).is_some_and(|f| f.armed_for.is_some());
        match self.stage {
            Stage::Resolve => self.stage = Stage::Intent,
            Stage::Intent => {
                self.recorded = true;
                self.stage = Stage::AskHalt;
            }
            Stage::AskHalt => self.stage = Stage::Apply(0),
            Stage::Apply(step) => {
                self.stands_until = self.asked_until;
                self.renewed = now;
                self.stage = if step + 1 < self.changes.len() { Stage::Apply(step + 1) } else { Stage::Applied };
            }
            Stage::Applied => self.stage = if self.fault.lasts() { Stage::Check } else { self.after_shot(now) },
            Stage::Check if armed => {
                self.in_effect = Some(now);
                self.changed = true;
                self.stage = Stage::Standing;
            }
            Stage::Check => self.end(EndCause::Failed {
                step: "verify".into(),
                why: "the rules were read back and are not armed".into(),
            }),
            Stage::Standing => {
                self.stands_until = self.asked_until;
                self.renewed = now;
            }
            Stage::Watching => self.watched(now),
            Stage::Disarm => self.stage = Stage::CheckEnded,
            Stage::CheckEnded if armed => self.failed(now, "the gate is still armed after it was emptied".into()),
            Stage::CheckEnded => {
                self.effect_ended = Some(now);
                self.changed = true;
                self.stage = Stage::Drain;
            }
            Stage::Drain => {
                self.drain_until = Some(now.saturating_add(self.longest_drain()));
                self.stage = Stage::Draining;
                self.drained(now);
            }
            Stage::Draining => self.drained(now),
            Stage::Remove(0) => self.stage = Stage::Confirm,
            Stage::Remove(step) => self.stage = Stage::Remove(step - 1),
            Stage::Confirm => {
                self.clean = Some(now);
                self.stage = Stage::Close(if self.lost { State::Lost } else { State::Restored });
            }
            Stage::Close(state) => self.finish(state),
            Stage::Final(_) => {}
        }
    }

    fn failed(&mut self, now: Duration, why: String) {
        let step = match self.stage {
            Stage::Resolve => "find the target",
            Stage::Intent | Stage::Applied | Stage::Close(_) => "write the journal",
            Stage::AskHalt => "read the halt",
            Stage::Apply(_) => "inject",
            Stage::Check => "verify",
            Stage::Standing => "renew",
            Stage::Watching => "watch the process",
            Stage::Disarm | Stage::CheckEnded => "end the effect",
            Stage::Drain | Stage::Draining => "drain",
            Stage::Remove(_) | Stage::Confirm => "restore",
            Stage::Final(_) => "nothing",
        };
        match self.stage {
            // Nothing waits for the journal on the way back, and a renewal that failed may work the next time: the
            // kernel ends the fault by itself if it does not.
            Stage::Close(state) => {
                self.problems.push(format!("{step}: {why}"));
                self.finish(state);
            }
            Stage::Standing => self.retry_at = now.saturating_add(RETRY),
            Stage::Watching => self.stage = Stage::Close(State::Done),
            Stage::Resolve | Stage::Intent | Stage::AskHalt | Stage::Apply(_) | Stage::Applied | Stage::Check => {
                self.end(EndCause::Failed { step: step.into(), why });
            }
            Stage::Disarm | Stage::CheckEnded | Stage::Drain | Stage::Draining | Stage::Remove(_) | Stage::Confirm => {
                self.failures += 1;
                self.retry_at = now.saturating_add(RETRY);
                if self.failures == 1 || self.failures == FAILURES {
                    self.problems.push(format!("{step}: {why}"));
                    self.changed = true;
                }
                // What could not be drained or removed is tried again from the gate on: the order is what is safe.
                if matches!(self.stage, Stage::CheckEnded | Stage::Confirm) {
                    self.stage = Stage::Disarm;
                }
            }
            Stage::Final(_) => {}
        }
    }

    fn gone(&mut self, now: Duration, cause: EndCause) {
        self.end(cause);
        self.lost = true;
        match self.stage {
            Stage::Resolve
            | Stage::Intent
            | Stage::AskHalt
            | Stage::Apply(_)
            | Stage::Applied
            | Stage::Check
            | Stage::Standing => {}
            Stage::Watching => self.stage = Stage::Close(State::Done),
            Stage::Disarm | Stage::CheckEnded | Stage::Drain | Stage::Draining => {
                self.effect_ended = self.effect_ended.or(Some(now));
                self.stage = self.first_removal();
            }
            Stage::Remove(0) => self.stage = Stage::Confirm,
            Stage::Remove(step) => self.stage = Stage::Remove(step - 1),
            Stage::Confirm => {
                self.clean = Some(now);
                self.stage = Stage::Close(State::Lost);
            }
            Stage::Close(_) | Stage::Final(_) => {}
        }
    }

    /// After the only step of a one-shot fault: done, or waiting for the end of a process's grace.
    fn after_shot(&mut self, now: Duration) -> Stage {
        let gone = self.readings.iter().any(|r| matches!(r, Reading::Killed(k) if k.gone));
        let grace = self.changes.iter().find_map(|c| match c {
            Change::Signal(s) if !s.grace.is_zero() => Some(s.grace),
            Change::Signal(_)
            | Change::DelayLinks(_)
            | Change::DelayWorker(_)
            | Change::Filter(_)
            | Change::KillContainer => None,
        });
        match grace {
            Some(grace) if !gone => {
                self.escalate_at = Some(now.saturating_add(grace));
                self.in_effect = Some(now);
                self.changed = true;
                Stage::Watching
            }
            Some(_) | None => Stage::Close(State::Done),
        }
    }

    fn watched(&mut self, now: Duration) {
        let gone = self.readings.iter().any(|r| matches!(r, Reading::Killed(k) if k.gone));
        let escalated = self.readings.iter().any(|r| matches!(r, Reading::Killed(k) if k.escalated));
        if gone || escalated {
            self.stage = Stage::Close(State::Done);
        } else {
            self.retry_at = now.saturating_add(LOOK);
        }
    }

    fn drained(&mut self, now: Duration) {
        let backlog: u64 = self
            .readings
            .iter()
            .map(|r| match r {
                Reading::Delayed(d) => d.backlog,
                Reading::Filtered(_) | Reading::Killed(_) => 0,
            })
            .sum();
        if backlog == 0 || self.drain_until.is_some_and(|at| now >= at) {
            self.stage = self.first_removal();
        } else {
            self.retry_at = now.saturating_add(LOOK);
        }
    }

    fn first_removal(&self) -> Stage {
        match self.begun.checked_sub(1) {
            Some(last) => Stage::Remove(last),
            None => Stage::Confirm,
        }
    }

    fn longest_drain(&self) -> Duration {
        let drains = self.changes.iter().map(|c| match c {
            Change::DelayLinks(d) | Change::DelayWorker(d) => d.drain(),
            Change::Filter(_) | Change::KillContainer | Change::Signal(_) => Duration::ZERO,
        });
        drains.max().unwrap_or_default()
    }

    fn finish(&mut self, state: State) {
        self.stage = Stage::Final(state);
        self.effective = match self.in_effect {
            Some(_) => self.fault.effective(&self.readings),
            None if self.fault.lasts() => Effective::False,
            None => self.fault.effective(&self.readings),
        };
        if self.cause.is_none() {
            self.cause = Some(EndCause::Once);
        }
        self.changed = true;
    }

    fn intent(&self) -> Intent {
        Intent {
            injection: self.injection.clone(),
            policy: self.policy.clone(),
            fault: self.fault.clone(),
            planned: self.planned.clone(),
            deadline: self.deadline,
            at: self.accepted,
        }
    }

    pub(super) fn state(&self) -> State {
        match self.stage {
            Stage::Final(state) => state,
            _ if self.failures >= FAILURES => State::RestoreFailed,
            _ if self.is_ending() => State::Ending,
            _ if self.in_effect.is_some() => State::InEffect,
            _ => State::Accepted,
        }
    }

    pub(super) fn wake_at(&self) -> Option<Duration> {
        let retry = (self.inflight.is_none() && !self.is_final()).then_some(self.retry_at);
        let parts = match self.stage {
            Stage::Standing => [self.deadline, Some(self.stands_until)],
            Stage::Watching => [self.escalate_at, retry],
            Stage::Disarm | Stage::CheckEnded | Stage::Drain | Stage::Draining | Stage::Remove(_) | Stage::Confirm => {
                [retry, None]
            }
            Stage::Resolve
            | Stage::Intent
            | Stage::AskHalt
            | Stage::Apply(_)
            | Stage::Applied
            | Stage::Check
            | Stage::Close(_) => [self.deadline, None],
            Stage::Final(_) => [None, None],
        };
        if self.is_ending() && self.inflight.is_some() {
            return None;
        }
        parts.into_iter().flatten().min()
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
