//! maxPodsPerNamespace, and what a namespace allows of itself: at most so many of its pods are under fault at once,
//! whichever namespaces the runs are of. The lower one counts: an annotation can only tighten.

use super::Case;
use super::held::Held;
use crate::cluster::load::Load;
use crate::cluster::pod::Pod;
use crate::cluster::refusal::ClusterRefusal;
use crate::cluster::world::{MAX_PODS, Namespace, Text};
use std::collections::BTreeMap;

/// The longest value of an annotation that is shown.
const SHOWN: usize = 60;

pub(crate) fn check(case: &Case<'_>, held: &[Held<'_>], namespaces: &BTreeMap<Text, Namespace>) -> Vec<ClusterRefusal> {
    let mut wanted: BTreeMap<&Text, Vec<&Pod>> = BTreeMap::new();
    for pod in case.picked {
        wanted.entry(&pod.namespace).or_default().push(pod);
    }
    let per_namespace = case.world.rules.radius.pods_per_namespace;
    let mut refusals = Vec::new();
    for (name, wanted) in wanted {
        let namespace = name.to_string();
        let own = match namespaces.get(name).map(|found| &found.max_pods) {
            None => {
                refusals.push(ClusterRefusal::NamespaceMissing { namespace });
                continue;
            }
            Some(Some(Err(value))) => {
                let value = value.chars().take(SHOWN).collect();
                refusals.push(ClusterRefusal::NamespaceLimitInvalid { namespace, value });
                continue;
            }
            Some(Some(Ok(own))) => Some(*own),
            Some(None) => None,
        };
        let own = own.map(|most| (most, format!("its own {MAX_PODS}")));
        let all = per_namespace.map(|most| (most, "maxPodsPerNamespace".to_owned()));
        let Some((most, limit)) = own.into_iter().chain(all).min_by_key(|(most, _)| *most) else { continue };
        let load = Load::new(wanted, held.iter().filter(|held| held.is_in(name)).map(Held::named));
        if load.exceeds(most) {
            refusals.push(ClusterRefusal::TooManyPodsInNamespace { namespace, load, limit, most });
        }
    }
    refusals
}
