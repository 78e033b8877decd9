//! From a selector and a World to candidates, and to everything that matched and was left out, each with its reason.
//!
//! One pass over the pods. A pod that the selector does not match is no candidate and is not counted; exclusions and
//! guards win over everything that selects.

use super::guard::{excluded, opt_in, protected};
use super::plan::RunInput;
use super::pod::{Container, Phase, Pod};
use super::refusal::ClusterRefusal;
use super::world::{Namespace, Node, Seconds, Text, World};
use crate::fault::Fault;
use std::collections::BTreeMap;
use std::sync::Arc;

pub mod container;
pub mod left_out;
pub mod pods;
#[cfg(test)]
mod tests;

pub use container::Choice;
pub use left_out::{Reason, Tally};
pub use pods::{Namespaces, OwnerMatch, PodSelector};

/// A pod that may be picked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'w> {
    pub(crate) pod: &'w Arc<Pod>,
    pub(crate) container: Choice<'w>,
}

/// What a selector found.
#[derive(Debug, Default)]
pub(crate) struct Found<'w> {
    pub(crate) candidates: Vec<Candidate<'w>>,
    /// How many pods the selector matched.
    pub(crate) matched: usize,
    pub(crate) left_out: Tally,
    pub(crate) refusals: Vec<ClusterRefusal>,
}

/// What is looked up once, not once a pod.
struct Lists<'w> {
    namespaces: &'w BTreeMap<Text, Namespace>,
    nodes: &'w BTreeMap<Text, Node>,
}

/// Returns the pods that `selector` may hit.
pub(crate) fn find<'w>(world: &'w World, selector: &PodSelector, input: &RunInput, now: Seconds) -> Found<'w> {
    let mut found = Found::default();
    let known = |list: &str, why: &str| ClusterRefusal::ListUnknown { list: list.into(), why: why.into() };
    let pods = world.pods.as_ref().map_err(|u| known("pods", &u.why));
    let namespaces = world.namespaces.as_ref().map_err(|u| known("namespaces", &u.why));
    let nodes = world.nodes.as_ref().map_err(|u| known("nodes", &u.why));
    let (pods, namespaces, nodes) = match (pods, namespaces, nodes) {
        (Ok(pods), Ok(namespaces), Ok(nodes)) => (pods, namespaces, nodes),
        (pods, namespaces, nodes) => {
            found.refusals.extend([pods.err(), namespaces.err(), nodes.err()].into_iter().flatten());
            return found;
        }
    };
    let named: Vec<&str> = selector.namespaces.names(&input.namespace);
    for namespace in &named {
        found.refusals.extend(namespace_refusal(world, namespaces, namespace));
    }
    let fault = &input.policy.experiment.fault;
    let lists = Lists { namespaces, nodes };
    // Pods of one namespace stand together in most lists: its verdict is kept while it does not change.
    let mut last: Option<(&Text, bool, Option<Reason>)> = None;
    for pod in pods {
        let (within, barred) = match last {
            Some((namespace, within, barred)) if Arc::ptr_eq(namespace, &pod.namespace) => (within, barred),
            Some(_) | None => {
                let within = selector.namespaces.is_all() || named.contains(&&*pod.namespace);
                let barred = if within { barred(world, &lists, &pod.namespace) } else { None };
                last = Some((&pod.namespace, within, barred));
                (within, barred)
            }
        };
        if !within || !selector.selects(pod, |node| lists.nodes.get(node).and_then(|n| n.zone.as_deref())) {
            continue;
        }
        found.matched += 1;
        let verdict = barred.map_or_else(|| judge(pod, selector, fault, now), Err);
        match verdict {
            Ok(container) => found.candidates.push(Candidate { pod, container }),
            Err(reason) => found.left_out.add(reason, pod),
        }
    }
    found
}

/// Refuses a namespace that the policy names and that may not be hit.
fn namespace_refusal(world: &World, namespaces: &BTreeMap<Text, Namespace>, namespace: &str) -> Option<ClusterRefusal> {
    if let Some(why) = protected::namespace(&world.rules, namespace) {
        return Some(ClusterRefusal::ProtectedNamespace { namespace: namespace.into(), why: why.into() });
    }
    let Some(found) = namespaces.get(namespace) else {
        return Some(ClusterRefusal::NamespaceMissing { namespace: namespace.into() });
    };
    opt_in::missing(&world.rules, found).map(|label| ClusterRefusal::NotOptedIn { namespace: namespace.into(), label })
}

/// Returns why nothing of a namespace is hit, or nothing.
fn barred(world: &World, lists: &Lists<'_>, namespace: &str) -> Option<Reason> {
    if protected::namespace(&world.rules, namespace).is_some() {
        return Some(Reason::Protected);
    }
    let Some(found) = lists.namespaces.get(namespace) else { return Some(Reason::NamespaceUnknown) };
    if opt_in::missing(&world.rules, found).is_some() {
        return Some(Reason::NotOptedIn);
    }
    excluded::labels(&found.labels).then_some(Reason::NamespaceExcluded)
}

fn judge<'w>(pod: &'w Arc<Pod>, selector: &PodSelector, fault: &Fault, now: Seconds) -> Result<Choice<'w>, Reason> {
    match pod.phase {
        Phase::Succeeded | Phase::Failed => return Err(Reason::Finished),
        Phase::Pending | Phase::Running | Phase::Unknown => {}
    }
    if pod.terminating {
        return Err(Reason::Terminating);
    }
    if selector.exclude.as_ref().is_some_and(|e| e.matches(&pod.labels)) {
        return Err(Reason::Excluded);
    }
    if excluded::labels(&pod.labels) {
        return Err(Reason::OptedOut);
    }
    if let Some(reason) = protected::pod(pod, fault) {
        return Err(reason);
    }
    selector.state(pod, now)?;
    if pod.node.is_none() {
        return Err(Reason::NotScheduled);
    }
    container::choose(&pod.containers, selector.container.as_deref(), fault)
}

impl<'w> Candidate<'w> {
    /// Returns the container that is meant, where the choice is clear.
    pub(crate) fn chosen(&self) -> Option<&'w Container> {
        match self.container {
            Choice::One(container) => Some(container),
            Choice::Ambiguous | Choice::WholePod => None,
        }
    }
}
