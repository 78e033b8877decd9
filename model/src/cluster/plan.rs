//! The plan for a cluster: which pods, on which nodes, by which engine, against whom, and who not and why not.

use super::world::{Seconds, World};
use crate::engine::Engine;
use crate::fault::Fault;
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::scope::Port;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
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
    /// `Deployment/web`.
    pub owner: Option<String>,
    pub owner_uid: Option<String>,
    /// The container that a kill is about.
    pub container: Option<String>,
    /// The runtime's id without its scheme, pinned with `container`.
    pub container_id: Option<String>,
    /// Own ports that its node probes and that stay exempt (`probes: Exempt`); empty for other faults.
    pub probes: Vec<Port>,
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

/// Makes the plan.
pub fn plan(_world: &World, input: &RunInput, _now: Seconds) -> ClusterPlan {
    let experiment = &input.policy.experiment;
    ClusterPlan {
        policy: input.policy.name.clone(),
        namespace: input.namespace.clone(),
        seed: input.seed.clone(),
        hash: String::new(),
        fault: experiment.fault.clone(),
        duration: experiment.duration,
        select: experiment.targets.summary(),
        pick: experiment.pick.summary(),
        expected: experiment.fault.expected(),
        shares: Vec::new(),
        peers: Vec::new(),
        follow: false,
        cluster_targets: Vec::new(),
        matched: 0,
        left_out: Vec::new(),
        notes: Vec::new(),
        refusals: vec![Refusal::NotHere {
            field: "spec.experiment.targets.pods".into(),
            why: "is not selected yet".into(),
            hint: "wait for the next build".into(),
        }],
    }
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
