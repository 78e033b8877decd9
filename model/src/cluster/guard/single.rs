//! The only pod of an owner: with it all of a service is gone, so it is not taken down unless the policy says so.
//!
//! By default this is about what a policy ends for good: `kill`, `podDelete` and `podEvict`. A one-off run names its
//! victim and is asked for by a person; a network fault is put back. `singleReplica: Refuse` is about every fault that
//! takes pods down, in every run.

use super::{Case, unknown};
use crate::cluster::pod::Pod;
use crate::cluster::refusal::ClusterRefusal;
use crate::cluster::world::{Owner, Text};
use crate::policy::SingleReplica;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) fn check(case: &Case<'_>) -> Vec<ClusterRefusal> {
    let asked = match case.input.policy.experiment.limits.single_replica {
        Some(SingleReplica::Allow) => false,
        Some(SingleReplica::Refuse) => case.fault().takes_down(),
        None => case.input.policy_uid.is_some() && !case.fault().lasts(),
    };
    if !asked || case.picked.is_empty() {
        return Vec::new();
    }
    let owners = match &case.world.owners {
        Ok(owners) => owners,
        Err(why) => return vec![unknown("owners", why)],
    };
    case.picked.iter().filter_map(|pod| refusal(pod, owners)).collect()
}

fn refusal(pod: &Arc<Pod>, owners: &BTreeMap<Text, Owner>) -> Option<ClusterRefusal> {
    let Some(owner) = &pod.owner else {
        return Some(ClusterRefusal::SingleReplica { owner: None, pod: pod.to_string() });
    };
    let named = format!("{}/{owner}", pod.namespace);
    match owners.get(&owner.uid).map(|found| found.desired) {
        Some(Some(desired)) if desired > 1 => None,
        Some(Some(_)) => Some(ClusterRefusal::SingleReplica { owner: Some(named), pod: pod.to_string() }),
        Some(None) => {
            let why = format!("a {} has no such number", owner.kind);
            Some(ClusterRefusal::DesiredUnknown { owner: named, why })
        }
        None => Some(ClusterRefusal::DesiredUnknown { owner: named, why: "the owner could not be found".into() }),
    }
}
