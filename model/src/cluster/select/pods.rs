//! The selector `pods`, parsed: what it includes, and in which state a pod has to be.

use super::judge::Missed;
use super::left_out::Reason;
use crate::cluster::labels::LabelSelector;
use crate::cluster::pod::{Phase, Pod};
use crate::cluster::world::Seconds;
use crate::duration;
use std::time::Duration;

/// Which pods may be hit: all given parts match, `exclude` wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodSelector {
    pub namespaces: Namespaces,
    pub selector: LabelSelector,
    pub exclude: Option<LabelSelector>,
    /// Empty lists mean any.
    pub names: Vec<String>,
    pub owners: Vec<OwnerMatch>,
    pub nodes: Vec<String>,
    pub zones: Vec<String>,
    pub min_age: Option<Duration>,
    pub ready: Option<bool>,
    /// `Running` unless the policy says `Pending`.
    pub phase: Phase,
    pub container: Option<String>,
}

/// Where to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespaces {
    All,
    /// At most 16, sorted.
    Named(Vec<String>),
    /// The run's own.
    Own,
}

/// What owns a pod, by kind, by name, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerMatch {
    pub kind: Option<String>,
    pub name: Option<String>,
}

impl Namespaces {
    /// Returns those that the policy itself names.
    pub fn named(&self) -> &[String] {
        match self {
            Self::Named(names) => names,
            Self::All | Self::Own => &[],
        }
    }

    /// Returns those that are looked at; empty where it is all of them.
    pub fn names<'n>(&'n self, own: &'n str) -> Vec<&'n str> {
        match self {
            Self::All => Vec::new(),
            Self::Named(names) => names.iter().map(String::as_str).collect(),
            Self::Own => vec![own],
        }
    }

    pub fn is_all(&self) -> bool {
        match self {
            Self::All => true,
            Self::Named(_) | Self::Own => false,
        }
    }
}

impl PodSelector {
    /// Returns whether nothing but namespaces and state narrows it.
    pub fn names_nobody(&self) -> bool {
        self.selector.is_empty()
            && self.names.is_empty()
            && self.owners.is_empty()
            && self.nodes.is_empty()
            && self.zones.is_empty()
    }

    /// Returns the first part that a pod of the right namespace does not match; `zone` tells its node's.
    pub(crate) fn misses<'w>(&self, pod: &Pod, zone: impl Fn() -> Option<&'w str>) -> Option<Missed> {
        let none = |list: &[String], found: Option<&str>| {
            !list.is_empty() && found.is_none_or(|found| list.iter().all(|wanted| wanted != found))
        };
        if !self.selector.matches(&pod.labels) {
            return Some(Missed::Selector);
        }
        if none(&self.names, Some(&pod.name)) {
            return Some(Missed::Names);
        }
        if none(&self.nodes, pod.node.as_deref()) {
            return Some(Missed::Nodes);
        }
        if !self.owners.is_empty() && self.owners.iter().all(|owner| !owner.owns(pod)) {
            return Some(Missed::Owners);
        }
        let elsewhere = !self.zones.is_empty() && none(&self.zones, zone());
        elsewhere.then_some(Missed::Zones)
    }

    /// Looks at a pod's state.
    ///
    /// # Errors
    /// What of it is not as the policy wants it.
    pub(crate) fn state(&self, pod: &Pod, now: Seconds) -> Result<(), Reason> {
        if pod.phase != self.phase {
            return Err(Reason::OtherPhase);
        }
        match self.ready {
            Some(true) if !pod.ready => return Err(Reason::NotReady),
            Some(false) if pod.ready => return Err(Reason::Ready),
            Some(_) | None => {}
        }
        let age = u64::try_from(now.saturating_sub(pod.created)).unwrap_or(0);
        match self.min_age {
            Some(least) if Duration::from_secs(age) < least => Err(Reason::TooYoung),
            Some(_) | None => Ok(()),
        }
    }

    pub fn summary(&self) -> String {
        let mut parts = Vec::new();
        match &self.namespaces {
            Namespaces::All => parts.push("of all namespaces".to_owned()),
            Namespaces::Named(names) => parts.push(format!("of {}", names.join(", "))),
            Namespaces::Own => parts.push("of the run's namespace".to_owned()),
        }
        if !self.selector.is_empty() {
            parts.push(format!("with {}", self.selector));
        }
        for (what, list) in [("named", &self.names), ("on node", &self.nodes), ("in zone", &self.zones)] {
            if !list.is_empty() {
                parts.push(format!("{what} {}", list.join(" or ")));
            }
        }
        if !self.owners.is_empty() {
            let owners: Vec<String> = self.owners.iter().map(OwnerMatch::summary).collect();
            parts.push(format!("owned by {}", owners.join(" or ")));
        }
        if let Some(exclude) = &self.exclude {
            parts.push(format!("but not {exclude}"));
        }
        if self.phase == Phase::Pending {
            parts.push("pending".to_owned());
        }
        parts.extend(self.ready.map(|ready| if ready { "ready".to_owned() } else { "not ready".to_owned() }));
        parts.extend(self.min_age.map(|age| format!("at least {} old", duration::show(age))));
        parts.extend(self.container.as_ref().map(|name| format!("container {name}")));
        format!("pods {}", parts.join(", "))
    }
}

impl OwnerMatch {
    fn owns(&self, pod: &Pod) -> bool {
        pod.owner.as_ref().is_some_and(|owner| {
            self.kind.as_ref().is_none_or(|kind| **kind == *owner.kind)
                && self.name.as_ref().is_none_or(|name| **name == *owner.name)
        })
    }

    fn summary(&self) -> String {
        let part = |part: &Option<String>| part.clone().unwrap_or_else(|| "*".into());
        format!("{}/{}", part(&self.kind), part(&self.name))
    }
}
