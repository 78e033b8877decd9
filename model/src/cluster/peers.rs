//! Whom a network fault is about: pods, Services, addresses and names become entries of addresses and ports.
//!
//! Fails closed: what is named and is not there, or has no address, refuses the run, since an empty list must never
//! come to mean everyone. A client sees a Service's ClusterIP, its network the pod's address: both are taken.

use super::plan::{Except, PeerEntry};
use super::pod::{Phase, Pod};
use super::refusal::ClusterRefusal;
use super::world::{Service, TargetPort, Text, World};
use crate::fault::network::{Network, PeerNames, PodPeers, ServiceName};
use crate::scope::Port;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// Most addresses of all entries together: what one object of the API server holds with ease.
pub const MAX_ADDRESSES: usize = 4096;

/// Peers as they stand at an instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Empty means everyone.
    pub entries: Vec<PeerEntry>,
    /// What the reader of a plan should know.
    pub notes: Vec<String>,
}

/// Addresses by the ports that they are meant with; an empty list of ports means any.
type ByPorts = BTreeMap<Vec<Port>, BTreeSet<IpNet>>;

/// Resolves what a policy names; `namespace` is the run's.
///
/// # Errors
/// Everything that is named and is not there, has no address, or could not be read.
pub fn resolve(world: &World, network: &Network, namespace: &str) -> Result<Resolved, Vec<ClusterRefusal>> {
    let mut look = Look { world, namespace, refusals: Vec::new(), notes: BTreeSet::new() };
    let excepted = look.everything(&network.except);
    let except = Except { addresses: excepted.into_iter().collect(), names: network.except.names.clone() };
    let mut by_ports = ByPorts::new();
    let names = match &network.peers {
        Some(peers) => {
            look.peers(peers, &network.ports, &mut by_ports);
            peers.names.clone()
        }
        None if network.ports.is_empty() && network.except.is_empty() => Vec::new(),
        None => {
            by_ports.insert(network.ports.clone(), everyone());
            Vec::new()
        }
    };
    let count = by_ports.values().map(BTreeSet::len).sum::<usize>() + except.addresses.len();
    if count > MAX_ADDRESSES {
        look.refusals.push(ClusterRefusal::TooManyPeers { addresses: count, most: MAX_ADDRESSES });
    }
    let named = network.peers.is_some() && names.is_empty();
    let all = || by_ports.values().flatten();
    if named && all().next().is_some() && all().all(|net| except.addresses.iter().any(|e| e.contains(net))) {
        look.refusals.push(ClusterRefusal::PeersExcepted);
    }
    if !look.refusals.is_empty() {
        return Err(look.refusals);
    }
    Ok(Resolved { entries: entries(by_ports, names, &network.ports, &except), notes: look.notes.into_iter().collect() })
}

/// Resolves again while a fault stands: what is gone no longer refuses, it is only missing.
///
/// # Errors
/// Nobody is left, or a list could not be read.
pub fn peer_addresses(
    world: &World,
    network: &Network,
    namespace: &str,
) -> Result<Vec<PeerEntry>, Vec<ClusterRefusal>> {
    match resolve(world, network, namespace) {
        Ok(resolved) => Ok(resolved.entries),
        Err(refusals) => {
            let gone = |r: &ClusterRefusal| {
                matches!(
                    r,
                    ClusterRefusal::PeerEmpty { .. }
                        | ClusterRefusal::PeerMissing { .. }
                        | ClusterRefusal::PeerPort { .. }
                )
            };
            if !refusals.iter().all(gone) {
                return Err(refusals);
            }
            let left =
                Network { peers: network.peers.as_ref().map(|p| present(world, p, namespace)), ..network.clone() };
            match &left.peers {
                Some(peers) if peers.is_empty() => Err(refusals),
                Some(_) | None => resolve(world, &left, namespace).map(|r| r.entries),
            }
        }
    }
}

/// Returns the part of `named` that still has an address.
fn present(world: &World, named: &PeerNames, namespace: &str) -> PeerNames {
    let mut look = Look { world, namespace, refusals: Vec::new(), notes: BTreeSet::new() };
    let services = named.services.iter().filter(|s| look.service(s).is_some()).cloned().collect();
    let mut pods = Vec::new();
    for wanted in &named.pods {
        let namespaces: Vec<String> = match wanted.namespaces.as_slice() {
            [] => vec![namespace.to_owned()],
            names => names.to_vec(),
        };
        for namespace in namespaces {
            let one = PodPeers { selector: wanted.selector.clone(), namespaces: vec![namespace] };
            if !look.pods(&one).is_empty() {
                pods.push(one);
            }
        }
    }
    PeerNames { services, pods, ..named.clone() }
}

fn entries(mut by_ports: ByPorts, names: Vec<String>, ports: &[Port], except: &Except) -> Vec<PeerEntry> {
    let entry = |addresses: BTreeSet<IpNet>, names, ports| PeerEntry {
        addresses: addresses.into_iter().collect(),
        names,
        ports,
        except: except.clone(),
    };
    let mut entries = Vec::new();
    let written = by_ports.remove(ports).unwrap_or_default();
    if !written.is_empty() || !names.is_empty() {
        entries.push(entry(written, names, ports.to_vec()));
    }
    entries.extend(by_ports.into_iter().filter(|(_, a)| !a.is_empty()).map(|(p, a)| entry(a, Vec::new(), p)));
    entries
}

/// Everyone, said in addresses: an entry without any would be one mistake away from it.
fn everyone() -> BTreeSet<IpNet> {
    [IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())].into()
}

struct Look<'w> {
    world: &'w World,
    namespace: &'w str,
    refusals: Vec<ClusterRefusal>,
    notes: BTreeSet<String>,
}

impl<'w> Look<'w> {
    fn peers(&mut self, peers: &PeerNames, ports: &[Port], by_ports: &mut ByPorts) {
        by_ports.entry(ports.to_vec()).or_default().extend(peers.addresses.iter().copied());
        for name in &peers.services {
            let Some(service) = self.service(name) else { continue };
            by_ports.entry(ports.to_vec()).or_default().extend(service.cluster_ips.iter().map(|a| net(*a)));
            if !ports.is_empty() && !service.ports.iter().any(|p| within(ports, p.protocol, p.port)) {
                self.refusals.push(ClusterRefusal::PeerPort {
                    peer: shown(service),
                    wanted: list(ports),
                    has: list(&service.ports.iter().map(|p| single(p.protocol, p.port)).collect::<Vec<_>>()),
                });
            }
            for backend in &service.backends {
                let targets = backend.targets.iter().filter(|t| within(ports, t.protocol, t.port));
                let to: Vec<Port> =
                    if ports.is_empty() { Vec::new() } else { merged(targets.map(|t| single(t.protocol, t.target))) };
                if ports.is_empty() || !to.is_empty() {
                    by_ports.entry(to).or_default().extend(backend.addresses.iter().map(|a| net(*a)));
                }
            }
        }
        let mut uids: BTreeSet<&Text> = BTreeSet::new();
        for wanted in &peers.pods {
            for pod in self.pods(wanted) {
                uids.insert(&pod.uid);
                by_ports.entry(ports.to_vec()).or_default().extend(pod.addresses.iter().map(|a| net(*a)));
            }
        }
        if !uids.is_empty() {
            self.in_front_of(&uids, ports, by_ports);
        }
    }

    /// Adds the ClusterIPs of every Service that leads to one of these pods, with the ports that lead there.
    fn in_front_of(&mut self, uids: &BTreeSet<&Text>, ports: &[Port], by_ports: &mut ByPorts) {
        let services = match &self.world.services {
            Ok(services) => services,
            Err(why) => return self.unknown("Services", &why.why.clone()),
        };
        for service in services.iter().filter(|s| !s.cluster_ips.is_empty()) {
            let meant = |pod: &Option<Text>| pod.as_ref().is_some_and(|uid| uids.contains(uid));
            let (ours, others): (Vec<_>, Vec<_>) = service.backends.iter().partition(|b| meant(&b.pod));
            if ours.is_empty() {
                continue;
            }
            let leads = |t: &&TargetPort| within(ports, t.protocol, t.target);
            let front = if ports.is_empty() {
                Vec::new()
            } else {
                merged(ours.iter().flat_map(|b| &b.targets).filter(leads).map(|t| single(t.protocol, t.port)))
            };
            if !ports.is_empty() && front.is_empty() {
                continue;
            }
            if !others.is_empty() {
                let what = shown(service);
                self.notes
                    .insert(format!("{what} also leads to pods that `peers` does not name: its ClusterIP is hit"));
            }
            by_ports.entry(front).or_default().extend(service.cluster_ips.iter().map(|a| net(*a)));
        }
    }

    /// Returns every address of what is named, whatever its ports.
    fn everything(&mut self, named: &PeerNames) -> BTreeSet<IpNet> {
        let mut by_ports = ByPorts::new();
        self.peers(named, &[], &mut by_ports);
        by_ports.into_values().flatten().collect()
    }

    fn service(&mut self, name: &ServiceName) -> Option<&'w Service> {
        let namespace = name.namespace.as_deref().unwrap_or(self.namespace);
        let services = match &self.world.services {
            Ok(services) => services,
            Err(why) => {
                self.unknown("Services", &why.why.clone());
                return None;
            }
        };
        let peer = format!("Service {namespace}/{}", name.name);
        let Some(found) = services.iter().find(|s| *s.namespace == *namespace && *s.name == *name.name) else {
            self.refusals.push(ClusterRefusal::PeerMissing { peer });
            return None;
        };
        if let Some(external) = &found.external_name {
            let why = format!("it stands for {external}, which `names` can name");
            self.refusals.push(ClusterRefusal::PeerEmpty { peer, why });
            return None;
        }
        if found.backends.iter().all(|b| b.addresses.is_empty()) {
            self.refusals.push(ClusterRefusal::PeerEmpty { peer, why: "nothing stands behind it".into() });
            return None;
        }
        Some(found)
    }

    fn pods(&mut self, wanted: &PodPeers) -> Vec<&'w Arc<Pod>> {
        let pods = match &self.world.pods {
            Ok(pods) => pods,
            Err(why) => {
                self.unknown("pods", &why.why.clone());
                return Vec::new();
            }
        };
        let mut found = Vec::new();
        let namespaces: Vec<&str> = match wanted.namespaces.as_slice() {
            [] => vec![self.namespace],
            names => names.iter().map(String::as_str).collect(),
        };
        for namespace in namespaces {
            let live = |pod: &&Arc<Pod>| {
                *pod.namespace == *namespace
                    && !matches!(pod.phase, Phase::Failed | Phase::Succeeded)
                    && wanted.selector.matches(&pod.labels)
                    && !pod.addresses.is_empty()
            };
            let before = found.len();
            found.extend(pods.iter().filter(live));
            if found.len() == before {
                let peer = format!("pods {} of {namespace}", wanted.selector);
                self.refusals.push(ClusterRefusal::PeerEmpty { peer, why: "no running pod matches".into() });
            }
        }
        if let Some(pod) = found.iter().find(|p| p.host_network) {
            self.notes.insert(format!("{pod} shares its node's network: everything at that node's address is meant"));
        }
        found
    }

    fn unknown(&mut self, list: &str, why: &str) {
        let refusal = ClusterRefusal::ListUnknown { list: list.into(), why: why.into() };
        if !self.refusals.contains(&refusal) {
            self.refusals.push(refusal);
        }
    }
}

fn shown(service: &Service) -> String {
    format!("Service {}/{}", service.namespace, service.name)
}

fn net(address: IpAddr) -> IpNet {
    IpNet::from(address.to_canonical())
}

fn single(protocol: crate::scope::Protocol, port: u16) -> Port {
    Port { protocol, from: port, to: port }
}

/// Returns whether a port is meant; an empty list means any.
fn within(ports: &[Port], protocol: crate::scope::Protocol, port: u16) -> bool {
    ports.is_empty() || ports.iter().any(|p| p.protocol == protocol && (p.from..=p.to).contains(&port))
}

/// Returns one sorted list without repeats or overlaps.
fn merged(ports: impl Iterator<Item = Port>) -> Vec<Port> {
    let all: BTreeSet<Port> = ports.collect();
    let mut merged: Vec<Port> = Vec::new();
    for port in all {
        match merged.last_mut() {
            Some(last) if last.protocol == port.protocol && port.from <= last.to.saturating_add(1) => {
                last.to = last.to.max(port.to);
            }
            Some(_) | None => merged.push(port),
        }
    }
    merged
}

fn list(ports: &[Port]) -> String {
    if ports.is_empty() { "none".into() } else { ports.iter().map(Port::to_string).collect::<Vec<_>>().join(", ") }
}
