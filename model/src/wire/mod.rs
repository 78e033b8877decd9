//! The API as it is written: objects of group `rumpus.dev/v1alpha1`, field by field.
//!
//! These types hold anything that has the right *shape*; whether it makes sense is decided by `policy::check`, which
//! turns them into parsed types. Every field is optional here, so that a missing one is reported by its name together
//! with everything else that is wrong. Nothing here is used after parsing.

use serde::Deserialize;
use std::collections::BTreeMap;

pub mod experiment;
pub mod fault;
pub mod peers;
pub mod scalar;
pub mod schedule;
pub mod targets;

pub use experiment::{Check, Experiment, Limits, NoChecks, Pick, Rounding, SteadyState};
pub use fault::{Fault, How, Kill, Latency, Loss, Partition, PodDelete, PodEvict, Probes};
pub use peers::{Direction, Except, Peers, PodPeers, Protocol};
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
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Object<S> {
    pub api_version: Option<String>,
    pub kind: Option<String>,
    pub metadata: Option<Metadata>,
    pub spec: Option<S>,
}

/// What an object is called.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    pub name: Option<String>,
    /// May be absent on a host.
    pub namespace: Option<String>,
    pub labels: Option<BTreeMap<String, String>>,
    pub annotations: Option<BTreeMap<String, String>>,
}

/// A policy: when, and what.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicySpec {
    pub suspend: Option<bool>,
    pub mode: Option<Mode>,
    pub schedule: Option<Schedule>,
    pub service_account_name: Option<String>,
    pub experiment: Option<Experiment>,
}

/// A run: the experiment, and by whom.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunSpec {
    pub policy_ref: Option<PolicyRef>,
    pub group: Option<String>,
    pub mode: Option<Mode>,
    pub seed: Option<String>,
    pub reason: Option<String>,
    pub requested_by: Option<String>,
    pub stop: Option<bool>,
    pub experiment: Option<Experiment>,
}

/// The policy that a run was made from.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyRef {
    pub name: Option<String>,
    pub uid: Option<String>,
}

/// Whether a schedule acts; by hand `--arm` decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
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
