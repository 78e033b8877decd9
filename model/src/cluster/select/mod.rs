//! From a selector and a World to candidates, and to everything that matched and was left out, each with its reason.
//!
//! One pass over the pods. A pod that the selector does not match is no candidate and is not counted; exclusions and
//! guards win over everything that selects.

use super::guard::{frozen, opt_in, protected};
use super::plan::RunInput;
use super::pod::{Container, Pod};
use super::refusal::ClusterRefusal;
use super::world::{Seconds, Text, World};
use std::collections::BTreeSet;
use std::sync::Arc;

pub mod container;
pub(crate) mod judge;
pub mod left_out;
pub mod pods;
#[cfg(test)]
mod tests;

pub use container::Choice;
pub(crate) use judge::{Asked, Verdict, Within};
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
    /// What nobody understands, each said once.
    pub(crate) notes: BTreeSet<String>,
}

impl Found<'_> {
    /// Notes what nobody understands, once, and only the first few.
    pub(crate) fn note(&mut self, what: String) {
        if self.notes.len() < NOTES {
            self.notes.insert(what);
        }
    }
}

/// Most notes.
const NOTES: usize = 5;

/// Returns the pods that `selector` may hit.
pub(crate) fn find<'w>(world: &'w World, selector: &'w PodSelector, input: &'w RunInput, now: Seconds) -> Found<'w> {
    let mut found = Found::default();
    let (asked, pods) = match Asked::new(world, selector, input, now) {
        Ok(asked) => asked,
        Err(refusals) => {
            found.refusals = refusals;
            return found;
        }
    };
    found.refusals.extend(asked.named.iter().filter_map(|name| namespace_refusal(&asked, name)));
    // Pods of one namespace stand together in most lists: its verdict is kept while it does not change.
    let mut last: Option<(&Text, Within<'_>)> = None;
    for pod in pods {
        let within = match last {
            Some((namespace, within)) if Arc::ptr_eq(namespace, &pod.namespace) => within,
            Some(_) | None => {
                let within = asked.within(&pod.namespace);
                last = Some((&pod.namespace, within));
                within
            }
        };
        match asked.judge(pod, within) {
            Verdict::Unmatched(_) => continue,
            Verdict::Fit(container) => found.candidates.push(Candidate { pod, container }),
            Verdict::LeftOut(reason) => {
                if reason == Reason::OptInUnclear && found.notes.len() < NOTES {
                    found.notes.extend(asked.level(pod, within));
                }
                found.left_out.add(reason, pod);
            }
        }
        found.matched += 1;
    }
    found
}

/// Refuses a namespace that the policy names and that may not be hit.
fn namespace_refusal(asked: &Asked<'_>, namespace: &str) -> Option<ClusterRefusal> {
    let rules = &asked.world.rules;
    if let Some(why) = protected::namespace(rules, namespace) {
        return Some(ClusterRefusal::ProtectedNamespace { namespace: namespace.into(), why: why.into() });
    }
    let Some(found) = asked.namespaces.get(namespace) else {
        return Some(ClusterRefusal::NamespaceMissing { namespace: namespace.into() });
    };
    if let Some(label) = opt_in::missing(rules, found) {
        return Some(ClusterRefusal::NotOptedIn { namespace: namespace.into(), label });
    }
    frozen::standing(found, asked.now).map(|freeze| ClusterRefusal::Frozen {
        namespace: namespace.into(),
        until: freeze.until.to_string(),
        reason: freeze.reason.to_string(),
    })
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
