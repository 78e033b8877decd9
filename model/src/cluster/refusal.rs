//! Saying no to a run in a cluster, as a value with its facts.

use super::freeze::{FREEZE, FREEZE_UNTIL};
use super::load::{Load, some};
use super::world::MAX_PODS;
use serde::{Deserialize, Serialize};

/// A "no" to a whole run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, thiserror::Error)]
pub enum ClusterRefusal {
    /// The agent did not prove that the admission policies hold.
    #[error("the agent of node {node} has not proven that the admission policies hold: {why}")]
    AdmissionGuardMissing { node: String, why: String },
    /// Every pod that matched was left out by a rule.
    #[error("none of the {matched} pods that match may be hit: {}", counts(.reasons))]
    AllLeftOut { matched: usize, reasons: Vec<(String, usize)> },
    /// A PodDisruptionBudget allows fewer.
    #[error(
        "PodDisruptionBudget {budget} allows {allowed} to be disrupted: it would be {wanted}, and active runs hold {held}"
    )]
    BudgetExhausted { budget: String, wanted: usize, held: usize, allowed: i32 },
    /// The budget's status is about an earlier spec.
    #[error("PodDisruptionBudget {budget} has changed and its status is not up to date")]
    BudgetNotObserved { budget: String },
    /// The node's agent cannot do it.
    #[error("node {node} cannot do {fault}: {why}")]
    CannotDo { node: String, fault: String, why: String },
    /// Several containers could be meant.
    #[error("{pod} has several containers and none is named: {}", .has.join(", "))]
    ContainerAmbiguous { pod: String, has: Vec<String> },
    /// Nothing says how many pods there should be.
    #[error("nothing says how many pods of {owner} there should be: {why}")]
    DesiredUnknown { owner: String, why: String },
    /// An active run delays packets of the same peers.
    #[error("run {run} already delays packets of the same peers on {pod}")]
    FaultOverlaps { pod: String, run: String },
    /// Its annotations say so.
    #[error("namespace {namespace} is frozen {until}: {reason}")]
    Frozen { namespace: String, until: String, reason: String },
    /// What the policy asks for before anything begins is not so, or nobody knows.
    #[error("the check {check} says no: {why}")]
    GateClosed { check: String, why: String },
    #[error("ChaosHalt {halt} ({scope}) stands: {reason}")]
    Halted { halt: String, scope: String, reason: String },
    /// A list could not be read, and what it says is needed.
    #[error("the list of {list} could not be read: {why}")]
    ListUnknown { list: String, why: String },
    /// The API server refuses to evict a pod that several budgets select.
    #[error("{pod} is selected by several PodDisruptionBudgets ({}), so the API server does not evict it", .budgets.join(", "))]
    ManyBudgets { pod: String, budgets: Vec<String> },
    /// The namespace limits itself by something that is no number.
    #[error("namespace {namespace} limits itself by something that is no whole number: {MAX_PODS} is {value:?}")]
    NamespaceLimitInvalid { namespace: String, value: String },
    #[error("namespace {namespace} does not exist")]
    NamespaceMissing { namespace: String },
    #[error("namespace {namespace} is protected: {why}")]
    ProtectedNamespace { namespace: String, why: String },
    #[error("node {node} has no agent that could do it: {why}")]
    NoAgent { node: String, why: String },
    #[error("node {node} does not exist")]
    NodeMissing { node: String },
    #[error("namespace {namespace} has not opted in (label {label})")]
    NotOptedIn { namespace: String, label: String },
    /// What `peers` or `except` names has no address.
    #[error("{peer} has no address: {why}")]
    PeerEmpty { peer: String, why: String },
    #[error("{peer} does not exist")]
    PeerMissing { peer: String },
    /// The Service has none of the ports.
    #[error("{peer} has none of the ports {wanted} (it has: {has})")]
    PeerPort { peer: String, wanted: String, has: String },
    /// `except` covers all peers.
    #[error("`except` leaves none of the peers")]
    PeersExcepted,
    /// As many runs of this policy are active as may be.
    #[error("{active} runs of this policy are active, and maxConcurrent is {most}")]
    PolicyBusy { active: usize, most: u32 },
    /// Its owner replaces pods anyway.
    #[error("{owner} is in the midst of a rollout: {why}")]
    RolloutInProgress { owner: String, why: String },
    /// With this pod all of its owner is gone; `None`: it has no owner, and nothing makes it anew.
    #[error("{}, and the fault takes it down", only(pod, .owner.as_deref()))]
    SingleReplica { owner: Option<String>, pod: String },
    #[error("{owner} would have {healthy} healthy pods left, and minHealthy is {required}")]
    TooFewHealthy { owner: String, healthy: usize, required: usize },
    #[error("node {node} would have {targets} targets, more than {most}")]
    TooManyOnNode { node: String, targets: usize, most: usize },
    #[error("{load} would be under fault at once, and maxPods is {most}")]
    TooManyPods { load: Load, most: u32 },
    /// `limit` is what says so: a value of the chart, or the namespace's own annotation.
    #[error("{load} of namespace {namespace} would be under fault at once, and {limit} is {most}")]
    TooManyPodsInNamespace { namespace: String, load: Load, limit: String, most: u32 },
    #[error("{load} of {owner} would be under fault at once, and maxPodsPerOwner is {most}")]
    TooManyPodsOfOwner { owner: String, load: Load, most: u32 },
    #[error("the peers have {addresses} addresses, more than {most}")]
    TooManyPeers { addresses: usize, most: usize },
    #[error("{active} runs are active, and maxActiveRuns is {most}")]
    TooManyRuns { active: usize, most: u32 },
    #[error("pods of namespace {namespace} are under fault by {}, and maxRunsPerNamespace is {most}", some(.runs))]
    TooManyRunsInNamespace { namespace: String, runs: Vec<String>, most: u32 },
    #[error("{owner} would have {unavailable} pods unavailable, and maxUnavailable is {most}")]
    TooManyUnavailable { owner: String, unavailable: usize, most: usize },
    /// Something could not be restored on the node earlier.
    #[error("on node {node} an earlier fault is not restored: {what}")]
    Unrestored { node: String, what: String },
}

fn counts(reasons: &[(String, usize)]) -> String {
    reasons.iter().map(|(why, count)| format!("{count}: {why}")).collect::<Vec<_>>().join("; ")
}

fn only(pod: &str, owner: Option<&str>) -> String {
    match owner {
        Some(owner) => format!("{owner} wants one pod, {pod}"),
        None => format!("{pod} has no owner that would make it anew"),
    }
}

impl ClusterRefusal {
    /// Returns its name, as conditions and statuses show it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::AdmissionGuardMissing { .. } => "AdmissionGuardMissing",
            Self::AllLeftOut { .. } => "AllLeftOut",
            Self::BudgetExhausted { .. } => "BudgetExhausted",
            Self::BudgetNotObserved { .. } => "BudgetNotObserved",
            Self::CannotDo { .. } => "CannotDo",
            Self::ContainerAmbiguous { .. } => "ContainerAmbiguous",
            Self::DesiredUnknown { .. } => "DesiredUnknown",
            Self::FaultOverlaps { .. } => "FaultOverlaps",
            Self::Frozen { .. } => "Frozen",
            Self::GateClosed { .. } => "GateClosed",
            Self::Halted { .. } => "Halted",
            Self::ListUnknown { .. } => "ListUnknown",
            Self::ManyBudgets { .. } => "ManyBudgets",
            Self::NamespaceLimitInvalid { .. } => "NamespaceLimitInvalid",
            Self::NamespaceMissing { .. } => "NamespaceMissing",
            Self::ProtectedNamespace { .. } => "ProtectedNamespace",
            Self::NoAgent { .. } => "NoAgent",
            Self::NodeMissing { .. } => "NodeMissing",
            Self::NotOptedIn { .. } => "NotOptedIn",
            Self::PeerEmpty { .. } => "PeerEmpty",
            Self::PeerMissing { .. } => "PeerMissing",
            Self::PeerPort { .. } => "PeerPort",
            Self::PeersExcepted => "PeersExcepted",
            Self::PolicyBusy { .. } => "PolicyBusy",
            Self::RolloutInProgress { .. } => "RolloutInProgress",
            Self::SingleReplica { .. } => "SingleReplica",
            Self::TooFewHealthy { .. } => "TooFewHealthy",
            Self::TooManyOnNode { .. } => "TooManyOnNode",
            Self::TooManyPeers { .. } => "TooManyPeers",
            Self::TooManyPods { .. } => "TooManyPods",
            Self::TooManyPodsInNamespace { .. } => "TooManyPodsInNamespace",
            Self::TooManyPodsOfOwner { .. } => "TooManyPodsOfOwner",
            Self::TooManyRuns { .. } => "TooManyRuns",
            Self::TooManyRunsInNamespace { .. } => "TooManyRunsInNamespace",
            Self::TooManyUnavailable { .. } => "TooManyUnavailable",
            Self::Unrestored { .. } => "Unrestored",
        }
    }

    /// Returns what the reader can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::AdmissionGuardMissing { .. } => {
                "it asks again by itself; if it stays so, install the chart's admission policies and bindings".into()
            }
            Self::AllLeftOut { .. } => "look at the reasons, and select other pods".into(),
            Self::BudgetExhausted { .. } => "pick fewer, or wait until the budget allows more".into(),
            Self::BudgetNotObserved { .. } => "wait a moment and start it again".into(),
            Self::CannotDo { fault, .. } => {
                format!(
                    "`kubectl get chaosnode -o yaml` shows what nodes can do; select pods elsewhere, or not {fault}"
                )
            }
            Self::ContainerAmbiguous { .. } => "write `pods: {container: …}` with one of them".into(),
            Self::DesiredUnknown { .. } => {
                "leave out minHealthy and maxUnavailable and write `limits: {singleReplica: Allow}`, or select other pods"
                    .into()
            }
            Self::FaultOverlaps { run, .. } => format!("wait until {run} has ended, or name disjoint peers"),
            Self::Frozen { namespace, .. } => {
                format!("wait for its end, or lift it: `kubectl annotate namespace {namespace} {FREEZE}- {FREEZE_UNTIL}-`")
            }
            Self::GateClosed { .. } => "mend that first: while it says no, nothing begins".into(),
            Self::Halted { halt, .. } => format!("`rumpus resume` or `kubectl delete chaoshalt {halt}` lifts it"),
            Self::ListUnknown { list, .. } => format!("look at the right to list {list}, and at the API server"),
            Self::ManyBudgets { .. } => "use podDelete, or mend the budgets".into(),
            Self::NamespaceLimitInvalid { namespace, .. } => {
                format!("`kubectl annotate --overwrite namespace {namespace} {MAX_PODS}=NUMBER`, or take it away")
            }
            Self::NamespaceMissing { .. } => "look at its name".into(),
            Self::ProtectedNamespace { .. } => "it is never hit; select pods of another namespace".into(),
            Self::NoAgent { node, .. } => {
                format!("look at the agent's pod on {node}; nodes with taints need the chart's tolerations")
            }
            Self::NodeMissing { .. } => "plan again: the node went away".into(),
            Self::NotOptedIn { namespace, label } => format!("`kubectl label namespace {namespace} {label}`"),
            Self::PeerEmpty { .. } => "start it, or name other peers: an empty list must not mean everyone".into(),
            Self::PeerMissing { .. } => "look at its name and namespace".into(),
            Self::PeerPort { .. } => "`ports` are the Service's own, not those of its pods".into(),
            Self::PeersExcepted => "widen `peers` or narrow `except`".into(),
            Self::PolicyBusy { .. } | Self::TooManyRuns { .. } | Self::TooManyRunsInNamespace { .. } => {
                "wait until one has ended, or stop it".into()
            }
            Self::RolloutInProgress { .. } => "wait for it: `kubectl rollout status`".into(),
            Self::SingleReplica { .. } => {
                "scale it up, select other pods, or write `limits: {singleReplica: Allow}`".into()
            }
            Self::TooFewHealthy { .. } | Self::TooManyUnavailable { .. } => {
                "pick fewer, or wait until more of them are ready".into()
            }
            Self::TooManyOnNode { .. } => "pick fewer".into(),
            Self::TooManyPods { load, most }
            | Self::TooManyPodsInNamespace { load, most, .. }
            | Self::TooManyPodsOfOwner { load, most, .. } => load.hint(*most),
            Self::TooManyPeers { .. } => "write networks instead of single addresses, or fewer Services".into(),
            Self::Unrestored { node, .. } => format!("`rumpus residue` shows what is left on {node}"),
        }
    }
}
