//! What draws for itself: pods, put together by what a schedule says.

use super::Schedule;
use crate::cluster::World;
use crate::cluster::pod::Pod;
use crate::cluster::world::{Node, Text};
use crate::wire::schedule::GroupBy;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One group: what pods are put together by, and which of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub by: GroupBy,
    /// `Deployment/shop/web`, a namespace, a zone, a label's value; empty: the policy as a whole.
    pub name: String,
}

impl Group {
    /// Returns whether a pod is in it; `nodes` say which zone it is in.
    pub fn holds(&self, nodes: &BTreeMap<Text, Node>, pod: &Pod) -> bool {
        group_of(&self.by, nodes, pod).is_some_and(|group| group == self.name)
    }
}

impl Schedule {
    /// Puts pods together by group. A pod without what groups are made by is in none.
    pub fn groups<'p>(
        &self,
        world: &World,
        pods: impl IntoIterator<Item = &'p Arc<Pod>>,
    ) -> BTreeMap<String, Vec<Arc<Pod>>> {
        let none = BTreeMap::new();
        let nodes = world.nodes.as_ref().unwrap_or(&none);
        let mut groups: BTreeMap<String, Vec<Arc<Pod>>> = BTreeMap::new();
        for pod in pods {
            let Some(group) = group_of(&self.group_by, nodes, pod) else { continue };
            match groups.get_mut(&*group) {
                Some(pods) => pods.push(Arc::clone(pod)),
                None => drop(groups.insert(group.into_owned(), vec![Arc::clone(pod)])),
            }
        }
        groups
    }
}

/// Returns the group of a pod.
fn group_of<'p>(by: &GroupBy, nodes: &'p BTreeMap<Text, Node>, pod: &'p Pod) -> Option<Cow<'p, str>> {
    match by {
        GroupBy::Label(key) => pod.labels.get(key).map(Cow::Borrowed),
        GroupBy::Namespace => Some(Cow::Borrowed(&*pod.namespace)),
        GroupBy::Owner => Some(Cow::Owned(pod.owner.as_ref().map_or_else(
            || format!("Pod/{}/{}", pod.namespace, pod.name),
            |owner| format!("{}/{}/{}", owner.kind, pod.namespace, owner.name),
        ))),
        GroupBy::Policy => Some(Cow::Borrowed("")),
        GroupBy::Zone => nodes.get(pod.node.as_deref()?)?.zone.as_deref().map(Cow::Borrowed),
    }
}
