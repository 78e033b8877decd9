//! How a run of a cluster is told while it goes on, and how it ended: decisions over what was read, without any I/O.
//!
//! It must never call something restored that no node attested: a run that is gone, or that the controller has not
//! finished, is *unconfirmed*.

use crate::render;
use crate::signals::Asked;
use rumpus_cluster::{ChaosInjection, ChaosRun};
use rumpus_model::run::Outcome;
use rumpus_model::wire::{Confirmation, InjectionState, Mode, RunState, RunStatus, Truth, Verdict};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What was read of a run.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// None once it is gone.
    pub run: Option<ChaosRun>,
    /// As they were last seen, by UID: a final one may be gone by now.
    pub injections: BTreeMap<String, ChaosInjection>,
    /// Injections that their node attests to have ended, though the object may be gone.
    pub ended: BTreeSet<String>,
    /// Why the injections are not known.
    pub unread: Option<String>,
}

impl Seen {
    pub fn status(&self) -> Option<&RunStatus> {
        self.run.as_ref()?.status.as_ref()
    }

    /// Returns whether the controller has taken the run up.
    pub fn is_taken(&self) -> bool {
        self.status().is_some_and(|s| s.state.is_some())
    }

    pub fn is_finished(&self) -> bool {
        self.status().is_some_and(|s| s.state == Some(RunState::Finished))
    }

    fn state(&self, uid: &str, injection: &ChaosInjection) -> Option<InjectionState> {
        let state = injection.status.as_ref().and_then(|s| s.state);
        let attested = !state.is_some_and(InjectionState::is_final) && self.ended.contains(uid);
        if attested { Some(InjectionState::Restored) } else { state }
    }

    fn states(&self) -> impl Iterator<Item = Option<InjectionState>> {
        self.injections.iter().map(|(uid, injection)| self.state(uid, injection))
    }

    /// Returns whether all that is not over failed to be restored: waiting longer may not help.
    pub fn is_stuck(&self) -> bool {
        let open = || self.states().filter(|s| !s.is_some_and(InjectionState::is_final));
        open().next().is_some() && open().all(|s| s == Some(InjectionState::RestoreFailed))
    }

    /// Returns whether each injection that was ever seen is over; where none was seen that is so too.
    pub fn is_over(&self) -> bool {
        self.unread.is_none() && self.states().all(|s| s.is_some_and(InjectionState::is_final))
    }

    /// Returns the nodes that have not said that their share is over.
    pub fn open_nodes(&self) -> Vec<String> {
        let open = |(uid, i): &(&String, &ChaosInjection)| !self.state(uid, i).is_some_and(InjectionState::is_final);
        let nodes: BTreeSet<_> = self.injections.iter().filter(open).map(|(_, i)| i.spec.node_name.clone()).collect();
        nodes.into_iter().collect()
    }
}

/// What has been told already.
#[derive(Debug, Default)]
pub struct Story {
    told: BTreeSet<(String, String)>,
    states: BTreeMap<String, Option<InjectionState>>,
}

impl Story {
    /// Returns a line for everything that is new.
    pub fn news(&mut self, seen: &Seen) -> Vec<String> {
        let mut lines = Vec::new();
        for happened in seen.status().iter().flat_map(|s| &s.timeline) {
            if self.told.insert((happened.at.clone(), happened.what.clone())) {
                lines.push(render::cluster::run::happened(happened));
            }
        }
        for (uid, injection) in &seen.injections {
            let state = injection.status.as_ref().and_then(|s| s.state);
            if self.states.insert(uid.clone(), state) != Some(state) {
                lines.extend(render::cluster::run::change(injection));
            }
        }
        lines
    }
}

/// How following a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Ending {
    Known(Outcome),
    /// The hypothesis did not hold.
    Failed,
    /// No end was attested by these nodes.
    Unconfirmed {
        nodes: Vec<String>,
    },
    /// It was only started.
    Started,
}

impl Ending {
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Known(outcome) => outcome.exit_code(),
            Self::Failed => 1,
            Self::Unconfirmed { .. } => 5,
            Self::Started => 0,
        }
    }
}

/// Judges what was last seen; `asked` is who wanted an early end.
pub fn ending(seen: &Seen, asked: Option<Asked>) -> Ending {
    let stopped = || match asked {
        Some(Asked::Interrupt) => Ending::Known(Outcome::Interrupted),
        Some(Asked::Terminate) | None => Ending::Known(Outcome::Halted),
    };
    if seen.states().any(|s| s == Some(InjectionState::RestoreFailed)) {
        return Ending::Known(Outcome::RestoreProblem);
    }
    let unconfirmed = |status: Option<&RunStatus>| {
        let mut nodes = status.map(|s| s.unconfirmed_nodes.clone()).unwrap_or_default();
        nodes.extend(seen.open_nodes().into_iter().filter(|n| !nodes.contains(n)).collect::<Vec<_>>());
        Ending::Unconfirmed { nodes }
    };
    let Some(run) = &seen.run else {
        // Deleting is ending; that it has ended only its injections can say, and none may have been seen in time.
        return if seen.is_over() && !seen.injections.is_empty() { stopped() } else { unconfirmed(None) };
    };
    let Some(status) = run.status.as_ref().filter(|s| s.state == Some(RunState::Finished)) else {
        // Without a controller the agents' words count all the same.
        return if asked.is_some() && seen.is_over() { stopped() } else { unconfirmed(run.status.as_ref()) };
    };
    match (status.confirmation, status.verdict) {
        (Some(Confirmation::Unconfirmed), _) => unconfirmed(Some(status)),
        (_, Some(Verdict::Refused)) => Ending::Known(Outcome::Refused),
        (_, Some(Verdict::Aborted)) => stopped(),
        (_, Some(Verdict::Fail)) => Ending::Failed,
        (_, Some(Verdict::Inconclusive)) => Ending::Known(Outcome::Inconclusive),
        (_, Some(Verdict::Pass | Verdict::NotApplicable)) => Ending::Known(proven(run, status)),
        (_, None) => unconfirmed(Some(status)),
    }
}

fn proven(run: &ChaosRun, status: &RunStatus) -> Outcome {
    if status.targets.unwrap_or_default() == 0 {
        return Outcome::Inconclusive;
    }
    match (run.spec.mode, status.effective) {
        (Some(Mode::DryRun) | None, _) => Outcome::DryRun,
        (Some(Mode::Armed), Some(Truth::True)) => Outcome::Proven,
        (Some(Mode::Armed), Some(Truth::False | Truth::Unknown) | None) => Outcome::Inconclusive,
    }
}

#[cfg(test)]
mod tests;
