//! PodDisruptionBudgets: a fault that takes pods down is held to them as an eviction is, and so are active runs.
//!
//! A pod that an active run holds and that is still Ready is not in the budget's own count, so it is added here.

use super::{Case, unknown};
use crate::cluster::pod::Pod;
use crate::cluster::refusal::ClusterRefusal;
use crate::cluster::world::{Pdb, Text};
use crate::fault::Fault;
use std::collections::BTreeSet;

pub(crate) fn check(case: &Case<'_>) -> Vec<ClusterRefusal> {
    if !case.fault().takes_down() {
        return Vec::new();
    }
    let (pods, budgets, active) = match (&case.world.pods, &case.world.budgets, case.active()) {
        (Ok(pods), Ok(budgets), Ok(active)) => (pods, budgets, active),
        (pods, budgets, active) => {
            let pods = pods.as_ref().err().map(|u| unknown("pods", u));
            let budgets = budgets.as_ref().err().map(|u| unknown("PodDisruptionBudgets", u));
            return [pods, budgets, active.err()].into_iter().flatten().collect();
        }
    };
    let held: BTreeSet<&Text> = active.iter().filter(|run| run.takes_down).flat_map(|run| run.pods.keys()).collect();
    let mut refusals = Vec::new();
    for budget in budgets {
        let wanted = case.picked.iter().filter(|pod| covers(budget, pod)).count();
        if wanted == 0 {
            continue;
        }
        let name = format!("{}/{}", budget.namespace, budget.name);
        if !budget.observed {
            refusals.push(ClusterRefusal::BudgetNotObserved { budget: name });
            continue;
        }
        let still_ready = |pod: &&std::sync::Arc<Pod>| held.contains(&pod.uid) && pod.ready && covers(budget, pod);
        let held = if held.is_empty() { 0 } else { pods.iter().filter(still_ready).count() };
        let allowed = usize::try_from(budget.disruptions_allowed).unwrap_or(0);
        if wanted.saturating_add(held) > allowed {
            let allowed = budget.disruptions_allowed;
            refusals.push(ClusterRefusal::BudgetExhausted { budget: name, wanted, held, allowed });
        }
    }
    if matches!(case.fault(), Fault::PodEvict(_)) {
        refusals.extend(case.picked.iter().filter_map(|pod| several(budgets, pod)));
    }
    refusals
}

/// Returns whether a budget selects a pod.
pub(crate) fn covers(budget: &Pdb, pod: &Pod) -> bool {
    *budget.namespace == *pod.namespace && budget.selector.as_ref().is_some_and(|s| s.matches(&pod.labels))
}

fn several(budgets: &[Pdb], pod: &Pod) -> Option<ClusterRefusal> {
    let names: Vec<String> = budgets.iter().filter(|b| covers(b, pod)).map(|b| b.name.to_string()).collect();
    (names.len() > 1).then(|| ClusterRefusal::ManyBudgets { pod: pod.to_string(), budgets: names })
}
