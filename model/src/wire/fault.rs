//! Faults as they are written: one key names the fault, its value holds the parameters.

use super::schema::list::{List, Set};
use super::schema::number::{self, Whole};
use super::schema::{rules, time};
use super::{Direction, NumberOrText, OneOrMany, Peers, Protocol};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One entry of `faults`: exactly one of the faults, and how often it is drawn beside the others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [rules::one_of(&["kill", "latency", "loss", "partition", "podDelete", "podEvict"])]))]
pub struct Fault {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kill: Option<Kill>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<Partition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_delete: Option<PodDelete>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_evict: Option<PodEvict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Whole<0, 1000>>")]
    pub weight: Option<i64>,
}

/// A signal to one process, or the end of a whole container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rules::kill()))]
pub struct Kill {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<number::Signal>")]
    pub signal: Option<NumberOrText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<time::Grace>")]
    pub grace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<bool>,
}

/// The pod is deleted by the API server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodDelete {
    /// How long the pod may take to end by itself; absent: the pod's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<time::Grace>")]
    pub grace_period: Option<String>,
}

/// The pod is evicted, which its PodDisruptionBudgets may refuse.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodEvict {
    /// How long the pod may take to end by itself; absent: the pod's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<time::Grace>")]
    pub grace_period: Option<String>,
}

/// Packets are held back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rules::latency()))]
pub struct Latency {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "time::Delay")]
    pub delay: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<time::Jitter>")]
    pub jitter: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reorder: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Direction")]
    pub direction: Option<Direction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<OneOrMany>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peers: Option<Peers>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<List<number::Port, 64>>")]
    pub ports: Option<Vec<NumberOrText>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<List<number::Port, 64>>")]
    pub local_ports: Option<Vec<NumberOrText>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Set<Protocol, 3>>")]
    pub protocols: Option<Vec<Protocol>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probes: Option<Probes>,
}

/// Packets are dropped at random.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Loss {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Whole<1, 100>")]
    pub percent: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Direction")]
    pub direction: Option<Direction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<OneOrMany>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peers: Option<Peers>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<List<number::Port, 64>>")]
    pub ports: Option<Vec<NumberOrText>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<List<number::Port, 64>>")]
    pub local_ports: Option<Vec<NumberOrText>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Set<Protocol, 3>>")]
    pub protocols: Option<Vec<Protocol>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probes: Option<Probes>,
}

/// Nothing gets through.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Partition {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub how: Option<How>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Direction")]
    pub direction: Option<Direction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<OneOrMany>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peers: Option<Peers>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<List<number::Port, 64>>")]
    pub ports: Option<Vec<NumberOrText>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<List<number::Port, 64>>")]
    pub local_ports: Option<Vec<NumberOrText>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Set<Protocol, 3>>")]
    pub protocols: Option<Vec<Protocol>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probes: Option<Probes>,
}

/// What becomes of the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum How {
    Drop,
    Reject,
}

/// Whether a pod's probes from its node are hit too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Probes {
    Exempt,
    Include,
}
