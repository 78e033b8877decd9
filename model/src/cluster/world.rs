//! The snapshot of a cluster that a decision may look at: slim projections of objects, as of an instant.
//!
//! Each list is known or *could not be read, and why*; an empty list is an answer, an unknown one is not.

use super::cooldown::Hits;
use super::freeze::Freeze;
use super::labels::{LabelSelector, Labels};
use super::pod::Pod;
use super::rollout::Rollout;
use super::says::Says;
use crate::engine::Engine;
use crate::number::whole;
use crate::scope::{Direction, Protocol};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// Text of a snapshot; observers share what is equal (namespaces, nodes, labels) to keep it small.
pub type Text = Arc<str>;
/// Seconds since 1970, of the controller's clock.
pub type Seconds = i64;

/// Why a list is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// What the API server or the network said.
    pub why: String,
}

/// A list that was read, or why it was not.
pub type Known<T> = Result<T, Unknown>;

/// One cluster, as of an instant.
#[derive(Clone, Debug)]
pub struct World {
    /// In any order. `Arc`: a snapshot of 100,000 pods must not copy them.
    pub pods: Known<Vec<Arc<Pod>>>,
    /// Top owners by UID (a Deployment, not its ReplicaSet).
    pub owners: Known<BTreeMap<Text, Owner>>,
    /// By name.
    pub namespaces: Known<BTreeMap<Text, Namespace>>,
    /// By name.
    pub nodes: Known<BTreeMap<Text, Node>>,
    pub services: Known<Vec<Service>>,
    /// PodDisruptionBudgets.
    pub budgets: Known<Vec<Pdb>>,
    pub halts: Known<Vec<HaltRow>>,
    /// Runs that hold pods already, planned and armed ones alike.
    pub active: Known<Vec<Reservation>>,
    /// When which owner was hit last, whoever hit it.
    pub hits: Known<Arc<Hits>>,
    pub rules: Rules,
}

/// What the administrator fixed, from the controller's flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Namespace that Rumpus itself runs in: never hit.
    pub release_namespace: String,
    /// Namespaces that are never hit, besides those of Kubernetes and of Rumpus.
    pub protected_namespaces: BTreeSet<String>,
    /// Label (key, value) that a namespace carries to be hit; `None` where the administrator opted every one in.
    pub opt_in: Option<(String, String)>,
    /// Most runs at once, at least 1.
    pub max_active_runs: u32,
    pub radius: Radius,
}

/// Blast radius: how much may be under fault at once, over all runs together and whoever started them. `None`: no limit
/// of this kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Radius {
    /// In the whole cluster.
    pub pods: Option<u32>,
    /// Of the namespace that the pods are in, wherever their runs are.
    pub pods_per_namespace: Option<u32>,
    /// Of one top owner.
    pub pods_per_owner: Option<u32>,
    /// Runs that hit pods of one namespace.
    pub runs_per_namespace: Option<u32>,
}

impl Radius {
    /// Reads a limit as the administrator writes it: 0 is none of this kind.
    pub fn limit(written: u32) -> Option<u32> {
        (written > 0).then_some(written)
    }
}

impl Default for Rules {
    /// The chart's defaults.
    fn default() -> Self {
        Self {
            release_namespace: "rumpus".into(),
            protected_namespaces: BTreeSet::new(),
            opt_in: Some(("rumpus.dev/chaos".into(), "enabled".into())),
            max_active_runs: 1,
            radius: Radius::default(),
        }
    }
}

/// What owns pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    pub kind: Text,
    pub namespace: Text,
    pub name: Text,
    /// How many pods there should be; `None` where its kind has no such number or it could not be read.
    pub desired: Option<u32>,
    pub rollout: Rollout,
    /// By its annotation or label.
    pub says: Option<Says>,
    /// What share of its pods one run may take, by its annotation, or what it says instead of a percentage.
    pub max_percent: Option<Result<u8, Text>>,
}

/// A namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    pub labels: Labels,
    /// Most pods of it that it lets be under fault at once, or what its annotation says instead of a number.
    pub max_pods: Option<Result<u32, Text>>,
    pub freeze: Option<Freeze>,
    /// By its annotation, to those of its pods about which nothing narrower is said.
    pub says: Option<Says>,
}

/// Annotation by which a namespace says how many of its pods may be under fault at once.
pub const MAX_PODS: &str = "rumpus.dev/max-pods";

impl Namespace {
    /// Reads a namespace; `max_pods` is what the annotation says, where there is one.
    pub fn new(labels: Labels, max_pods: Option<&str>) -> Self {
        Self { labels, max_pods: max_pods.map(|text| whole(text).ok_or_else(|| text.into())), freeze: None, says: None }
    }
}

/// A node and its agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    pub zone: Option<Text>,
    pub labels: Labels,
    pub ready: bool,
    /// `None`: no agent ever reported from here.
    pub agent: Option<NodeAgent>,
}

/// What a node's agent says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAgent {
    /// Its pod is Ready and its heartbeat moved lately; else what is missing.
    pub present: Result<(), String>,
    /// By [`crate::fault::Fault::capability`].
    pub engines: BTreeMap<String, Engine>,
    /// Faults that the node cannot do, by the same names, and why.
    pub missing: BTreeMap<String, String>,
    /// Whether it proved that the admission policies hold; else what it saw.
    pub admission: Result<(), String>,
    /// What could not be restored there.
    pub unrestored: Vec<String>,
}

/// A Service and what stands behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    pub namespace: Text,
    pub name: Text,
    /// Empty for headless ones.
    pub cluster_ips: Vec<IpAddr>,
    /// Kind ExternalName: nothing of it is in the cluster.
    pub external_name: Option<Text>,
    pub ports: Vec<ServicePort>,
    /// Every address of its EndpointSlices, ready or not.
    pub backends: Vec<Backend>,
}

/// A port that a Service listens on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServicePort {
    pub protocol: Protocol,
    pub port: u16,
}

/// One endpoint of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backend {
    /// UID of the pod behind it, where it is one.
    pub pod: Option<Text>,
    pub addresses: Vec<IpAddr>,
    /// Where each of the Service's ports leads to here; a named target port is resolved.
    pub targets: Vec<TargetPort>,
}

/// Where a Service's port leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TargetPort {
    pub protocol: Protocol,
    /// The Service's.
    pub port: u16,
    /// The backend's.
    pub target: u16,
}

/// A PodDisruptionBudget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pdb {
    pub namespace: Text,
    pub name: Text,
    /// `None` selects nothing, an empty one every pod of its namespace.
    pub selector: Option<LabelSelector>,
    pub current_healthy: i32,
    pub desired_healthy: i32,
    pub disruptions_allowed: i32,
    /// Its status is about its present spec (observedGeneration).
    pub observed: bool,
}

/// A ChaosHalt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HaltRow {
    pub name: Text,
    pub scope: HaltScope,
    pub reason: String,
}

/// What a Halt is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HaltScope {
    All,
    Namespaces(Vec<String>),
    Nodes(Vec<String>),
    /// As `namespace/name`.
    Runs(Vec<String>),
}

/// Pods that an active run holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    pub run: Text,
    pub run_uid: Text,
    pub namespace: Text,
    /// UID of the policy it was made from.
    pub policy_uid: Option<Text>,
    /// Its pods by UID. A run that does not know its pods has none here.
    pub pods: BTreeMap<Text, Place>,
    /// [`crate::fault::Fault::takes_down`] of its fault.
    pub takes_down: bool,
    /// Their owners, by [`super::cooldown::name`].
    pub owners: BTreeSet<Text>,
    /// What it delays, where its fault is latency.
    pub delay: Option<DelayScope>,
}

/// Where a held pod belongs, as far as its holder knows: the pod itself may be gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub namespace: Option<Text>,
    /// UID of its top owner, or its own where it has none.
    pub owner: Option<Text>,
}

/// Which packets a latency is about: its direction and peers, without ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelayScope {
    pub direction: Direction,
    /// As planned; empty means everyone.
    pub peers: Vec<super::PeerEntry>,
}
