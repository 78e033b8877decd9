//! Faults as they are written: one key names the fault, its value holds the parameters.

use super::{Direction, NumberOrText, OneOrMany, Peers, Protocol};
use serde::Deserialize;

/// One entry of `faults`: exactly one of the faults, and a weight once there are several.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    pub kill: Option<Kill>,
    pub latency: Option<Latency>,
    pub loss: Option<Loss>,
    pub partition: Option<Partition>,
    pub pod_delete: Option<PodDelete>,
    pub pod_evict: Option<PodEvict>,
    pub weight: Option<i64>,
}

/// A signal to one process, or the end of a whole container.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Kill {
    pub signal: Option<NumberOrText>,
    pub grace: Option<String>,
    pub container: Option<bool>,
}

/// A pod is deleted through the API; by the controller, not on a node.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodDelete {
    /// Absent: the pod's own.
    pub grace_period: Option<String>,
}

/// A pod is evicted through the API, which asks its disruption budget; by the controller, not on a node.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodEvict {
    /// Absent: the pod's own.
    pub grace_period: Option<String>,
}

/// Packets are held back.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Latency {
    pub delay: Option<String>,
    pub jitter: Option<String>,
    pub reorder: Option<bool>,
    pub direction: Option<Direction>,
    pub device: Option<OneOrMany>,
    pub peers: Option<Peers>,
    pub ports: Option<Vec<NumberOrText>>,
    pub local_ports: Option<Vec<NumberOrText>>,
    pub protocols: Option<Vec<Protocol>>,
    pub probes: Option<Probes>,
}

/// Packets are dropped at random.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Loss {
    pub percent: Option<i64>,
    pub direction: Option<Direction>,
    pub device: Option<OneOrMany>,
    pub peers: Option<Peers>,
    pub ports: Option<Vec<NumberOrText>>,
    pub local_ports: Option<Vec<NumberOrText>>,
    pub protocols: Option<Vec<Protocol>>,
    pub probes: Option<Probes>,
}

/// Nothing gets through.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Partition {
    pub how: Option<How>,
    pub direction: Option<Direction>,
    pub device: Option<OneOrMany>,
    pub peers: Option<Peers>,
    pub ports: Option<Vec<NumberOrText>>,
    pub local_ports: Option<Vec<NumberOrText>>,
    pub protocols: Option<Vec<Protocol>>,
    pub probes: Option<Probes>,
}

/// What becomes of the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum How {
    Drop,
    Reject,
}

/// Whether a pod's probes from its node are hit too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Probes {
    Exempt,
    Include,
}
