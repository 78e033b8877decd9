//! What a command's result means for one target.

use super::{FAILURES, Slot, Stage};
use crate::core::{Leave, OpId, Outcome};
use rumpus_model::change::Change;
use rumpus_model::evidence::{Effective, Reading};
use rumpus_model::injection::{EndCause, State};
use rumpus_model::world::Halted;
use std::time::Duration;

/// How long to wait between tries of a failed step.
const RETRY: Duration = Duration::from_millis(200);
/// How often a signalled process, or a draining delay, is looked at.
const LOOK: Duration = Duration::from_millis(20);

impl Slot {
    /// Takes the result of the command in flight.
    pub(in crate::core) fn done(&mut self, now: Duration, op: OpId, outcome: Outcome) {
        if self.inflight != Some(op) {
            return;
        }
        self.inflight = None;
        if !self.fits(&outcome) {
            return self.failed(now, "what came back is no answer to it".into());
        }
        match outcome {
            Outcome::Ok => self.succeeded(now, &[]),
            Outcome::Read(readings) => self.succeeded(now, &readings),
            Outcome::Halt(Halted::No) => self.succeeded(now, &[]),
            Outcome::Leave(Leave::Given { at, left, .. }) => {
                let latest = left.map(|left| at.saturating_add(left));
                // What does not last has no deadline to bring forward.
                self.deadline = self.deadline.map(|d| latest.map_or(d, |l| d.min(l)));
                self.succeeded(now, &[]);
            }
            Outcome::Leave(Leave::Ended(_)) => {} // as below
            Outcome::Halt(_) => {}                // the core has noted it and ends every slot
            Outcome::Swept { .. } => {}
            Outcome::Failed { why } => self.failed(now, why),
            Outcome::TargetGone { what } => self.gone(now, EndCause::TargetGone { what }),
            Outcome::Vanished { what } => self.gone(now, EndCause::Vanished { what }),
        }
    }

    /// Returns whether an outcome answers what was asked: what is no leave is no leave, and what is not said to be durable
    /// is not.
    fn fits(&self, outcome: &Outcome) -> bool {
        match (outcome, self.stage) {
            (Outcome::Failed { .. }, _) => true,
            (Outcome::Halt(_) | Outcome::Leave(_), stage) => stage == Stage::AskHalt,
            (_, Stage::AskHalt) => false,
            (Outcome::Ok, _) => true,
            (Outcome::Read(_) | Outcome::TargetGone { .. } | Outcome::Vanished { .. }, stage) => {
                !matches!(stage, Stage::Intent | Stage::Applied | Stage::Close(_))
            }
            (Outcome::Swept { .. }, _) => false,
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
                self.stage = if step + 1 < self.changes.len() { Stage::Apply(step + 1) } else { self.after_applied() };
            }
            Stage::Applied => self.stage = if self.fault.lasts() { Stage::Standing } else { self.after_shot(now) },
            Stage::Check if armed => {
                self.in_effect = Some(now);
                self.changed = true;
                self.stage = Stage::Applied;
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
                // What was read back once stands, also where it had to be emptied again.
                self.changed |= self.effect_ended.is_none();
                self.effect_ended = self.effect_ended.or(Some(now));
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
        // What was never made whole cannot vanish: the step that failed, or what came before the last one, says why.
        let partial = self.begun < self.changes.len() || matches!(self.cause, Some(EndCause::Failed { .. }));
        let never_was = partial && matches!(cause, EndCause::Vanished { .. });
        self.end(cause);
        self.lost |= !never_was;
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

    /// What lasts is read back at once; the record that it was applied can wait for that.
    fn after_applied(&self) -> Stage {
        if self.fault.lasts() { Stage::Check } else { Stage::Applied }
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
                Reading::Filtered(_) | Reading::Killed(_) | Reading::Sockets(_) => 0,
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
}
