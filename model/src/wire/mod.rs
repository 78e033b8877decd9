//! The API as it is written: objects of group `rumpus.dev/v1alpha1`, field by field.
//!
//! These types hold anything that has the right *shape*; whether it makes sense is decided by `policy::check`, which
//! turns them into parsed types. Every field is optional here, so that a missing one is reported by its name together
//! with everything else that is wrong. Nothing here is used after parsing.

use schema::{rules, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub mod check;
pub mod condition;
pub mod experiment;
pub mod fault;
pub mod halt;
pub mod injection;
pub mod kinds;
pub mod ledger;
pub mod node;
pub mod peers;
pub mod policy_status;
pub mod run_status;
pub mod scalar;
pub mod schedule;
mod schema;
pub mod targets;

pub use check::{Check, HttpCheck, KubernetesCheck, NoChecks, Role, SteadyState, WorkloadKind};
pub use condition::{Condition, ConditionType};
pub use experiment::{Experiment, Limits, Order, Pick, Rounding, SingleReplica, WeightBy};
pub use fault::{Fault, How, Kill, Latency, Loss, Partition, PodDelete, PodEvict, Probes};
pub use halt::{HaltScope, HaltSpec};
pub use injection::{
    EvidenceStatus, InjectionSpec, InjectionState, InjectionStatus, InjectionTarget, PeerExcept, PeerSet, Phase,
    RunRef, TargetStatus, Truth,
};
pub use ledger::LedgerSpec;
pub use node::{EndedInjection, NodeSpec, NodeStatus};
pub use peers::{Direction, Except, Peers, PodPeers, Protocol};
pub use policy_status::PolicyStatus;
pub use run_status::{
    ClusterExample, ClusterStatus, Confirmation, DrawnFault, Happened, LeftOut, NodeShare, PlanStatus, RunState,
    RunStatus, Verdict, Why,
};
pub use scalar::{NumberOrText, OneOrMany};
pub use schedule::Schedule;
pub use targets::{
    Containers, Host, LabelSelector, NetNs, Nodes, OwnerMatch, PodPhase, Pods, ProcessMatch, Processes, Requirement,
    Targets, Units,
};

/// Group and version of every object.
pub const API_VERSION: &str = "rumpus.dev/v1alpha1";
/// Kind of what runs by itself.
pub const POLICY_KIND: &str = "ChaosPolicy";
/// Kind of one experiment carried out.
pub const RUN_KIND: &str = "ChaosRun";

/// What runs by itself.
pub type ChaosPolicy = Object<PolicySpec>;
/// One experiment carried out.
pub type ChaosRun = Object<RunSpec>;

/// An object of the API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Object<S> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec: Option<S>,
}

/// What an object is called.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// May be absent on a host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
}

/// A policy: when, and what.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicySpec {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Name>")]
    pub service_account_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Experiment")]
    pub experiment: Option<Experiment>,
}

/// A run: the experiment, and by whom.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rules::run()))]
pub struct RunSpec {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_ref: Option<PolicyRef>,
    /// Only pods of this group, by what `groupBy` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Free<400>>")]
    pub group: Option<String>,
    /// `Owner`, `Namespace`, `Zone`, `Policy` or `label:KEY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Free<330>>")]
    pub group_by: Option<String>,
    /// The time of the policy's schedule that it was begun for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Free<64>>")]
    pub slot: Option<String>,
    /// After this it does not begin any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Instant>")]
    pub start_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Free<253>>")]
    pub seed: Option<String>,
    /// The plan that it has to come to, as a dry run showed it (`status.plan.hash`): another one is not carried out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::PlanHash>")]
    pub plan_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Free<1024>>")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Free<253>>")]
    pub requested_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Experiment")]
    pub experiment: Option<Experiment>,
}

/// The policy that a run was made from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyRef {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "text::Name")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "text::Uid")]
    pub uid: Option<String>,
}

/// Whether a schedule acts; by hand `--arm` decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    Armed,
    DryRun,
}

impl ChaosPolicy {
    /// Wraps an experiment that was put together by hand (from flags, not from a file).
    pub fn by_hand(name: &str, experiment: Experiment) -> Self {
        Self {
            api_version: Some(API_VERSION.into()),
            kind: Some(POLICY_KIND.into()),
            metadata: Some(Metadata { name: Some(name.into()), ..Metadata::default() }),
            spec: Some(PolicySpec { experiment: Some(experiment), ..PolicySpec::default() }),
        }
    }
}
