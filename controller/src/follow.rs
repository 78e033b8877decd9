//! What the agents attest, put together: where each injection stands, and how the run ended.

use rumpus_model::injection::{Attestation, Injection, State};
use rumpus_model::plan::Plan;
use rumpus_model::run::{self, Outcome, Phase};
use std::collections::BTreeMap;

/// Follows the injections of one run.
#[derive(Debug, Default)]
pub struct Follow {
    /// By the target's id.
    seen: BTreeMap<String, Attestation>,
    expected: usize,
}

impl Follow {
    pub fn of(injections: &[Injection]) -> Self {
        Self { seen: BTreeMap::new(), expected: injections.iter().map(|i| i.targets.len()).sum() }
    }

    /// Takes an attestation in. Returns whether the target's state changed.
    pub fn take(&mut self, attestation: Attestation) -> bool {
        let before = self.seen.get(&attestation.id).map(|a| a.state);
        let changed = before != Some(attestation.state);
        self.seen.insert(attestation.id.clone(), attestation);
        changed
    }

    pub fn attestations(&self) -> impl Iterator<Item = &Attestation> {
        self.seen.values()
    }

    /// Returns where the run stands: as far as its least finished target.
    pub fn phase(&self) -> Phase {
        if self.seen.len() < self.expected {
            return Phase::Injecting;
        }
        let states = self.seen.values().map(|a| a.state);
        states.map(phase).min().unwrap_or(Phase::Finished)
    }

    /// Returns whether all that is not finished failed to be restored: waiting longer may not help.
    pub fn is_stuck(&self) -> bool {
        let open = || self.seen.values().filter(|a| !a.state.is_final());
        open().next().is_some() && open().all(|a| a.state == State::RestoreFailed)
    }

    /// Returns how one policy's injection ended.
    pub fn outcome(&self, injection: &Injection) -> Outcome {
        let of: Vec<Attestation> = self.seen.values().filter(|a| a.injection == injection.uid).cloned().collect();
        run::outcome(&of)
    }
}

/// Returns how a plan that is not carried out ends.
pub fn outcome_of_plan(plan: &Plan) -> Outcome {
    match (plan.refusals.is_empty(), plan.targets.is_empty()) {
        (false, _) => Outcome::Refused,
        (true, true) => Outcome::Inconclusive,
        (true, false) => Outcome::DryRun,
    }
}

fn phase(state: State) -> Phase {
    match state {
        State::Accepted => Phase::Injecting,
        State::InEffect => Phase::Running,
        State::Ending | State::RestoreFailed => Phase::Ending,
        State::Done | State::Restored | State::Lost | State::Refused => Phase::Finished,
    }
}
