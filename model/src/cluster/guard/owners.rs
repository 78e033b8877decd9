//! How the pods of each picked owner stand: what minHealthy and maxUnavailable are counted from.
//!
//! Every pod that this run or an active one hits counts as not healthy, whatever the fault: a limit is about how many
//! are left alone.

use super::{Case, unknown};
use crate::cluster::pod::Phase;
use crate::cluster::refusal::ClusterRefusal;
use crate::cluster::world::Text;
use std::collections::{BTreeMap, BTreeSet};

/// One owner of picked pods.
#[derive(Debug)]
pub(crate) struct Stand {
    /// `namespace/Kind/name`.
    pub(crate) owner: String,
    pub(crate) desired: Result<usize, String>,
    /// Ready, not being deleted, and hit by nobody.
    pub(crate) healthy: usize,
}

/// Returns how each owner would stand with this run.
///
/// # Errors
/// A list is not known, or a picked pod has no owner.
pub(crate) fn stand(case: &Case<'_>) -> Result<Vec<Stand>, Vec<ClusterRefusal>> {
    let (pods, owners, active) = match (&case.world.pods, &case.world.owners, case.active()) {
        (Ok(pods), Ok(owners), Ok(active)) => (pods, owners, active),
        (pods, owners, active) => {
            let pods = pods.as_ref().err().map(|u| unknown("pods", u));
            let owners = owners.as_ref().err().map(|u| unknown("owners", u));
            return Err([pods, owners, active.err()].into_iter().flatten().collect());
        }
    };
    let picked: BTreeSet<&Text> = case.picked.iter().map(|p| &p.uid).collect();
    let mut stands: BTreeMap<&Text, Stand> = BTreeMap::new();
    let mut refusals = Vec::new();
    for pod in case.picked {
        let Some(owner) = &pod.owner else {
            let why = "it has no owner".into();
            refusals.push(ClusterRefusal::DesiredUnknown { owner: pod.to_string(), why });
            continue;
        };
        stands.entry(&owner.uid).or_insert_with(|| Stand {
            owner: format!("{}/{}/{}", pod.namespace, owner.kind, owner.name),
            desired: match owners.get(&owner.uid) {
                None => Err("the owner could not be found".into()),
                Some(found) => match found.desired {
                    None => Err(format!("a {} has no such number", owner.kind)),
                    Some(desired) => Ok(usize::try_from(desired).unwrap_or(usize::MAX)),
                },
            },
            healthy: 0,
        });
    }
    for pod in pods {
        let Some(stand) = pod.owner.as_ref().and_then(|o| stands.get_mut(&o.uid)) else { continue };
        let running = pod.phase == Phase::Running && pod.ready && !pod.terminating;
        let hit = picked.contains(&pod.uid) || active.iter().any(|run| run.pods.contains_key(&pod.uid));
        if running && !hit {
            stand.healthy += 1;
        }
    }
    if refusals.is_empty() { Ok(stands.into_values().collect()) } else { Err(refusals) }
}
