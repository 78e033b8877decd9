//! Where to look for targets, as it is written: exactly one of these.

use super::NumberOrText;
use super::schema::list::{List, Map, Set};
use super::schema::{number, rules, text, time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where to look for targets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [rules::one_of(&["pods", "processes", "containers", "units", "netns", "nodes", "host"])]))]
pub struct Targets {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<Pods>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<Processes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub containers: Option<Containers>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub units: Option<Units>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netns: Option<NetNs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Nodes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
}

/// Pods of a cluster: all given parts match; `exclude` wins. Pods that have ended or are ending never match.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rules::pods()))]
pub struct Pods {
    /// At most 16; absent: the policy's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Set<text::Label, 16>>")]
    pub namespaces: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all_namespaces: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// Top owners: a Deployment, not its ReplicaSet.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<List<OwnerMatch, 64>>")]
    pub owners: Option<Vec<OwnerMatch>>,
    /// Pods by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Set<text::Name, 256>>")]
    pub names: Option<Vec<String>>,
    /// Pods on any of these nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Set<text::Name, 256>>")]
    pub nodes: Option<Vec<String>>,
    /// Pods on a node of any of these zones (label `topology.kubernetes.io/zone`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Set<text::LabelValue, 64>>")]
    pub zones: Option<Vec<String>>,
    /// Pods at least this old.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<time::Age>")]
    pub min_age: Option<String>,
    /// `true`: only ready pods; `false`: only pods that are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
    /// Absent: Running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<PodPhase>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exclude: Option<LabelSelector>,
    /// The container that is hit; absent: the first of the pod's spec.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Label>")]
    pub container: Option<String>,
}

/// What owns a pod, by kind, by name, or both.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [rules::any_of(&["kind", "name"], "names no owner: write kind, name or both")]))]
pub struct OwnerMatch {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::KindName>")]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Name>")]
    pub name: Option<String>,
}

/// Phases of pods that may be hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PodPhase {
    Pending,
    Running,
}

/// Labels, as everywhere in Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [rules::any_of(&["matchLabels", "matchExpressions"], "an empty selector selects nothing")]))]
pub struct LabelSelector {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Map<text::LabelValue, 1, 32>>")]
    pub match_labels: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<List<Requirement, 32>>")]
    pub match_expressions: Option<Vec<Requirement>>,
}

/// One expression over labels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rules::requirement()))]
pub struct Requirement {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "text::LabelKey")]
    pub key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "text::Operator")]
    pub operator: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<List<text::LabelValue, 64>>")]
    pub values: Option<Vec<String>>,
}

/// Processes of a host; `exclude` wins.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [rules::any_of(&["name", "exe", "cmdline", "user"], "an empty selector selects nothing")]))]
pub struct Processes {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Comm>")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Path>")]
    pub exe: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Free<256>>")]
    pub cmdline: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<number::User>")]
    pub user: Option<NumberOrText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exclude: Option<ProcessMatch>,
}

/// What a process looks like: all given parts match.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [rules::any_of(&["name", "exe", "cmdline", "user"], "an empty selector excludes nothing")]))]
pub struct ProcessMatch {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Comm>")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Path>")]
    pub exe: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Free<256>>")]
    pub cmdline: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<number::User>")]
    pub user: Option<NumberOrText>,
}

/// Containers of a host by the id that their runtime gave them; `exclude` wins.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Containers {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "List<text::ContainerPrefix, 256>")]
    pub ids: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<List<text::ContainerPrefix, 256>>")]
    pub exclude: Option<Vec<String>>,
}

/// Units of the init system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Units {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "List<text::File, 256>")]
    pub names: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<List<text::File, 256>>")]
    pub exclude: Option<Vec<String>>,
}

/// Network namespaces by their name under /run/netns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetNs {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "List<text::File, 256>")]
    pub names: Option<Vec<String>>,
}

/// Nodes of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [rules::any_of(&["names", "selector"], "an empty selector selects nothing")]))]
pub struct Nodes {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Set<text::Name, 256>>")]
    pub names: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exclude: Option<LabelSelector>,
}

/// The host's own network: `host: {}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Host {}
