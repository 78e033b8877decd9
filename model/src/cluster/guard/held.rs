//! What active runs hold, pod by pod, and where each pod belongs: what the budgets of blast radius are counted from.
//!
//! Where a pod belongs is what the snapshot says of it; of one that is gone, what its holder knew. What neither knows
//! may be anywhere, and counts everywhere.

use super::{Case, unknown};
use crate::cluster::pod::Pod;
use crate::cluster::refusal::ClusterRefusal;
use crate::cluster::world::{Owner, Place, Reservation, Text};
use std::collections::{BTreeMap, BTreeSet};

/// A pod that an active run holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held<'w> {
    pub(crate) uid: &'w Text,
    pub(crate) run: &'w Reservation,
    place: &'w Place,
    /// As the snapshot shows it.
    pod: Option<&'w Pod>,
}

/// Returns every pod that an active run holds, once for each run.
///
/// # Errors
/// A list is not known.
pub(crate) fn held<'w>(case: &Case<'w>) -> Result<Vec<Held<'w>>, Vec<ClusterRefusal>> {
    let (pods, active) = match (&case.world.pods, case.active()) {
        (Ok(pods), Ok(active)) => (pods, active),
        (pods, active) => {
            let pods = pods.as_ref().err().map(|u| unknown("pods", u));
            return Err([pods, active.err()].into_iter().flatten().collect());
        }
    };
    let uids: BTreeSet<&Text> = active.iter().flat_map(|run| run.pods.keys()).collect();
    if uids.is_empty() {
        return Ok(Vec::new());
    }
    let shown: BTreeMap<&Text, &Pod> = pods.iter().filter(|p| uids.contains(&p.uid)).map(|p| (&p.uid, &**p)).collect();
    let of = |run: &'w Reservation| {
        run.pods.iter().map(move |(uid, place)| (uid, place, run)).collect::<Vec<(&'w Text, &'w Place, _)>>()
    };
    let all = active.into_iter().flat_map(of);
    Ok(all.map(|(uid, place, run)| Held { uid, run, place, pod: shown.get(uid).copied() }).collect())
}

impl<'w> Held<'w> {
    /// Returns its namespace, where that is known.
    pub(crate) fn namespace(&self) -> Option<&'w Text> {
        self.pod.map_or(self.place.namespace.as_ref(), |pod| Some(&pod.namespace))
    }

    /// Returns whether it may be in this namespace.
    pub(crate) fn is_in(&self, namespace: &str) -> bool {
        self.namespace().is_none_or(|own| **own == *namespace)
    }

    /// Returns the UID of its top owner, where that is known.
    pub(crate) fn owner(&self, owners: &BTreeMap<Text, Owner>) -> Option<&'w Text> {
        self.pod.map_or(self.place.owner.as_ref(), |pod| top(pod, owners))
    }

    /// Returns the pod and its holder, as a refusal names them.
    pub(crate) fn named(&self) -> (&'w Text, String) {
        (self.uid, name(self.run))
    }
}

/// Returns `namespace/name` of a run.
pub(crate) fn name(run: &Reservation) -> String {
    format!("{}/{}", run.namespace, run.run)
}

/// Returns the UID of a pod's top owner: its own where it has none, nothing while its ReplicaSet is not in the snapshot,
/// so that nobody knows what stands above it.
pub(crate) fn top<'w>(pod: &'w Pod, owners: &BTreeMap<Text, Owner>) -> Option<&'w Text> {
    match &pod.owner {
        None => Some(&pod.uid),
        Some(owner) if *owner.kind == *"ReplicaSet" && !owners.contains_key(&owner.uid) => None,
        Some(owner) => Some(&owner.uid),
    }
}
