//! The part that all network faults share: which packets they are about, before names are resolved.

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
}

/// Peers as a policy writes them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerNames {
    pub addresses: Vec<IpNet>,
    /// DNS names, resolved once, at plan time, as the target resolves them.
    pub names: Vec<String>,
}

impl Network {
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
        if !self.except.addresses.is_empty() || !self.except.names.is_empty() {
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
    let more = (peers.addresses.len() + peers.names.len()).saturating_sub(all.len());
    if more > 0 {
        all.push(format!("and {more} more"));
    }
    all.join(", ")
}

fn short(net: &IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.to_string() }
}

fn ports(ports: &[Port]) -> String {
    let one = |p: &Port| {
        let protocol = format!("{:?}", p.protocol).to_uppercase();
        if p.from == p.to { format!("{}/{protocol}", p.from) } else { format!("{}-{}/{protocol}", p.from, p.to) }
    };
    ports.iter().map(one).collect::<Vec<_>>().join(", ")
}
