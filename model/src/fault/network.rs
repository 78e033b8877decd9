//! The part that all network faults share: which packets they are about, before names are resolved.

use crate::cluster::labels::LabelSelector;
use crate::scope::{Addresses, Devices, Direction, Exempt, Peers, Port, Protocol, Scope};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Which packets a network fault is about. All parts are combined with AND; `except` wins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    pub direction: Direction,
    pub devices: Devices,
    /// `None` means everyone.
    pub peers: Option<PeerNames>,
    pub except: PeerNames,
    pub ports: Vec<Port>,
    pub local_ports: Vec<Port>,
    pub protocols: Vec<Protocol>,
    /// Of a pod's own probe ports, from its node; in a cluster only.
    #[serde(default)]
    pub probes: Probes,
    /// Addresses may join while the fault stands; in a cluster only.
    #[serde(default)]
    pub follow: bool,
}

/// Whether a pod's probes from its node are hit too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Probes {
    #[default]
    Exempt,
    Include,
}

/// Peers as a policy writes them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerNames {
    pub addresses: Vec<IpNet>,
    /// DNS names, resolved once, at plan time, as the target resolves them.
    pub names: Vec<String>,
    /// In a cluster only.
    #[serde(default)]
    pub pods: Vec<PodPeers>,
    /// In a cluster only.
    #[serde(default)]
    pub services: Vec<ServiceName>,
}

/// Pods on the other side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodPeers {
    pub selector: LabelSelector,
    /// Empty: the run's own.
    pub namespaces: Vec<String>,
}

/// A Service on the other side.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ServiceName {
    /// `None`: the run's own.
    pub namespace: Option<String>,
    pub name: String,
}

impl PeerNames {
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.names.is_empty() && self.pods.is_empty() && self.services.is_empty()
    }

    fn namespaces(&self) -> impl Iterator<Item = &str> {
        let pods = self.pods.iter().flat_map(|p| &p.namespaces);
        pods.chain(self.services.iter().filter_map(|s| s.namespace.as_ref())).map(String::as_str)
    }
}

impl Network {
    /// Returns every namespace that its peers and exceptions name; twice where they do.
    pub fn namespaces(&self) -> impl Iterator<Item = &str> {
        self.peers.iter().chain([&self.except]).flat_map(PeerNames::namespaces)
    }

    /// Returns every name that has to be resolved, in order, once each.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.peers.iter().chain([&self.except]).flat_map(|p| &p.names).map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Returns the packets meant, with every name replaced by what `resolved` says.
    ///
    /// # Errors
    /// The name that `resolved` does not know.
    pub fn scope<'a>(
        &'a self,
        resolved: impl Fn(&str) -> Option<&'a [IpAddr]>,
        exempt: Vec<Exempt>,
    ) -> Result<Scope, String> {
        let collect = |peers: &PeerNames| -> Result<Addresses, String> {
            let mut nets = peers.addresses.clone();
            for name in &peers.names {
                let found = resolved(name).ok_or_else(|| name.clone())?;
                nets.extend(found.iter().copied().map(IpNet::from));
            }
            Ok(Addresses::new(nets))
        };
        Ok(Scope {
            direction: self.direction,
            devices: self.devices.clone(),
            peers: match &self.peers {
                None => Peers::Everyone,
                Some(peers) => Peers::Only(collect(peers)?),
            },
            except: collect(&self.except)?,
            ports: self.ports.clone(),
            local_ports: self.local_ports.clone(),
            protocols: self.protocols.clone(),
            exempt,
        })
    }

    /// Returns whom and which packets, in words.
    pub fn summary(&self) -> String {
        let mut parts = vec![match self.direction {
            Direction::Egress => "outgoing".to_owned(),
            Direction::Ingress => "incoming".to_owned(),
            Direction::Both => "both directions".to_owned(),
        }];
        match &self.peers {
            None => parts.push("all peers".into()),
            Some(peers) => parts.push(format!("peers {}", list(peers))),
        }
        if !self.except.is_empty() {
            parts.push(format!("except {}", list(&self.except)));
        }
        if !self.ports.is_empty() {
            parts.push(format!("their ports {}", ports(&self.ports)));
        }
        if !self.local_ports.is_empty() {
            parts.push(format!("own ports {}", ports(&self.local_ports)));
        }
        if !self.protocols.is_empty() {
            let names: Vec<String> = self.protocols.iter().map(|p| format!("{p:?}").to_uppercase()).collect();
            parts.push(names.join("+"));
        }
        if let Devices::Named(devices) = &self.devices {
            let names: Vec<&str> = devices.iter().map(crate::scope::Device::as_str).collect();
            parts.push(format!("device {}", names.join(", ")));
        }
        parts.join(", ")
    }
}

fn list(peers: &PeerNames) -> String {
    let mut all: Vec<String> = peers.addresses.iter().take(4).map(short).collect();
    all.extend(peers.names.iter().take(4).cloned());
    all.extend(peers.services.iter().take(4).map(|s| match &s.namespace {
        None => format!("Service {}", s.name),
        Some(namespace) => format!("Service {namespace}/{}", s.name),
    }));
    all.extend(peers.pods.iter().take(4).map(|p| match p.namespaces.is_empty() {
        true => format!("pods {}", p.selector),
        false => format!("pods {} of {}", p.selector, p.namespaces.join(", ")),
    }));
    let named = peers.addresses.len() + peers.names.len() + peers.services.len() + peers.pods.len();
    let more = named.saturating_sub(all.len());
    if more > 0 {
        all.push(format!("and {more} more"));
    }
    all.join(", ")
}

fn short(net: &IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.to_string() }
}

fn ports(ports: &[Port]) -> String {
    ports.iter().map(Port::to_string).collect::<Vec<_>>().join(", ")
}
