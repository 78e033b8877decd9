//! The plan for a cluster: which pods, on which nodes, by which engine, against whom, and who not and why not.

use super::guard::{self, capable};
use super::pod::{Pod, Role};
use super::refusal::ClusterRefusal;
use super::select::{self, Candidate, Choice};
use super::world::{Seconds, World};
use super::{peers, pick};
use crate::engine::Engine;
use crate::fault::Fault;
use crate::fault::network::Probes;
use crate::faults::Drawn;
use crate::gate::Probe;
use crate::policy::Policy;
use crate::rank::Ranks;
use crate::refusal::Refusal;
use crate::scope::Port;
use crate::select::Selector;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What a plan is made from, besides the world.
#[derive(Clone, Debug)]
pub struct RunInput {
    /// Parsed for [`crate::policy::Site::Cluster`].
    pub policy: Policy,
    /// Namespace of the run: the default of `targets.pods.namespaces` and of `peers`.
    pub namespace: String,
    /// Name of the run.
    pub name: String,
    pub run_uid: String,
    pub seed: String,
    /// UID of the policy that the run was made from.
    pub policy_uid: Option<String>,
}

impl RunInput {
    /// Returns it with the one fault that its seed draws.
    pub(crate) fn settled(&self) -> Cow<'_, Self> {
        match self.policy.settled(&self.seed) {
            Cow::Borrowed(_) => Cow::Borrowed(self),
            Cow::Owned(policy) => Cow::Owned(Self { policy, ..self.clone() }),
        }
    }
}

/// What will be done in a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterPlan {
    pub policy: String,
    pub namespace: String,
    pub seed: String,
    /// Over everything that is done: the same inputs give the same hash.
    pub hash: String,
    pub fault: Fault,
    /// Which one of several it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drawn: Option<Drawn>,
    pub duration: Option<Duration>,
    pub select: String,
    pub pick: String,
    pub expected: String,
    /// One per node, in the order of their names; empty for faults that the controller carries out itself.
    pub shares: Vec<NodeShare>,
    /// Whom a network fault is about, the same for every share; empty means everyone.
    pub peers: Vec<PeerEntry>,
    /// Addresses may join while the fault stands.
    pub follow: bool,
    /// Pods to delete or evict, in the order of their rank.
    pub cluster_targets: Vec<PodTarget>,
    /// How many pods the selector matched.
    pub matched: usize,
    pub left_out: Vec<LeftOut>,
    /// What the reader should know and nothing else says.
    pub notes: Vec<String>,
    /// Not empty: nothing at all is done.
    pub refusals: Vec<Refusal>,
}

/// One node's share: it becomes one ChaosInjection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeShare {
    pub node: String,
    pub engine: Engine,
    /// At most 500, in the order of their names.
    pub targets: Vec<PodTarget>,
}

/// One pod to hit, pinned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodTarget {
    pub uid: String,
    pub namespace: String,
    pub pod: String,
    pub node: String,
    /// The top one: `Deployment/web`.
    pub owner: Option<String>,
    pub owner_uid: Option<String>,
    /// The container that is named, or the only one of a kill.
    pub container: Option<String>,
    /// As the pod's status shows it, with its scheme; pinned with `container`.
    pub container_id: Option<String>,
    /// Own ports that its node probes and that stay exempt (`probes: Exempt`); empty for other faults.
    pub probes: Vec<Port>,
}

impl PodTarget {
    /// Returns the name of its owner as [`super::cooldown`] knows it.
    pub fn owner_name(&self) -> Option<String> {
        let (kind, name) = self.owner.as_deref()?.split_once('/')?;
        Some(super::cooldown::name(kind, &self.namespace, name))
    }
}

/// Some of the other side: all given parts match, `except` wins. Several entries are alternatives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerEntry {
    /// Sorted. With `names`, never both empty: everyone is written as `0.0.0.0/0` and `::/0`.
    pub addresses: Vec<IpNet>,
    /// Resolved by the agent in each target's view.
    pub names: Vec<String>,
    /// The peer's; empty means any.
    pub ports: Vec<Port>,
    pub except: Except,
}

/// Who is left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Except {
    pub addresses: Vec<IpNet>,
    pub names: Vec<String>,
}

/// Pods that were looked at and not taken, for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftOut {
    /// CamelCase.
    pub reason: String,
    /// In words.
    pub why: String,
    pub count: usize,
    /// At most 10, as `namespace/name`.
    pub examples: Vec<String>,
}

/// Most targets of one share.
pub const MAX_TARGETS: usize = 500;
/// Most refusals that are told; the rest is counted.
const MAX_REFUSALS: usize = 20;

/// Makes the plan.
pub fn plan(world: &World, input: &RunInput, now: Seconds) -> ClusterPlan {
    let input = &*input.settled();
    let experiment = &input.policy.experiment;
    let mut plan = empty(input);
    for field in &input.policy.unbuilt {
        let (field, why, hint) = (field.field.clone(), field.why.clone(), field.hint.clone());
        plan.refusals.push(Refusal::NotHere { field, why, hint });
    }
    let Selector::Pods(selector) = &experiment.targets else { return plan };
    let mut found = select::find(world, selector, input, now);
    let taken = pick::take(world, &mut found, input);
    let mut refusals = found.refusals;
    let resolved = match experiment.fault.network() {
        None => peers::Resolved::default(),
        Some(network) => peers::resolve(world, network, &input.namespace).unwrap_or_else(|why| {
            refusals.extend(why);
            peers::Resolved::default()
        }),
    };
    if found.matched > 0 && found.candidates.is_empty() && refusals.is_empty() {
        refusals.push(ClusterRefusal::AllLeftOut { matched: found.matched, reasons: found.left_out.counts() });
    }
    refusals.extend(taken.iter().filter_map(ambiguous));
    let picked: Vec<&Arc<Pod>> = taken.iter().map(|c| c.pod).collect();
    refusals.extend(guard::all(&guard::Case { world, input, picked: &picked, peers: &resolved.entries }));
    plan.matched = found.matched;
    plan.left_out = found.left_out.list();
    plan.notes = resolved.notes.into_iter().chain(found.notes).chain(asked_later(input)).collect();
    plan.peers = resolved.entries;
    if experiment.fault.by_controller() {
        plan.cluster_targets = taken.iter().map(|c| target(c, &experiment.fault)).collect();
    } else {
        plan.shares = shares(world, &taken, &experiment.fault, &mut refusals);
    }
    refuse(&mut plan, refusals);
    plan.hash = hash(&plan);
    plan.refusals.extend(input.policy.expects_another(&plan.hash));
    plan
}

fn empty(input: &RunInput) -> ClusterPlan {
    let experiment = &input.policy.experiment;
    let network = experiment.fault.network();
    ClusterPlan {
        policy: input.policy.name.clone(),
        namespace: input.namespace.clone(),
        seed: input.seed.clone(),
        hash: String::new(),
        fault: experiment.fault.clone(),
        drawn: experiment.drawn,
        duration: experiment.duration,
        select: experiment.targets.summary(),
        pick: experiment.pick_summary(),
        expected: experiment.fault.expected(),
        shares: Vec::new(),
        peers: Vec::new(),
        follow: network.is_some_and(|n| n.follow),
        cluster_targets: Vec::new(),
        matched: 0,
        left_out: Vec::new(),
        notes: Vec::new(),
        refusals: Vec::new(),
    }
}

/// Gates that no snapshot answers.
fn asked_later(input: &RunInput) -> impl Iterator<Item = String> {
    input.policy.experiment.gates.iter().filter_map(|gate| match &gate.probe {
        Probe::Http(probe) => Some(format!("check {} is asked when a run begins: {probe}", gate.name)),
        Probe::Workload(_) => None,
    })
}

fn ambiguous(candidate: &Candidate<'_>) -> Option<ClusterRefusal> {
    let has = || candidate.pod.containers.iter().filter(|c| c.role != Role::Init).map(|c| c.name.to_string()).collect();
    (candidate.container == Choice::Ambiguous)
        .then(|| ClusterRefusal::ContainerAmbiguous { pod: candidate.pod.to_string(), has: has() })
}

fn target(candidate: &Candidate<'_>, fault: &Fault) -> PodTarget {
    let pod = candidate.pod;
    let exempt = fault.network().is_some_and(|n| n.probes == Probes::Exempt);
    PodTarget {
        uid: pod.uid.to_string(),
        namespace: pod.namespace.to_string(),
        pod: pod.name.to_string(),
        node: pod.node.as_deref().unwrap_or_default().to_owned(),
        owner: pod.owner.as_ref().map(ToString::to_string),
        owner_uid: pod.owner.as_ref().map(|o| o.uid.to_string()),
        container: candidate.chosen().map(|c| c.name.to_string()),
        container_id: candidate.chosen().and_then(|c| c.id.as_ref()).map(ToString::to_string),
        probes: if exempt { pod.probes.clone() } else { Vec::new() },
    }
}

/// Groups what was picked by node; a node that cannot do it is refused by its guard and has no share.
fn shares(world: &World, taken: &[Candidate<'_>], fault: &Fault, refusals: &mut Vec<ClusterRefusal>) -> Vec<NodeShare> {
    let mut nodes: BTreeMap<&str, Vec<&Candidate<'_>>> = BTreeMap::new();
    for candidate in taken {
        nodes.entry(candidate.pod.node.as_deref().unwrap_or_default()).or_default().push(candidate);
    }
    let mut shares = Vec::new();
    for (node, mut group) in nodes {
        group.sort_unstable_by(|a, b| (&a.pod.namespace, &a.pod.name).cmp(&(&b.pod.namespace, &b.pod.name)));
        if group.len() > MAX_TARGETS {
            let (node, targets) = (node.to_string(), group.len());
            refusals.push(ClusterRefusal::TooManyOnNode { node, targets, most: MAX_TARGETS });
        }
        if let Ok(engine) = capable::engine(world, node, fault) {
            shares.push(NodeShare {
                node: node.to_string(),
                engine,
                targets: group.iter().map(|c| target(c, fault)).collect(),
            });
        }
    }
    shares
}

fn refuse(plan: &mut ClusterPlan, mut refusals: Vec<ClusterRefusal>) {
    let mut seen = BTreeSet::new();
    refusals.retain(|r| seen.insert(r.clone()));
    let more = refusals.len().saturating_sub(MAX_REFUSALS);
    if more > 0 {
        plan.notes.push(format!("{more} more refusals are not shown"));
    }
    plan.refusals.extend(refusals.into_iter().take(MAX_REFUSALS).map(Refusal::Cluster));
}

/// Over what is done, to whom, by which engine: not over what was left out, and not over the world.
fn hash(plan: &ClusterPlan) -> String {
    let head = format!("{:?}", (&plan.fault, plan.duration, &plan.seed, &plan.peers, plan.follow));
    let mut hash = Ranks::chain(0, &head);
    for share in &plan.shares {
        hash = Ranks::chain(hash, &share.node);
        hash = Ranks::chain(hash, share.engine.name());
        for target in &share.targets {
            hash = Ranks::chain(hash, &target.uid);
            hash = Ranks::chain(hash, target.container_id.as_deref().unwrap_or_default());
        }
    }
    for target in &plan.cluster_targets {
        hash = Ranks::chain(hash, &target.uid);
    }
    format!("{:08x}", hash >> 32)
}

impl ClusterPlan {
    /// Returns whether the plan can be carried out and does something.
    pub fn acts(&self) -> bool {
        self.refusals.is_empty() && self.targets().next().is_some()
    }

    /// Returns every pod that is hit.
    pub fn targets(&self) -> impl Iterator<Item = &PodTarget> {
        self.shares.iter().flat_map(|s| &s.targets).chain(&self.cluster_targets)
    }
}
