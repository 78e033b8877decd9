//! maxRunsPerNamespace: at most so many runs hit pods of one namespace at once, whichever namespaces the runs are of.

use super::Case;
use super::held::{self, Held};
use crate::cluster::refusal::ClusterRefusal;
use crate::cluster::world::Text;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn check(case: &Case<'_>, held: &[Held<'_>]) -> Vec<ClusterRefusal> {
    let Some(most) = case.world.rules.radius.runs_per_namespace else { return Vec::new() };
    let active = match case.active() {
        Ok(active) => active,
        Err(refusal) => return vec![refusal],
    };
    // A run that does not know its pods may hit any.
    let anywhere: Vec<_> = active.into_iter().filter(|run| run.pods.is_empty()).collect();
    let namespaces: BTreeSet<&Text> = case.picked.iter().map(|pod| &pod.namespace).collect();
    let mut refusals = Vec::new();
    for namespace in namespaces {
        let here = held.iter().filter(|held| held.is_in(namespace)).map(|held| held.run);
        let runs: BTreeMap<&Text, String> =
            here.chain(anywhere.iter().copied()).map(|run| (&run.run_uid, held::name(run))).collect();
        if usize::try_from(most).is_ok_and(|most| runs.len() >= most) {
            let (namespace, runs) = (namespace.to_string(), runs.into_values().collect());
            refusals.push(ClusterRefusal::TooManyRunsInNamespace { namespace, runs, most });
        }
    }
    refusals
}
