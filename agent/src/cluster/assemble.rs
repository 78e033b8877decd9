//! From an order to what the reconciler carries out: each target is looked up on this node, judged by itself, and
//! becomes one slot for each other side.
//!
//! It reads the kernel and changes nothing. It must never choose a target that the order does not pin.

use super::ceilings::Ceilings;
use super::node_addresses;
use super::order::Order;
use super::pods::{self, Container, Pod};
use crate::kernel::netns::{self, NetNs};
use crate::kernel::nft::standing;
use crate::kernel::{link, proc};
use crate::observe::names;
use crate::resolve::chain;
use rumpus_model::engine::{Capability, Engine};
use rumpus_model::fault::{Fault, Kill, Network};
use rumpus_model::guard::{capable, overlap};
use rumpus_model::injection::Injection;
use rumpus_model::plan::Planned;
use rumpus_model::rank::short_id;
use rumpus_model::refusal::Refusal;
use rumpus_model::scope::{Devices, Exempt, Peers, Protocol, Scope};
use rumpus_model::target::{ContainerTarget, NetNsTarget, Target, Via};
use rumpus_model::wire::InjectionTarget;
use rumpus_model::world::{StandingDelay, World};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

/// What a target came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// The pod's UID.
    pub uid: String,
    pub container: Option<String>,
    /// Ids of its slots; empty where it is refused.
    pub slots: Vec<String>,
    pub refused: Option<Refusal>,
}

/// Looks up every target of an order; it may block.
pub trait Finder: Send + Sync {
    fn assemble(&self, order: &Order) -> (Injection, Vec<Assigned>);
}

/// What this node has, for every order the same.
#[derive(Debug)]
pub struct Site {
    pub ceilings: Ceilings,
    pub engines: BTreeMap<Engine, Capability>,
    /// The kubelet's log directories.
    pub logs: PathBuf,
}

/// Returns a slot's id: the same each time that the same order is read.
pub fn slot_id(order: &Order, target: &InjectionTarget, branch: usize) -> String {
    let container = target.container_id.as_deref().unwrap_or_default();
    short_id(&[&order.uid, order.fault.name(), &target.uid, container, &branch.to_string()])
}

impl Finder for Site {
    fn assemble(&self, order: &Order) -> (Injection, Vec<Assigned>) {
        let here = Here::look(order, self);
        judged(order, |target| here.as_ref().map_err(Clone::clone).and_then(|here| here.target(order, target)))
    }
}

/// Puts together what `find` says of each target: its slots, or why there are none.
pub fn judged(
    order: &Order,
    find: impl Fn(&InjectionTarget) -> Result<Vec<Planned>, Refusal>,
) -> (Injection, Vec<Assigned>) {
    let mut planned = Vec::new();
    let mut assigned = Vec::new();
    for target in &order.targets {
        let found = find(target);
        let mut one =
            Assigned { uid: target.uid.clone(), container: target.container.clone(), slots: vec![], refused: None };
        match found {
            Ok(slots) => {
                one.slots = slots.iter().map(|s| s.id.clone()).collect();
                planned.extend(slots);
            }
            Err(refusal) => one.refused = Some(refusal),
        }
        assigned.push(one);
    }
    let injection = Injection {
        uid: order.uid.clone(),
        policy: order.run.clone(),
        fault: order.fault.clone(),
        duration: order.duration,
        targets: planned,
        reach: order.reach.clone(),
        not_after: Some(order.not_after / 1_000_000),
    };
    (injection, assigned)
}

/// This node, seen once for an order.
struct Here<'a> {
    site: &'a Site,
    boot_id: String,
    pods: BTreeMap<String, Pod>,
    namespaces: Result<BTreeMap<String, String>, String>,
    engine: Engine,
}

impl<'a> Here<'a> {
    fn look(order: &Order, site: &'a Site) -> Result<Self, Refusal> {
        let failed = |step: &str, why: String| Refusal::Failed { step: step.into(), why };
        let world = World { engines: site.engines.clone(), ..World::default() };
        let engine = capable::engine(&world, &order.fault, 0, false)?;
        let boot_id = proc::boot_id().map_err(|e| failed("read the boot id", chain(&e)))?;
        let uids = order.targets.iter().map(|t| t.uid.clone()).collect();
        let pods = pods::find(&uids).map_err(|why| failed("find the pods", why))?;
        Ok(Self { site, boot_id, pods, namespaces: pods::namespaces(&site.logs), engine })
    }

    fn target(&self, order: &Order, target: &InjectionTarget) -> Result<Vec<Planned>, Refusal> {
        let shown = format!("pod {}/{}", target.namespace, target.pod);
        self.site.ceilings.target(&target.uid, &target.namespace, &shown, &self.namespaces)?;
        let changed = |what: &str| Refusal::TargetChanged { target: shown.clone(), what: what.into() };
        let pod = self.pods.get(&target.uid).ok_or_else(|| changed("no process of it is on this node"))?;
        let id = target.container_id.as_deref().map(|id| id.rsplit_once("://").map_or(id, |(_, id)| id));
        let container = id.and_then(|id| pod.containers.get(id));
        let planned = |branch: usize, target_found: Target, scope: Option<Scope>| Planned {
            id: slot_id(order, target, branch),
            target: target_found,
            why: shown.clone(),
            engine: self.engine,
            scope,
        };
        if let Fault::Kill(kill) = &order.fault {
            let container = container.ok_or_else(|| changed("the planned container is not running"))?;
            let found = self.victim(*kill, container).ok_or_else(|| changed("it has no first process"))?;
            return Ok(vec![planned(0, found, None)]);
        }
        let network = PodNetwork::open(pod, container, &shown, &self.boot_id)?;
        let exempt = if order.probes_exempt { network.probes(target)? } else { Vec::new() };
        let mut standing = network.standing.clone();
        let mut all = Vec::new();
        for (branch, fault) in order.branches.iter().enumerate() {
            let scope = network.scope(fault, exempt.clone())?;
            if matches!(fault, Fault::Latency(_)) {
                overlap::delay(&shown, &scope, &standing)?;
                standing.push(StandingDelay {
                    table: format!("of branch {branch} of the same fault"),
                    direction: scope.direction,
                    peers: scope.peers.clone(),
                });
            }
            all.push(planned(branch, Target::NetNs(network.target.clone()), Some(scope)));
        }
        Ok(all)
    }

    fn victim(&self, kill: Kill, container: &Container) -> Option<Target> {
        let first = pods::pin(container.first()?, &self.boot_id)?;
        Some(match kill {
            Kill::Process { .. } => Target::Process(first),
            Kill::Container => Target::Container(ContainerTarget {
                id: container.id.clone(),
                cgroup: container.cgroup.clone(),
                boot_id: self.boot_id.clone(),
                init: Some(first),
                processes: container.labels(),
            }),
        })
    }
}

/// A pod's network, opened for as long as it takes to look.
struct PodNetwork<'a> {
    shown: &'a str,
    netns: NetNs,
    host: NetNs,
    target: NetNsTarget,
    /// By whose files names are resolved.
    view: Via,
    devices: Vec<String>,
    standing: Vec<StandingDelay>,
}

impl<'a> PodNetwork<'a> {
    fn open(pod: &Pod, container: Option<&Container>, shown: &'a str, boot_id: &str) -> Result<Self, Refusal> {
        let failed = |step: &str, why: String| Refusal::Failed { step: step.into(), why };
        let changed = |what: &str| Refusal::TargetChanged { target: shown.into(), what: what.into() };
        let host = netns::open_host().map_err(|e| failed("tell the node's own network apart", chain(&e)))?;
        let sandbox = pod.sandbox().ok_or_else(|| changed("none of its processes is left"))?;
        let holder = sandbox.first().ok_or_else(|| changed("none of its processes is left"))?;
        let netns = NetNs::of_pid(holder.pid).map_err(|e| failed("open the pod's network", chain(&e)))?;
        if netns.same_as(&host.id()) {
            return Err(Refusal::HostNetwork { target: shown.into() });
        }
        let key = (netns.id().dev, netns.id().ino);
        let first = container.and_then(Container::first);
        if first.is_some_and(|p| p.netns != Some(key)) {
            return Err(changed("the container's first process is in another network"));
        }
        // The sandbox has no hosts file of its own; any other container has the pod's.
        let others = pod.containers.values().filter(|c| c.id != sandbox.id).find_map(Container::first);
        let view = first.or(others).unwrap_or(holder);
        let id = |p| pods::id_of(p).ok_or_else(|| changed("its first process has no usable pid"));
        let (view, via) = (Via::Process(id(view)?), Via::Process(id(holder)?));
        let inside = pod.containers.values().flat_map(Container::labels).collect();
        let target = NetNsTarget { id: netns.id(), via, boot_id: boot_id.into(), host: false, processes: inside };
        let looked = netns.enter(|| (link::devices(), standing::delays()));
        let (devices, standing) = looked.map_err(|e| failed("look into the pod's network", chain(&e)))?;
        let devices = devices.map_err(|e| failed("list the pod's devices", chain(&e)))?;
        let standing = standing.map_err(|e| failed("read the pod's rules", chain(&e)))?;
        let devices = devices.into_iter().map(|d| d.name).collect();
        Ok(Self { shown, netns, host, target, view, devices, standing })
    }

    /// The flows of the node's probes: from the address that the node uses towards this pod, to the ports that the
    /// pod declares for them.
    fn probes(&self, target: &InjectionTarget) -> Result<Vec<Exempt>, Refusal> {
        let written = target.probes.as_deref().unwrap_or_default();
        if written.is_empty() {
            return Ok(Vec::new());
        }
        let failed = |why: String| Refusal::Failed { step: "find the node's address towards the pod".into(), why };
        let sources = node_addresses::towards(&self.host, &self.netns).map_err(failed)?;
        let mut exempt = Vec::new();
        for text in written {
            let (protocol, port) = probe_port(text).ok_or_else(|| Refusal::Invalid {
                problems: vec![format!("targets[].probes: `{text}` is no port like 8080/TCP")],
            })?;
            exempt.extend(sources.iter().map(|peer| Exempt {
                reason: format!("the node probes {text}"),
                protocol: Some(protocol),
                peer: Some(*peer),
                peer_port: None,
                local_port: Some(port),
            }));
        }
        Ok(exempt)
    }

    fn scope(&self, fault: &Fault, exempt: Vec<Exempt>) -> Result<Scope, Refusal> {
        let target = self.shown.to_owned();
        let Some(network) = fault.network() else {
            return Err(Refusal::Failed { step: fault.name().into(), why: "it is not about the network".into() });
        };
        let names = self.names(network)?;
        let resolved = |name: &str| names.get(name).map(Vec::as_slice);
        let scope = network.scope(resolved, exempt).map_err(|name| Refusal::NameUnknown {
            target: target.clone(),
            name,
            why: "it was not looked up".into(),
        })?;
        if let Devices::Named(wanted) = &scope.devices
            && let Some(device) = wanted.iter().find(|d| !self.devices.iter().any(|s| s == d.as_str()))
        {
            return Err(Refusal::NoSuchDevice { target, device: device.to_string(), has: self.devices.clone() });
        }
        match &scope.peers {
            Peers::Only(addresses) if addresses.is_empty() => Err(Refusal::NothingInFamily { target }),
            Peers::Only(_) | Peers::Everyone => Ok(scope),
        }
    }

    fn names(&self, network: &Network) -> Result<BTreeMap<String, Vec<IpAddr>>, Refusal> {
        let mut all = BTreeMap::new();
        for name in network.names() {
            let unknown = |why: String| Refusal::NameUnknown { target: self.shown.into(), name: name.into(), why };
            let found = names::lookup(&self.netns, &self.view, name).map_err(unknown)?;
            if found.is_empty() {
                return Err(unknown("it has no address".into()));
            }
            all.insert(name.to_owned(), found);
        }
        Ok(all)
    }
}

/// Reads `8080/TCP`.
fn probe_port(text: &str) -> Option<(Protocol, u16)> {
    let (port, protocol) = text.split_once('/')?;
    let protocol = match protocol {
        "TCP" => Protocol::Tcp,
        "UDP" => Protocol::Udp,
        _ => return None,
    };
    port.parse().ok().filter(|p| *p > 0).map(|port| (protocol, port))
}

#[cfg(test)]
mod tests {
    use super::probe_port;
    use rumpus_model::scope::Protocol;

    #[test]
    fn a_probe_port_is_a_number_and_a_protocol() {
        assert_eq!(probe_port("8080/TCP"), Some((Protocol::Tcp, 8080)));
        for text in ["8080", "http/TCP", "0/TCP", "80/tcp", "70000/UDP"] {
            assert_eq!(probe_port(text), None, "{text}");
        }
    }
}
