//! A pod as a decision sees it: what selects it, what pins it, what protects it, and nothing else.

use super::labels::Labels;
use super::world::{Seconds, Text};
use crate::scope::Port;
use std::fmt;
use std::net::IpAddr;

/// One pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    pub uid: Text,
    pub namespace: Text,
    pub name: Text,
    pub labels: Labels,
    /// `None` until it is scheduled.
    pub node: Option<Text>,
    pub phase: Phase,
    /// Its condition Ready is True.
    pub ready: bool,
    /// It has a deletionTimestamp.
    pub terminating: bool,
    pub created: Seconds,
    pub host_network: bool,
    /// status.podIPs.
    pub addresses: Vec<IpAddr>,
    pub runtime_class: Option<Text>,
    /// Its controller, followed up to the top.
    pub owner: Option<OwnerRef>,
    pub containers: Vec<Container>,
    /// Ports that its kubelet probes.
    pub probes: Vec<Port>,
    /// A container that serves has one.
    pub readiness_probe: bool,
    /// It has anti-affinity to pods or topology spread constraints.
    pub spread: bool,
}

impl fmt::Display for Pod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Where a pod is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Failed,
    Pending,
    Running,
    Succeeded,
    Unknown,
}

/// What owns a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnerRef {
    pub kind: Text,
    pub name: Text,
    pub uid: Text,
}

/// A container of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    pub name: Text,
    pub role: Role,
    /// As the pod's status shows it, with its scheme; `None` until it has one.
    pub id: Option<Text>,
    pub running: bool,
}

/// What a container is in its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    App,
    Init,
    /// An init container with `restartPolicy: Always`.
    Sidecar,
}

impl fmt::Display for OwnerRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}
