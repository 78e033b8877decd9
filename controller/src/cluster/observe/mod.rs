//! What is kept of a cluster, slim, fed by watches (the controller) or by plain lists (a plan at the command line), and
//! the snapshots taken of it. Nothing is decided here and nothing is written.

use pods::Shared;
use rumpus_cluster::{ChaosHalt, ChaosNode};
use rumpus_model::cluster::freeze::{FREEZE, FREEZE_UNTIL, Freeze};
use rumpus_model::cluster::pod::{OwnerRef, Pod};
use rumpus_model::cluster::says::{CHAOS, Says};
use rumpus_model::cluster::world::{HaltRow, MAX_PODS, Namespace, Node, Owner, Pdb, Text};
use slim::{Replicas, Scheduled, SlimBudget, SlimNamespace, SlimNode, SlimPod, SlimService, SlimSlice};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use table::{Diff, Table, Told};
use world::NodeRow;

pub mod feed;
pub mod look;
mod pods;
pub mod slim;
mod table;
#[cfg(test)]
mod saved_tests;
#[cfg(test)]
mod tests;
mod workload;
mod world;

/// Both clocks, as of a snapshot.
pub type At = super::core::event::Now;

/// A workload as far as it owns pods.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    owner: Option<OwnerRef>,
    top: Owner,
}

/// Everything that is kept.
#[derive(Debug, Default)]
pub struct Observed {
    release_namespace: String,
    shared: Shared,
    pods: Table<Arc<Pod>>,
    namespaces: Table<(Text, Namespace)>,
    nodes: Table<(Text, Node)>,
    chaos_nodes: Table<NodeRow>,
    services: Table<SlimService>,
    slices: Table<SlimSlice>,
    budgets: Table<Pdb>,
    halts: Table<HaltRow>,
    deployments: Table<Workload>,
    replica_sets: Table<Workload>,
    stateful_sets: Table<Workload>,
    daemon_sets: Table<Workload>,
    jobs: Table<Workload>,
    owners: BTreeMap<Text, Owner>,
    owners_changed: bool,
}

/// (name, uid) of an object.
pub(crate) type Named = (String, String);

/// What is told of one kind.
#[derive(Debug)]
pub(crate) enum Change {
    Pod(Told<SlimPod>),
    Namespace(Told<SlimNamespace>),
    Node(Told<SlimNode>),
    ChaosNode(Told<ChaosNode>),
    Service(Told<SlimService>),
    Slice(Told<SlimSlice>),
    Budget(Told<SlimBudget>),
    Halt(Told<ChaosHalt>),
    /// Kind, and what is told of it.
    Workload(WorkloadKind, Told<(kube::core::ObjectMeta, Replicas, Scheduled)>),
}

/// What owns pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkloadKind {
    DaemonSet,
    Deployment,
    Job,
    ReplicaSet,
    StatefulSet,
}

impl WorkloadKind {
    fn name(self) -> &'static str {
        match self {
            Self::DaemonSet => "DaemonSet",
            Self::Deployment => "Deployment",
            Self::Job => "Job",
            Self::ReplicaSet => "ReplicaSet",
            Self::StatefulSet => "StatefulSet",
        }
    }
}

/// What a change means to others than the next snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    PodGone(String),
    Addresses,
    Halts,
    /// The ChaosNode of this uid said something.
    ChaosNode(String),
    /// Nodes or ChaosNodes came or went.
    Nodes,
}

impl Observed {
    pub fn new(release_namespace: &str) -> Self {
        Self {
            release_namespace: release_namespace.to_owned(),
            owners_changed: true,
            budgets: Table::strict(),
            halts: Table::strict(),
            ..Self::default()
        }
    }

    /// Takes a change in.
    pub(crate) fn take(&mut self, change: Change, now: At) -> Vec<News> {
        let boot = now.boot;
        match change {
            Change::Pod(told) => self.pod(told, boot),
            Change::Namespace(told) => {
                let shared = &mut self.shared;
                let row = |n: SlimNamespace| {
                    let name = shared.text(n.metadata.name.as_deref().unwrap_or_default());
                    let says = |key: &str| n.metadata.annotations.as_ref()?.get(key).map(String::as_str);
                    let freeze = Freeze::read(says(FREEZE), says(FREEZE_UNTIL));
                    let namespace = Namespace::new(shared.labels(&n.metadata), says(MAX_PODS));
                    (name, Namespace { freeze, says: says(CHAOS).map(Says::read), ..namespace })
                };
                self.namespaces.take(told.map(row), boot);
                Vec::new()
            }
            Change::Node(told) => {
                let shared = &mut self.shared;
                let row = |n: SlimNode| {
                    let name = shared.text(n.metadata.name.as_deref().unwrap_or_default());
                    let labels = shared.labels(&n.metadata);
                    let zone = labels.get("topology.kubernetes.io/zone").map(Into::into);
                    (name, Node { zone, labels, ready: n.status.is_ready(), agent: None })
                };
                let ends = matches!(told, Told::ListEnds);
                let known = told.uid().is_some_and(|uid| self.nodes.get(uid).is_some());
                let diffs = self.nodes.take(told.map(row), boot);
                let removed = diffs.iter().any(|d| matches!(d, Diff::Removed(_)));
                let came = !known && !diffs.is_empty();
                if ends || removed || came { vec![News::Nodes] } else { Vec::new() }
            }
            Change::ChaosNode(told) => self.chaos_node(told, now),
            Change::Service(told) => addresses(&self.services.take(told, boot)),
            Change::Slice(told) => addresses(&self.slices.take(told, boot)),
            Change::Budget(told) => {
                let shared = &mut self.shared;
                self.budgets.take(told.map(|b| world::budget(shared, &b)), boot);
                Vec::new()
            }
            Change::Halt(told) => {
                let quiet = matches!(told, Told::Alive | Told::ListBegins | Told::Listed(..));
                self.halts.take(told.map(|h| world::halt(&h)), boot);
                if quiet { Vec::new() } else { vec![News::Halts] }
            }
            Change::Workload(kind, told) => {
                self.workload(kind, told, boot);
                Vec::new()
            }
        }
    }

    /// Returns how long nothing was heard of the kind that was silent for longest.
    pub(crate) fn silence(&self, now: Duration) -> Duration {
        let others = [
            self.pods.silence(now),
            self.namespaces.silence(now),
            self.nodes.silence(now),
            self.chaos_nodes.silence(now),
            self.services.silence(now),
            self.slices.silence(now),
            self.budgets.silence(now),
            self.halts.silence(now),
        ];
        self.workloads().into_iter().map(|t| t.silence(now)).chain(others).max().unwrap_or_default()
    }

    /// Whether [`Observed::halts`] has an answer.
    pub(crate) fn knows_halts(&self, now: Duration) -> bool {
        self.halts.known(now).is_ok()
    }

    /// Returns the Halts that stand, or why they are not known.
    pub(crate) fn halts(&self, now: Duration) -> Result<Vec<HaltRow>, String> {
        self.halts.known(now)?;
        Ok(self.halts.rows().map(|(_, h)| h.clone()).collect())
    }

    /// Returns (name, uids of injections that ended there) of a ChaosNode.
    pub(crate) fn ended(&self, uid: &str) -> Option<(String, Vec<String>)> {
        let row = self.chaos_nodes.get(uid)?;
        Some((row.name.clone(), row.status.ended.iter().map(|e| e.uid.clone()).collect()))
    }

    /// Returns the names of Nodes, and the ChaosNodes, once both are known.
    pub(crate) fn node_names(&self, now: Duration) -> Option<(Vec<String>, Vec<Named>)> {
        let known = self.nodes.known(now).is_ok() && self.chaos_nodes.known(now).is_ok();
        known.then(|| {
            let nodes = self.nodes.rows().map(|(_, (name, _))| name.to_string()).collect();
            (nodes, self.chaos_nodes.rows().map(|(uid, n)| (n.name.clone(), uid.clone())).collect())
        })
    }

    fn pod(&mut self, told: Told<SlimPod>, boot: Duration) -> Vec<News> {
        let addresses = |pod: Option<&Arc<Pod>>| pod.map(|p| p.addresses.clone());
        let before = told.uid().and_then(|uid| addresses(self.pods.get(uid)));
        let (shared, sets, jobs) = (&mut self.shared, &self.replica_sets, &self.jobs);
        let row = |p: SlimPod| {
            let mut pod = pods::pod(shared, &p);
            let owner = pod.owner.as_ref().map(|o| o.uid.to_string());
            let above = owner.and_then(|uid| sets.get(&uid).or_else(|| jobs.get(&uid))).and_then(|w| w.owner.clone());
            pod.owner = above.or(pod.owner);
            Arc::new(pod)
        };
        let diffs = self.pods.take(told.map(row), boot);
        let mut news = Vec::new();
        for diff in diffs {
            match diff {
                Diff::Put(uid) if addresses(self.pods.get(&uid)) != before => news.push(News::Addresses),
                Diff::Put(_) => {}
                Diff::Removed(uid) => news.extend([News::PodGone(uid), News::Addresses]),
            }
        }
        news
    }

    fn chaos_node(&mut self, told: Told<ChaosNode>, now: At) -> Vec<News> {
        let before = told.uid().and_then(|uid| self.chaos_nodes.get(uid)).cloned();
        let ends = matches!(told, Told::ListEnds);
        let diffs = self.chaos_nodes.take(told.map(|n| NodeRow::new(before.as_ref(), &n, now)), now.boot);
        let mut news: Vec<News> = Vec::new();
        for diff in diffs {
            match diff {
                Diff::Put(uid) if before.is_some() => news.push(News::ChaosNode(uid)),
                Diff::Put(uid) => news.extend([News::ChaosNode(uid), News::Nodes]),
                Diff::Removed(_) => news.push(News::Nodes),
            }
        }
        if ends {
            news.push(News::Nodes);
        }
        news
    }

    fn workload(
        &mut self,
        kind: WorkloadKind,
        told: Told<(kube::core::ObjectMeta, Replicas, Scheduled)>,
        boot: Duration,
    ) {
        self.owners_changed = true;
        let shared = &mut self.shared;
        let row = |(meta, replicas, scheduled): (kube::core::ObjectMeta, Replicas, Scheduled)| Workload {
            owner: shared.owner(&meta),
            top: workload::owner(shared, kind, &meta, &replicas, &scheduled),
        };
        let table = match kind {
            WorkloadKind::DaemonSet => &mut self.daemon_sets,
            WorkloadKind::Deployment => &mut self.deployments,
            WorkloadKind::Job => &mut self.jobs,
            WorkloadKind::ReplicaSet => &mut self.replica_sets,
            WorkloadKind::StatefulSet => &mut self.stateful_sets,
        };
        table.take(told.map(row), boot);
    }
}

fn addresses(diffs: &[Diff]) -> Vec<News> {
    if diffs.is_empty() { Vec::new() } else { vec![News::Addresses] }
}

pub(crate) use table::{Index, SILENT, Told as Row};
pub use world::{agent, halt};

/// A Halt that cannot be read is about everything.
pub(crate) fn unreadable_halt(meta: &kube::core::ObjectMeta) -> HaltRow {
    HaltRow {
        name: meta.name.as_deref().unwrap_or_default().into(),
        scope: rumpus_model::cluster::world::HaltScope::All,
        reason: "it cannot be read".into(),
    }
}
