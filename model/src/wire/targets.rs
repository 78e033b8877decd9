//! Where to look for targets, as it is written: exactly one of these.

use super::NumberOrText;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Where to look for targets.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Targets {
    pub pods: Option<Pods>,
    pub processes: Option<Processes>,
    pub containers: Option<Containers>,
    pub units: Option<Units>,
    pub netns: Option<NetNs>,
    pub nodes: Option<Nodes>,
    pub host: Option<Host>,
}

/// Pods of a cluster: all given parts match, `exclude` wins.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pods {
    pub namespaces: Option<Vec<String>>,
    pub all_namespaces: Option<bool>,
    pub selector: Option<LabelSelector>,
    pub exclude: Option<LabelSelector>,
    /// Pods by name.
    pub names: Option<Vec<String>>,
    /// Top owners: a Deployment, not its ReplicaSet.
    pub owners: Option<Vec<OwnerMatch>>,
    /// Nodes by name.
    pub nodes: Option<Vec<String>>,
    /// Zones, as the nodes' label `topology.kubernetes.io/zone` names them.
    pub zones: Option<Vec<String>>,
    pub min_age: Option<String>,
    pub ready: Option<bool>,
    pub phase: Option<PodPhase>,
    pub container: Option<String>,
}

/// What owns a pod, by kind, by name, or both.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OwnerMatch {
    pub kind: Option<String>,
    pub name: Option<String>,
}

/// Phases of pods that may be hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum PodPhase {
    Pending,
    Running,
}

/// Labels, as everywhere in Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LabelSelector {
    pub match_labels: Option<BTreeMap<String, String>>,
    pub match_expressions: Option<Vec<Requirement>>,
}

/// One expression over labels.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Requirement {
    pub key: Option<String>,
    pub operator: Option<String>,
    pub values: Option<Vec<String>>,
}

/// Processes of a host; `exclude` wins.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Processes {
    pub name: Option<String>,
    pub exe: Option<String>,
    pub cmdline: Option<String>,
    pub user: Option<NumberOrText>,
    pub exclude: Option<ProcessMatch>,
}

/// What a process looks like: all given parts match.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProcessMatch {
    pub name: Option<String>,
    pub exe: Option<String>,
    pub cmdline: Option<String>,
    pub user: Option<NumberOrText>,
}

/// Containers of a host by the id that their runtime gave them; `exclude` wins.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Containers {
    pub ids: Option<Vec<String>>,
    pub exclude: Option<Vec<String>>,
}

/// Units of the init system.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Units {
    pub names: Option<Vec<String>>,
    pub exclude: Option<Vec<String>>,
}

/// Network namespaces by their name under /run/netns.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetNs {
    pub names: Option<Vec<String>>,
}

/// Nodes of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Nodes {
    pub names: Option<Vec<String>>,
    pub selector: Option<LabelSelector>,
    pub exclude: Option<LabelSelector>,
}

/// The host's own network: `host: {}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {}
