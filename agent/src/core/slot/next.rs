//! What comes next for one target: one command at a time.

use super::{Slot, Stage};
use crate::core::{Act, Command, Intent, OpId, Order, Record};
use rumpus_model::injection::{EndCause, State};
use std::time::Duration;

/// So many processes of a target are named in the journal: a record has 64 KiB at most.
const PROCESSES_RECORDED: usize = 50;

impl Slot {
    /// Returns the next command, if there is one to give now.
    pub(in crate::core) fn next(
        &mut self,
        now: Duration,
        op: OpId,
        until: Duration,
        lease: Duration,
    ) -> Option<Command> {
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
            Stage::AskHalt => return Some(Command::ReadHalt { op, injection: self.injection.clone() }),
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
                // At each contact, which comes each fifth of a lease; a little sooner is no other contact.
                if now < self.renewed.saturating_add(lease / 10) || until <= self.stands_until {
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
        Some(Command::Order {
            op,
            order: Box::new(Order { planned: self.planned.clone(), fault: self.fault.clone(), act }),
        })
    }

    fn intent(&self) -> Intent {
        Intent {
            injection: self.injection.clone(),
            policy: self.policy.clone(),
            id: self.planned.id.clone(),
            fault: self.fault.name().to_owned(),
            lasts: self.fault.lasts(),
            engine: self.planned.engine,
            target: self.planned.target.shortened(PROCESSES_RECORDED),
            expected: self.fault.expected(),
            deadline: self.deadline,
            at: self.accepted,
            not_after: self.not_after,
        }
    }
}
