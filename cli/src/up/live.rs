//! One run of the daemon, from its record to its end: what it was made for, how far it is, and what became of it.

use super::talk::Said;
use crate::commands::run;
use jiff::Timestamp;
use rumpus_controller::follow::Follow;
use rumpus_controller::host::history::End;
use rumpus_controller::host::timetable::Running;
use rumpus_model::injection::{Attestation, Injection, State};
use rumpus_model::plan::Plan;
use rumpus_model::policy::Policy;
use rumpus_model::run::{Outcome, Phase};
use rumpus_model::schedule::change::Who;
use std::sync::mpsc::Sender;

/// A run that has not ended.
#[derive(Debug)]
pub(super) struct Live {
    /// In the history.
    pub(super) number: u64,
    pub(super) run: String,
    pub(super) seed: String,
    pub(super) policies: Vec<Policy>,
    pub(super) armed: bool,
    /// The slot that it was begun for; none: by hand.
    pub(super) slot: Option<OfSlot>,
    /// The command that asked for it.
    pub(super) client: Option<Client>,
    pub(super) stage: Stage,
    /// By whose wish it ends early.
    pub(super) stopped: Option<String>,
}

/// What a run has of its slot.
#[derive(Clone, Debug)]
pub(super) struct OfSlot {
    pub(super) who: Who,
    pub(super) begun: Timestamp,
    pub(super) until: Timestamp,
    pub(super) revision: u64,
}

/// A command that follows its run.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) token: u64,
    pub(super) said: Sender<Said>,
}

/// How far it is.
#[derive(Debug)]
pub(super) enum Stage {
    Planning,
    Following(Box<Following>),
}

/// A run whose injections are with the agent.
#[derive(Debug)]
pub(super) struct Following {
    pub(super) plans: Vec<Plan>,
    pub(super) injections: Vec<Injection>,
    pub(super) followed: Follow,
}

impl Live {
    /// Tells the command that asked for it; one that is gone says so by itself.
    pub(super) fn tell(&self, said: Said) {
        if let Some(client) = &self.client {
            drop(client.said.send(said));
        }
    }

    /// Returns it as the timetable looks at it.
    pub(super) fn running(&self) -> Running {
        let policies = self.policies.iter().map(|policy| policy.name.clone()).collect();
        Running { run: self.run.clone(), policies, by_hand: self.slot.is_none() }
    }

    /// Takes in an attestation if it is about this run; returns then whether its target's state changed.
    pub(super) fn take(&mut self, attestation: &Attestation) -> Option<bool> {
        let Stage::Following(following) = &mut self.stage else { return None };
        let ours = following.injections.iter().any(|injection| injection.uid == attestation.injection);
        ours.then(|| following.followed.take(attestation.clone()))
    }

    /// Returns whether everything of it has ended.
    pub(super) fn is_over(&self) -> bool {
        matches!(&self.stage, Stage::Following(f) if f.followed.phase() == Phase::Finished)
    }

    /// Returns whether it waits for something that may never be put back.
    pub(super) fn is_stuck(&self) -> bool {
        matches!(&self.stage, Stage::Following(f) if f.followed.is_stuck())
    }

    pub(super) fn plans(&self) -> &[Plan] {
        if let Stage::Following(following) = &self.stage { &following.plans } else { &[] }
    }

    /// Returns whether any of its targets was touched, or would have been; and how it ended.
    pub(super) fn judge(&self) -> (bool, End) {
        let Stage::Following(f) = &self.stage else { return (false, End::default()) };
        let outcome = match self.armed {
            true => run::outcome(&f.plans, &f.injections, &f.followed),
            false => crate::commands::plan::outcome(&f.plans),
        };
        let touched = f.followed.attestations().any(|attested| attested.state != State::Refused);
        let acted = if self.armed { touched } else { f.plans.iter().any(Plan::acts) };
        let targets = f.plans.iter().flat_map(|plan| plan.targets.iter().map(|t| t.target.to_string()));
        let refusal = f.plans.iter().find_map(|plan| plan.refusals.first().map(ToString::to_string));
        let cause = || f.followed.attestations().find_map(|a| a.cause.as_ref().map(ToString::to_string));
        let early = !matches!(outcome, Outcome::Proven | Outcome::DryRun);
        let note = refusal.or_else(cause).filter(|_| early);
        (acted, End { targets: targets.collect(), outcome: Some(outcome), note })
    }

    /// Returns what a run by hand leaves for scripts.
    pub(super) fn report(&self, outcome: Outcome) -> run::Report {
        let (plans, attestations) = match &self.stage {
            Stage::Planning => (Vec::new(), Vec::new()),
            Stage::Following(f) => (f.plans.clone(), f.followed.attestations().cloned().collect()),
        };
        run::report(self.run.clone(), self.seed.clone(), self.armed, plans, attestations, outcome)
    }
}
