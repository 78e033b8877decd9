//! The owner of a picked pod is in the midst of a rollout: its pods are replaced anyway, and what a fault would show is
//! mixed with that. What cannot be read refuses.

use super::{Case, unknown};
use crate::cluster::pod::Pod;
use crate::cluster::refusal::ClusterRefusal;
use crate::cluster::rollout::Rollout;
use crate::cluster::world::{Owner, Text};
use std::collections::BTreeMap;

/// Kinds that a snapshot has: of one that is not in it nobody knows whether it stands still, or has opted out. Of other
/// kinds nothing could be read.
const KINDS: [&str; 5] = ["DaemonSet", "Deployment", "Job", "ReplicaSet", "StatefulSet"];

pub(crate) fn check(case: &Case<'_>) -> Vec<ClusterRefusal> {
    if case.picked.iter().all(|pod| pod.owner.is_none()) {
        return Vec::new();
    }
    match &case.world.owners {
        Ok(owners) => case.picked.iter().filter_map(|pod| refusal(pod, owners)).collect(),
        Err(why) => vec![unknown("owners", why)],
    }
}

fn refusal(pod: &Pod, owners: &BTreeMap<Text, Owner>) -> Option<ClusterRefusal> {
    let owner = pod.owner.as_ref()?;
    match owners.get(&owner.uid).map(|found| found.rollout) {
        Some(Rollout::Done | Rollout::None) => None,
        Some(Rollout::Underway(midst)) => {
            let owner = format!("{}/{owner}", pod.namespace);
            Some(ClusterRefusal::RolloutInProgress { owner, why: midst.to_string() })
        }
        None if KINDS.contains(&&*owner.kind) => {
            let why = format!("what owns {pod} has not been seen yet");
            Some(ClusterRefusal::ListUnknown { list: "owners".into(), why })
        }
        None => None,
    }
}
