//! From what is kept to the snapshot that a decision may look at.

use super::pods::Shared;
use super::slim::{SlimService, SlimSlice};
use super::table::Table;
use super::{Observed, Workload};
use rumpus_cluster::{ChaosHalt, ChaosNode};
use rumpus_model::cluster::labels::{LabelSelector, Requirement};
use rumpus_model::cluster::pod::Pod;
use rumpus_model::cluster::world::{
    Backend, HaltRow, HaltScope, Known, Node, NodeAgent, Pdb, Reservation, Rules, Service, ServicePort, TargetPort,
    Text, Unknown, World,
};
use rumpus_model::engine::Engine;
use rumpus_model::scope::Protocol;
use rumpus_model::wire::NodeStatus;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How old an agent's sign of life may be, on the observer's monotonic clock: two and a half heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(150);

impl Observed {
    /// Takes the snapshot.
    pub fn world(&mut self, rules: &Rules, active: Vec<Reservation>, now: super::At) -> World {
        self.resolve_owners();
        World {
            pods: known(&self.pods, now.boot, |rows| rows.map(|(_, p)| Arc::clone(p)).collect()),
            owners: self.owners_known(now.boot).map(|()| self.owners.clone()),
            namespaces: known(&self.namespaces, now.boot, |rows| {
                rows.map(|(_, (n, ns))| (Text::clone(n), ns.clone())).collect()
            }),
            nodes: self.nodes(now),
            services: self.services(now.boot),
            budgets: known(&self.budgets, now.boot, |rows| rows.map(|(_, b)| b.clone()).collect()),
            halts: known(&self.halts, now.boot, |rows| rows.map(|(_, h)| h.clone()).collect()),
            active: Ok(active),
            hits: Ok(Arc::default()),
            rules: rules.clone(),
        }
    }

    /// Everything that pods may belong to.
    pub(super) fn workloads(&self) -> [&Table<Workload>; 5] {
        [&self.deployments, &self.replica_sets, &self.stateful_sets, &self.daemon_sets, &self.jobs]
    }

    fn owners_known(&self, now: Duration) -> Known<()> {
        self.workloads().into_iter().try_for_each(|t| t.known(now).map_err(|why| Unknown { why }))
    }

    fn nodes(&self, now: super::At) -> Known<BTreeMap<Text, Node>> {
        self.chaos_nodes.known(now.boot).map_err(|why| Unknown { why })?;
        let agents = self.agents();
        let mut chaos_nodes: BTreeMap<&str, &NodeRow> = BTreeMap::new();
        for (_, row) in self.chaos_nodes.rows() {
            // Of two of one name the first by UID counts.
            chaos_nodes.entry(&row.name).or_insert(row);
        }
        known(&self.nodes, now.boot, |rows| {
            rows.map(|(_, (name, node))| {
                let seen = chaos_nodes.get(&**name);
                let agent = seen.filter(|s| s.status.heartbeat.is_some()).map(|s| s.agent(agents.get(&**name), now));
                (Text::clone(name), Node { agent, ..node.clone() })
            })
            .collect()
        })
    }

    /// Returns of each node with a pod of the agent whether one of them is there to work: the DaemonSet makes the next
    /// one as soon as the last process of the old one has ended, while the old pod is still listed.
    fn agents(&self) -> BTreeMap<&str, bool> {
        let own = |pod: &&Arc<Pod>| *pod.namespace == *self.release_namespace && is_agent(pod);
        let pods = self.pods.rows().map(|(_, pod)| pod).filter(own);
        let agents = pods.filter_map(|pod| Some((pod.node.as_deref()?, pod.ready && !pod.terminating)));
        let (there, others): (Vec<_>, Vec<_>) = agents.partition(|(_, there)| *there);
        let mut agents: BTreeMap<&str, bool> = there.into_iter().collect();
        for (node, _) in others {
            agents.entry(node).or_insert(false);
        }
        agents
    }

    fn services(&self, now: Duration) -> Known<Vec<Service>> {
        self.slices.known(now).map_err(|why| Unknown { why })?;
        let mut slices: BTreeMap<(&str, &str), Vec<&SlimSlice>> = BTreeMap::new();
        for (_, slice) in self.slices.rows() {
            let of = slice.metadata.labels.as_ref().and_then(|l| l.get("kubernetes.io/service-name"));
            if let (Some(namespace), Some(name)) = (&slice.metadata.namespace, of) {
                slices.entry((namespace, name)).or_default().push(slice);
            }
        }
        known(&self.services, now, |rows| {
            rows.map(|(_, s)| {
                let namespace = s.metadata.namespace.as_deref().unwrap_or_default();
                let name = s.metadata.name.as_deref().unwrap_or_default();
                service(s, slices.get(&(namespace, name)).map(Vec::as_slice).unwrap_or_default())
            })
            .collect()
        })
    }

    /// Follows owners to the top: a ReplicaSet's is what a person wrote. Done only after such owners have changed.
    fn resolve_owners(&mut self) {
        if !std::mem::take(&mut self.owners_changed) {
            return;
        }
        for row in self.pods.rows_mut() {
            let above = |pod: &Pod| {
                let owner = pod.owner.as_ref()?;
                self.replica_sets.get(&owner.uid).or_else(|| self.jobs.get(&owner.uid))?.owner.clone()
            };
            if let Some(top) = above(row) {
                let mut pod = Pod::clone(row);
                pod.owner = Some(top);
                *row = Arc::new(pod);
            }
        }
        let top = |(uid, workload): (&String, &Workload)| {
            workload.owner.is_none().then(|| (uid.as_str().into(), workload.top.clone()))
        };
        self.owners = self.workloads().into_iter().flat_map(Table::rows).filter_map(top).collect();
    }
}

fn known<T, R>(
    table: &Table<T>,
    now: Duration,
    read: impl FnOnce(&mut dyn Iterator<Item = (&String, &T)>) -> R,
) -> Known<R> {
    table.known(now).map_err(|why| Unknown { why })?;
    Ok(read(&mut table.rows()))
}

fn is_agent(pod: &Pod) -> bool {
    pod.owner.as_ref().is_some_and(|o| &*o.kind == "DaemonSet" && &*o.name == "rumpus-agent")
}

/// A ChaosNode, and when its heartbeat was last seen to move.
#[derive(Clone, Debug)]
pub(crate) struct NodeRow {
    pub(crate) name: String,
    pub(crate) status: NodeStatus,
    pub(crate) moved: Duration,
}

impl NodeRow {
    /// At first sight the wall clock must do: nobody watched before.
    pub(crate) fn new(before: Option<&Self>, seen: &ChaosNode, now: super::At) -> Self {
        let status = seen.status.clone().unwrap_or_default();
        let moved = match before {
            Some(before) if before.status.heartbeat == status.heartbeat => before.moved,
            Some(_) => now.boot,
            None => {
                let at = status.heartbeat.as_ref().and_then(|h| h.parse::<jiff::Timestamp>().ok());
                let age = at.map_or(HEARTBEAT, |at| now.wall.duration_since(at).unsigned_abs());
                now.boot.saturating_sub(age)
            }
        };
        Self { name: seen.name().to_owned(), status, moved }
    }

    fn agent(&self, pod_is_ready: Option<&bool>, now: super::At) -> NodeAgent {
        let age = now.boot.saturating_sub(self.moved);
        let present = match pod_is_ready {
            None => Err("there is no pod of the agent".to_owned()),
            Some(false) => Err("the agent's pod is not Ready".to_owned()),
            Some(true) if age >= HEARTBEAT => Err(format!("no heartbeat for {} s", age.as_secs())),
            Some(true) => Ok(()),
        };
        agent(&self.status, present)
    }
}

/// What an agent says of itself; `present` is what others say of it.
pub fn agent(status: &NodeStatus, present: Result<(), String>) -> NodeAgent {
    let engine = |name: &str| Engine::ALL.into_iter().find(|e| e.name() == name);
    let engines = status.engines.iter().filter_map(|(fault, e)| Some((fault.clone(), engine(e)?)));
    let admission = match status.admission.as_deref() {
        Some("proven") => Ok(()),
        Some(why) => Err(why.to_owned()),
        None => Err("it has not said so yet".to_owned()),
    };
    NodeAgent {
        present,
        engines: engines.collect(),
        missing: status.missing.clone(),
        admission,
        unrestored: status.residue.clone(),
    }
}

/// A Halt; one that says nothing that can be understood is about everything.
pub fn halt(seen: &ChaosHalt) -> HaltRow {
    let scope = &seen.spec.scope;
    let scope = match (scope.all, &scope.namespaces, &scope.nodes, &scope.runs) {
        (None, Some(names), None, None) => HaltScope::Namespaces(names.clone()),
        (None, None, Some(names), None) => HaltScope::Nodes(names.clone()),
        (None, None, None, Some(names)) => HaltScope::Runs(names.clone()),
        _ => HaltScope::All,
    };
    HaltRow { name: seen.name().into(), scope, reason: seen.spec.reason.clone() }
}

pub(crate) fn budget(shared: &mut Shared, seen: &super::slim::SlimBudget) -> Pdb {
    let meta = &seen.metadata;
    let selector = seen.spec.selector.as_ref().map(|s| {
        let labels = s.match_labels.iter().flatten();
        let labels = labels.map(|(k, v)| Requirement::In(k.clone(), vec![v.clone()]));
        let expressions = s.match_expressions.iter().flatten().map(|e| {
            let values = e.values.clone().unwrap_or_default();
            match e.operator.as_str() {
                "In" => Requirement::In(e.key.clone(), values),
                "NotIn" => Requirement::NotIn(e.key.clone(), values),
                "DoesNotExist" => Requirement::Missing(e.key.clone()),
                // One that is not known selects more rather than less: a budget protects.
                _ => Requirement::Exists(e.key.clone()),
            }
        });
        LabelSelector { requirements: labels.chain(expressions).collect() }
    });
    Pdb {
        namespace: shared.text(meta.namespace.as_deref().unwrap_or_default()),
        name: meta.name.as_deref().unwrap_or_default().into(),
        selector,
        current_healthy: seen.status.current_healthy,
        desired_healthy: seen.status.desired_healthy,
        disruptions_allowed: seen.status.disruptions_allowed,
        observed: seen.status.observed_generation == meta.generation,
    }
}

fn protocol(text: Option<&str>) -> Option<Protocol> {
    match text {
        None | Some("TCP") => Some(Protocol::Tcp),
        Some("UDP") => Some(Protocol::Udp),
        Some(_) => None,
    }
}

fn service(seen: &SlimService, slices: &[&SlimSlice]) -> Service {
    let addresses = |list: &[String]| list.iter().filter_map(|a| a.parse().ok()).collect();
    let ports = seen.spec.ports.iter();
    let mut backends = Vec::new();
    for slice in slices {
        let targets: Vec<TargetPort> = slice
            .ports
            .iter()
            .flatten()
            .filter_map(|p| {
                let name = p.name.as_deref().unwrap_or_default();
                let port = seen.spec.ports.iter().find(|s| s.name.as_deref().unwrap_or_default() == name)?;
                let protocol = protocol(p.protocol.as_deref())?;
                Some(TargetPort { protocol, port: port.port, target: p.port? })
            })
            .collect();
        for endpoint in slice.endpoints.iter().flatten() {
            let pod = endpoint.target_ref.as_ref().filter(|t| t.kind.as_deref() == Some("Pod"));
            backends.push(Backend {
                pod: pod.and_then(|t| t.uid.as_deref()).map(Into::into),
                addresses: addresses(&endpoint.addresses),
                targets: targets.clone(),
            });
        }
    }
    let meta = &seen.metadata;
    let external = seen.spec.type_.as_deref() == Some("ExternalName");
    Service {
        namespace: meta.namespace.as_deref().unwrap_or_default().into(),
        name: meta.name.as_deref().unwrap_or_default().into(),
        // A headless one says `None`.
        cluster_ips: addresses(&seen.spec.cluster_ips),
        external_name: seen.spec.external_name.as_deref().filter(|_| external).map(Into::into),
        ports: ports
            .filter_map(|p| Some(ServicePort { protocol: protocol(p.protocol.as_deref())?, port: p.port }))
            .collect(),
        backends,
    }
}
