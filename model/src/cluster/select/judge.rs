//! One pod, asked in order: whether it is meant at all, whether its namespace may be hit, and whether it may.
//!
//! `find` asks every pod, `explain` those of one workload: there is no second way to answer.

use super::{Choice, PodSelector, Reason, container};
use crate::cluster::cooldown;
use crate::cluster::guard::{excluded, frozen, opt_in, protected};
use crate::cluster::plan::RunInput;
use crate::cluster::pod::{Phase, Pod};
use crate::cluster::refusal::ClusterRefusal;
use crate::cluster::says::{CHAOS, Says};
use crate::cluster::weight;
use crate::cluster::world::{Namespace, Node, Seconds, Text, Unknown, World};
use crate::duration;
use crate::policy::Experiment;
use crate::schedule::Group;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What is looked up once, not once a pod.
#[derive(Debug)]
pub(crate) struct Asked<'w> {
    pub(crate) world: &'w World,
    pub(crate) namespaces: &'w BTreeMap<Text, Namespace>,
    /// Those that are looked at; empty where it is all of them.
    pub(crate) named: Vec<&'w str>,
    pub(crate) levels: opt_in::Levels<'w>,
    pub(crate) now: Seconds,
    pub(crate) selector: &'w PodSelector,
    nodes: &'w BTreeMap<Text, Node>,
    experiment: &'w Experiment,
    group: Option<&'w Group>,
    /// Owners that runs hold at this moment, where the policy asks for it.
    held: BTreeSet<&'w str>,
}

/// What is said of a namespace, and holds for each of its pods.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Within<'w> {
    Barred(Reason),
    Elsewhere,
    /// It may be hit; what it says to pods about which nothing narrower is said.
    Open(Option<&'w Says>),
}

/// What is said of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict<'w> {
    Fit(Choice<'w>),
    LeftOut(Reason),
    /// It is not meant, and is not counted.
    Unmatched(Missed),
}

/// The first part of the selector that does not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Missed {
    Namespaces,
    Selector,
    Names,
    Nodes,
    Owners,
    Zones,
    /// It is of another group of the policy's schedule.
    Group,
}

impl<'w> Asked<'w> {
    /// Looks up what every pod is compared with, and the pods.
    ///
    /// # Errors
    /// Lists that are not known.
    pub(crate) fn new(
        world: &'w World,
        selector: &'w PodSelector,
        input: &'w RunInput,
        now: Seconds,
    ) -> Result<(Self, &'w [Arc<Pod>]), Vec<ClusterRefusal>> {
        let known = |list: &str, why: &Unknown| ClusterRefusal::ListUnknown { list: list.into(), why: why.why.clone() };
        let pods = world.pods.as_ref().map_err(|why| known("pods", why));
        let namespaces = world.namespaces.as_ref().map_err(|why| known("namespaces", why));
        let nodes = world.nodes.as_ref().map_err(|why| known("nodes", why));
        let (pods, namespaces, nodes) = match (pods, namespaces, nodes) {
            (Ok(pods), Ok(namespaces), Ok(nodes)) => (pods, namespaces, nodes),
            (pods, namespaces, nodes) => {
                return Err([pods.err(), namespaces.err(), nodes.err()].into_iter().flatten().collect());
            }
        };
        let experiment = &input.policy.experiment;
        let cools = experiment.cooldown.is_some();
        if cools && let Err(why) = &world.hits {
            return Err(vec![known("hits", why)]);
        }
        let named = selector.namespaces.names(&input.namespace);
        let levels = opt_in::Levels::of(world);
        Ok((
            Self {
                world,
                namespaces,
                named,
                levels,
                now,
                selector,
                nodes,
                experiment,
                group: input.policy.group.as_ref(),
                held: if cools { cooldown::held(world) } else { BTreeSet::new() },
            },
            pods,
        ))
    }

    /// Looks at a namespace.
    pub(crate) fn within(&self, namespace: &str) -> Within<'w> {
        if !self.selector.namespaces.is_all() && !self.named.contains(&namespace) {
            return Within::Elsewhere;
        }
        let rules = &self.world.rules;
        if protected::namespace(rules, namespace).is_some() {
            return Within::Barred(Reason::Protected);
        }
        let Some(found) = self.namespaces.get(namespace) else { return Within::Barred(Reason::NamespaceUnknown) };
        if opt_in::missing(rules, found).is_some() {
            return Within::Barred(Reason::NotOptedIn);
        }
        if frozen::standing(found, self.now).is_some() {
            return Within::Barred(Reason::Frozen);
        }
        if excluded::labels(&found.labels) {
            return Within::Barred(Reason::NamespaceExcluded);
        }
        Within::Open(found.says.as_ref())
    }

    /// Looks at a pod of a namespace.
    pub(crate) fn judge(&self, pod: &'w Pod, within: Within<'w>) -> Verdict<'w> {
        if matches!(within, Within::Elsewhere) {
            return Verdict::Unmatched(Missed::Namespaces);
        }
        if let Some(missed) = self.selector.misses(pod, || self.zone(pod)) {
            return Verdict::Unmatched(missed);
        }
        if self.group.is_some_and(|group| !group.holds(self.nodes, pod)) {
            return Verdict::Unmatched(Missed::Group);
        }
        let says = match within {
            Within::Barred(reason) => return Verdict::LeftOut(reason),
            Within::Elsewhere => None,
            Within::Open(says) => says,
        };
        self.fit(pod, says).map_or_else(Verdict::LeftOut, Verdict::Fit)
    }

    /// Returns the zone of a pod's node.
    pub(crate) fn zone(&self, pod: &Pod) -> Option<&'w str> {
        self.nodes.get(pod.node.as_ref()?)?.zone.as_deref()
    }

    /// Returns how many are taken, and what of the pod decides it, in words.
    pub(crate) fn pick(&self, pod: &Pod) -> String {
        let label = |key: &String| format!("; label {key} is {}", pod.labels.get(key).unwrap_or("absent"));
        let label = self.experiment.weight_by.as_ref().map(label).unwrap_or_default();
        format!("pick {}{label}", self.experiment.pick_summary())
    }

    /// Returns when a pod's owner was hit last, in words.
    pub(crate) fn last_hit(&self, pod: &Pod) -> String {
        let Some(cooldown) = self.experiment.cooldown else { return "the policy asks for no cooldown".into() };
        let Some(owner) = cooldown::owner(pod) else { return "it has no owner".into() };
        let meant = format!("a cooldown of {} is meant", duration::show(cooldown));
        if self.held.contains(&*owner) {
            return format!("a run holds {owner}; {meant}");
        }
        let last = self.world.hits.iter().find_map(|hits| hits.last(&owner));
        let since = last.map(|at| Duration::from_secs(u64::try_from(self.now.saturating_sub(at)).unwrap_or(0)));
        match since {
            None => format!("no hit of {owner} is known; {meant}"),
            Some(since) => format!("{owner} may have been hit {} ago; {meant}", duration::show(since)),
        }
    }

    /// Returns what decides whether a pod may be hit, and who says it: the pod, its owner or its namespace.
    pub(crate) fn level(&self, pod: &Pod, within: Within<'_>) -> Option<String> {
        let namespace = match within {
            Within::Open(says) => says,
            Within::Barred(_) | Within::Elsewhere => None,
        };
        if let Some(text) = pod.labels.get(CHAOS) {
            return Some(format!("pod {pod} says {CHAOS}: {}", Says::read(text)));
        }
        if let (Some(says), Some(owner)) = (self.levels.owner(pod), &pod.owner) {
            return Some(format!("{}/{owner} says {CHAOS}: {says}", pod.namespace));
        }
        namespace.map(|says| format!("namespace {} says {CHAOS}: {says}", pod.namespace))
    }

    fn fit(&self, pod: &'w Pod, namespace: Option<&Says>) -> Result<Choice<'w>, Reason> {
        match pod.phase {
            Phase::Succeeded | Phase::Failed => return Err(Reason::Finished),
            Phase::Pending | Phase::Running | Phase::Unknown => {}
        }
        if pod.terminating {
            return Err(Reason::Terminating);
        }
        if self.selector.exclude.as_ref().is_some_and(|e| e.matches(&pod.labels)) {
            return Err(Reason::Excluded);
        }
        if excluded::labels(&pod.labels) {
            return Err(Reason::OptedOut);
        }
        self.levels.ask(pod, namespace)?;
        if let Some(reason) = protected::pod(pod, &self.experiment.fault) {
            return Err(reason);
        }
        self.selector.state(pod, self.now)?;
        if pod.node.is_none() {
            return Err(Reason::NotScheduled);
        }
        let container = container::choose(&pod.containers, self.selector.container.as_deref(), &self.experiment.fault)?;
        // Mostly nobody asks, and each pod of a cluster comes by here.
        if self.experiment.cooldown.is_some() {
            cooldown::ask(self.world, &self.held, self.experiment, pod, self.now)?;
        }
        if let Some(key) = &self.experiment.weight_by {
            weight::of(pod, key)?;
        }
        Ok(container)
    }
}
