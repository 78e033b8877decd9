//! maxPodsPerOwner: at most so many pods of one workload are under fault at once. The workload is the top one, by its
//! UID: a Deployment's pods are its own, whichever ReplicaSet they are of.

use super::held::{self, Held};
use super::{Case, unknown};
use crate::cluster::load::Load;
use crate::cluster::pod::Pod;
use crate::cluster::refusal::ClusterRefusal;
use crate::cluster::world::Text;
use std::collections::BTreeMap;

pub(crate) fn check(case: &Case<'_>, held: &[Held<'_>]) -> Vec<ClusterRefusal> {
    let Some(most) = case.world.rules.radius.pods_per_owner else { return Vec::new() };
    let owners = match &case.world.owners {
        Ok(owners) => owners,
        Err(why) => return vec![unknown("owners", why)],
    };
    let mut refusals = Vec::new();
    let mut wanted: BTreeMap<&Text, Vec<&Pod>> = BTreeMap::new();
    for pod in case.picked {
        match held::top(pod, owners) {
            Some(owner) => wanted.entry(owner).or_default().push(pod),
            None => {
                let why = format!("what owns {pod} has not been seen yet");
                refusals.push(ClusterRefusal::ListUnknown { list: "owners".into(), why });
            }
        }
    }
    let mut taken: BTreeMap<Option<&Text>, Vec<&Held<'_>>> = BTreeMap::new();
    for held in held {
        taken.entry(held.owner(owners)).or_default().push(held);
    }
    let none = Vec::new();
    for (owner, wanted) in wanted {
        let Some(first) = wanted.first().copied() else { continue };
        let own = taken.get(&Some(owner)).unwrap_or(&none).iter();
        let perhaps = taken.get(&None).unwrap_or(&none).iter().filter(|held| held.is_in(&first.namespace));
        let load = Load::new(wanted, own.chain(perhaps).map(|held| held.named()));
        if load.exceeds(most) {
            refusals.push(ClusterRefusal::TooManyPodsOfOwner { owner: name(first), load, most });
        }
    }
    refusals
}

/// Returns `namespace/Kind/name` of a pod's owner, or the pod itself where it has none.
fn name(pod: &Pod) -> String {
    pod.owner.as_ref().map_or_else(|| pod.to_string(), |owner| format!("{}/{owner}", pod.namespace))
}
