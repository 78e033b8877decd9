//! Who may be hit at all: a namespace opts in by the administrator's label, without which nothing of it is hit. Within
//! it the narrowest that says something wins: the pod, its owner, the namespace's annotation. A value that is not known
//! is a no.

use crate::cluster::pod::Pod;
use crate::cluster::says::{CHAOS, Says};
use crate::cluster::select::Reason;
use crate::cluster::world::{Namespace, Owner, Rules, Text, World};
use std::collections::BTreeMap;

/// Returns the label that a namespace lacks, as `key=value`, or nothing.
pub(crate) fn missing(rules: &Rules, namespace: &Namespace) -> Option<String> {
    let (key, value) = rules.opt_in.as_ref()?;
    (namespace.labels.get(key) != Some(value)).then(|| format!("{key}={value}"))
}

/// The owners that say something: few, mostly none, so that a pod is seldom looked up.
#[derive(Debug, Default)]
pub(crate) struct Levels<'w> {
    owners: BTreeMap<&'w Text, &'w Says>,
}

impl<'w> Levels<'w> {
    /// Collects them. Owners that are not known say nothing here: the guard of rollouts refuses whoever is picked of them.
    pub(crate) fn of(world: &'w World) -> Self {
        let said = |(uid, owner): (&'w Text, &'w Owner)| owner.says.as_ref().map(|says| (uid, says));
        Self { owners: world.owners.iter().flatten().filter_map(said).collect() }
    }

    /// Returns what a pod's owner says.
    pub(crate) fn owner(&self, pod: &Pod) -> Option<&'w Says> {
        if self.owners.is_empty() {
            return None;
        }
        self.owners.get(&pod.owner.as_ref()?.uid).copied()
    }

    /// Looks at a pod of a namespace that has opted in.
    ///
    /// # Errors
    /// Who said no.
    pub(crate) fn ask(&self, pod: &Pod, namespace: Option<&Says>) -> Result<(), Reason> {
        if let Some(text) = pod.labels.get(CHAOS) {
            return Says::read(text).answer(Reason::PodDisabled);
        }
        if let Some(says) = self.owner(pod) {
            return says.answer(Reason::OwnerDisabled);
        }
        namespace.map_or(Ok(()), |says| says.answer(Reason::NamespaceDisabled))
    }
}
