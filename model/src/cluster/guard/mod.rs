//! Reasons not to act in a cluster, one file each; `all` shows the order. Each fails closed: unknown
//! means no.
//!
//! `protected`, `opt_in`, `frozen` and `excluded` look at one pod or namespace while pods are selected; the others look at what
//! was picked, and refuse the whole run.

use super::plan::{PeerEntry, RunInput};
use super::pod::Pod;
use super::refusal::ClusterRefusal;
use super::world::{Reservation, Unknown, World};
use crate::fault::Fault;
use std::sync::Arc;

pub(crate) mod budgets;
pub(crate) mod capable;
pub(crate) mod cluster_pods;
pub(crate) mod concurrent;
pub(crate) mod excluded;
pub(crate) mod frozen;
pub(crate) mod gate;
pub(crate) mod halted;
pub(crate) mod healthy;
pub(crate) mod held;
pub(crate) mod namespace_pods;
pub(crate) mod namespace_runs;
pub(crate) mod opt_in;
pub(crate) mod overlap;
pub(crate) mod owner_pods;
pub(crate) mod owners;
pub(crate) mod protected;
pub(crate) mod radius;
pub(crate) mod rollout;
pub(crate) mod single;
pub(crate) mod unavailable;

#[cfg(test)]
mod tests;

/// What the guards behind the pick look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case<'w> {
    pub(crate) world: &'w World,
    pub(crate) input: &'w RunInput,
    pub(crate) picked: &'w [&'w Arc<Pod>],
    /// Of a network fault, resolved.
    pub(crate) peers: &'w [PeerEntry],
}

impl<'w> Case<'w> {
    pub(crate) fn fault(&self) -> &Fault {
        &self.input.policy.experiment.fault
    }

    /// Returns the active runs but this one, which the controller may have reserved already.
    pub(crate) fn active(&self) -> Result<Vec<&'w Reservation>, ClusterRefusal> {
        let active = self.world.active.as_ref().map_err(|why| unknown("active runs", why))?;
        Ok(active.iter().filter(|run| *run.run_uid != *self.input.run_uid).collect())
    }
}

/// Asks every guard behind the pick.
pub(crate) fn all(case: &Case<'_>) -> Vec<ClusterRefusal> {
    let mut refusals = halted::check(case);
    refusals.extend(gate::check(case));
    refusals.extend(rollout::check(case));
    refusals.extend(single::check(case));
    refusals.extend(healthy::check(case));
    refusals.extend(unavailable::check(case));
    refusals.extend(budgets::check(case));
    refusals.extend(radius::check(case));
    refusals.extend(capable::check(case));
    refusals.extend(overlap::check(case));
    refusals.extend(concurrent::check(case));
    refusals
}

fn unknown(list: &str, unknown: &Unknown) -> ClusterRefusal {
    ClusterRefusal::ListUnknown { list: list.into(), why: unknown.why.clone() }
}
