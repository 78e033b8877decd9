//! Blast radius: budgets of their own for each owner, each namespace and the whole cluster, over all runs together.
//!
//! Each pod that is wanted or held counts, whatever the fault. The counts here are of what is reserved already; that two
//! runs do not count past each other is the Ledger's part (`controller/src/cluster/core/run/review.rs`).

use super::{Case, cluster_pods, held, namespace_pods, namespace_runs, owner_pods, unknown};
use crate::cluster::refusal::ClusterRefusal;
use crate::cluster::world::Radius;

#[cfg(test)]
mod tests;

pub(crate) fn check(case: &Case<'_>) -> Vec<ClusterRefusal> {
    if case.picked.is_empty() {
        return Vec::new();
    }
    let namespaces = match &case.world.namespaces {
        Ok(namespaces) => namespaces,
        Err(why) => return vec![unknown("namespaces", why)],
    };
    let limits_itself = |namespace| namespaces.get(namespace).is_none_or(|found| found.max_pods.is_some());
    let limited = case.picked.iter().any(|pod| limits_itself(&pod.namespace));
    if !limited && case.world.rules.radius == Radius::default() {
        return Vec::new();
    }
    let held = match held::held(case) {
        Ok(held) => held,
        Err(refusals) => return refusals,
    };
    let mut refusals = owner_pods::check(case, &held);
    refusals.extend(namespace_pods::check(case, &held, namespaces));
    refusals.extend(namespace_runs::check(case, &held));
    refusals.extend(cluster_pods::check(case, &held));
    refusals
}
