//! What draws for itself: pods, put together by what a schedule says.

use super::Schedule;
use crate::cluster::World;
use crate::cluster::pod::Pod;
use crate::wire::schedule::GroupBy;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Schedule {
    /// Puts pods together by group: `Deployment/shop/web`, a namespace, a zone, a label's value, or the one group of a
    /// policy. A pod without what groups are made by is in none.
    pub fn groups<'p>(
        &self,
        world: &World,
        pods: impl IntoIterator<Item = &'p Arc<Pod>>,
    ) -> BTreeMap<String, Vec<Arc<Pod>>> {
        let mut groups: BTreeMap<String, Vec<Arc<Pod>>> = BTreeMap::new();
        for pod in pods {
            if let Some(group) = self.group_of(world, pod) {
                groups.entry(group).or_default().push(Arc::clone(pod));
            }
        }
        groups
    }

    /// Returns the group of a pod.
    pub fn group_of(&self, world: &World, pod: &Pod) -> Option<String> {
        match &self.group_by {
            GroupBy::Label(key) => pod.labels.get(key).map(str::to_owned),
            GroupBy::Namespace => Some(pod.namespace.to_string()),
            GroupBy::Owner => Some(pod.owner.as_ref().map_or_else(
                || format!("Pod/{}/{}", pod.namespace, pod.name),
                |owner| format!("{}/{}/{}", owner.kind, pod.namespace, owner.name),
            )),
            GroupBy::Policy => Some(String::new()),
            GroupBy::Zone => {
                let node = world.nodes.as_ref().ok()?.get(pod.node.as_deref()?)?;
                node.zone.as_deref().map(str::to_owned)
            }
        }
    }
}
