//! Which packets of a target a network fault is about.
//!
//! Everything in a [`Scope`] is combined with AND, and exclusions win. It is always seen from the target: its peers
//! are the other side, `Egress` is what it sends, `Ingress` what it receives.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The packets that a network fault is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    pub direction: Direction,
    pub devices: Devices,
    pub peers: Peers,
    /// Peers that are left alone, whatever `peers` says.
    pub except: Addresses,
    /// The peer's ports; empty means any.
    pub ports: Vec<Port>,
    /// The target's own ports; empty means any.
    pub local_ports: Vec<Port>,
    /// Transport protocols; empty means any.
    pub protocols: Vec<Protocol>,
    /// Flows that must keep working (the way into a host); empty but for `host` targets.
    pub exempt: Vec<Exempt>,
}

impl Scope {
    /// Returns whether packets of a TCP connection may be in scope; by which device they go is not looked at.
    pub fn has_connection(&self, local: SocketAddr, remote: SocketAddr) -> bool {
        let peer = match &self.peers {
            Peers::Everyone => true,
            Peers::Only(peers) => peers.contains(remote.ip()),
        };
        let within = |ports: &[Port], port: u16| {
            let has = |p: &Port| p.protocol == Protocol::Tcp && (p.from..=p.to).contains(&port);
            ports.is_empty() || ports.iter().any(has)
        };
        let exempt = |e: &Exempt| {
            e.protocol.is_none_or(|p| p == Protocol::Tcp)
                && e.peer.is_none_or(|p| p == remote.ip())
                && e.peer_port.is_none_or(|p| p == remote.port())
                && e.local_port.is_none_or(|p| p == local.port())
        };
        peer && !self.except.contains(remote.ip())
            && (self.protocols.is_empty() || self.protocols.contains(&Protocol::Tcp))
            && within(&self.ports, remote.port())
            && within(&self.local_ports, local.port())
            && !self.exempt.iter().any(exempt)
            && !remote.ip().is_loopback()
    }
}

/// Which way a packet travels, seen from the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Direction {
    Egress,
    Ingress,
    Both,
}

impl Direction {
    /// Returns whether packets that the target sends are meant.
    pub fn egress(self) -> bool {
        matches!(self, Self::Egress | Self::Both)
    }

    /// Returns whether packets that the target receives are meant.
    pub fn ingress(self) -> bool {
        matches!(self, Self::Ingress | Self::Both)
    }

    /// Returns whether two directions have packets in common.
    pub fn meets(self, other: Self) -> bool {
        (self.egress() && other.egress()) || (self.ingress() && other.ingress())
    }
}

/// The network devices of the target that a fault sits on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Devices {
    AllButLoopback,
    Named(Vec<Device>),
}

/// A network device's name: 1 to 15 bytes, no `/`, no white space, not `.` or `..`
/// (`dev_valid_name` in the kernel's net/core/dev.c).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Device(String);

impl Device {
    /// Returns the name if the kernel would accept it, else what is wrong with it.
    pub fn parse(name: &str) -> Result<Self, &'static str> {
        if name.is_empty() || name.len() > 15 {
            return Err("a device name has 1 to 15 bytes");
        }
        if name == "." || name == ".." {
            return Err("a device cannot be named `.` or `..`");
        }
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | ':' | ';' | '%' | '"' | '\'');
        if !name.chars().all(plain) {
            return Err("a device name has no spaces, slashes, colons, semicolons or quotes");
        }
        Ok(Self(name.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The other side of a fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Peers {
    Everyone,
    Only(Addresses),
}

impl Peers {
    /// Returns whether two sets of peers have an address in common.
    pub fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Everyone, _) | (_, Self::Everyone) => true,
            (Self::Only(a), Self::Only(b)) => a.meets(b),
        }
    }
}

/// A set of networks, sorted, without overlaps, no host bits set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    v4: Vec<Ipv4Net>,
    v6: Vec<Ipv6Net>,
}

impl Addresses {
    /// Collects networks; overlapping and adjacent ones are merged.
    pub fn new(nets: impl IntoIterator<Item = IpNet>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for net in nets {
            match net.trunc() {
                IpNet::V4(n) => v4.push(n),
                IpNet::V6(n) => v6.push(n),
            }
        }
        Self { v4: Ipv4Net::aggregate(&v4), v6: Ipv6Net::aggregate(&v6) }
    }

    pub fn v4(&self) -> &[Ipv4Net] {
        &self.v4
    }

    pub fn v6(&self) -> &[Ipv6Net] {
        &self.v6
    }

    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(a) => self.v4.iter().any(|n| n.contains(&a)),
            IpAddr::V6(a) => self.v6.iter().any(|n| n.contains(&a)),
        }
    }

    /// Returns whether two sets have an address in common.
    pub fn meets(&self, other: &Self) -> bool {
        let v4 = |a: &Ipv4Net, b: &Ipv4Net| a.contains(&b.network()) || b.contains(&a.network());
        let v6 = |a: &Ipv6Net, b: &Ipv6Net| a.contains(&b.network()) || b.contains(&a.network());
        self.v4.iter().any(|a| other.v4.iter().any(|b| v4(a, b)))
            || self.v6.iter().any(|a| other.v6.iter().any(|b| v6(a, b)))
    }
}

/// A range of ports of one protocol, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Port {
    /// `Tcp` or `Udp`: a port written without protocol becomes two of these.
    pub protocol: Protocol,
    pub from: u16,
    pub to: u16,
}

impl fmt::Display for Port {
    /// As policies write it: `5432/TCP`, `8000-8100/UDP`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = format!("{:?}", self.protocol).to_uppercase();
        if self.from == self.to {
            write!(f, "{}/{protocol}", self.from)
        } else {
            write!(f, "{}-{}/{protocol}", self.from, self.to)
        }
    }
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Protocol {
    /// ICMP for IPv4 and ICMPv6 for IPv6 (neighbour discovery is never touched).
    Icmp,
    Tcp,
    Udp,
}

/// A flow that a fault on a host must not touch: all given parts match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exempt {
    /// Why, in words for the plan: `sshd listens on 22/TCP`.
    pub reason: String,
    pub protocol: Option<Protocol>,
    pub peer: Option<IpAddr>,
    pub peer_port: Option<u16>,
    pub local_port: Option<u16>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_in_scope_by_its_peer_its_ports_and_what_is_left_alone() {
        let port = |protocol, port| Port { protocol, from: port, to: port };
        let nets = |text: &[&str]| Addresses::new(text.iter().map(|t| t.parse::<IpNet>().unwrap()));
        let scope = Scope {
            direction: Direction::Both,
            devices: Devices::AllButLoopback,
            peers: Peers::Only(nets(&["10.0.0.0/24", "fd77::/64"])),
            except: nets(&["10.0.0.9/32"]),
            ports: vec![port(Protocol::Tcp, 5432), port(Protocol::Udp, 53)],
            local_ports: Vec::new(),
            protocols: Vec::new(),
            exempt: Vec::new(),
        };
        let has = |scope: &Scope, local: &str, remote: &str| {
            scope.has_connection(local.parse().unwrap(), remote.parse().unwrap())
        };
        assert!(has(&scope, "10.0.0.1:40000", "10.0.0.2:5432"));
        assert!(has(&scope, "[fd77::1]:40000", "[fd77::2]:5432"));
        for remote in ["10.0.1.2:5432", "10.0.0.9:5432", "10.0.0.2:53", "10.0.0.2:80"] {
            assert!(!has(&scope, "10.0.0.1:40000", remote), "{remote}");
        }
        let udp = Scope { protocols: vec![Protocol::Udp], ..scope.clone() };
        assert!(!has(&udp, "10.0.0.1:40000", "10.0.0.2:5432"));
        let served = Scope { local_ports: vec![port(Protocol::Tcp, 22)], ports: Vec::new(), ..scope.clone() };
        assert!(has(&served, "10.0.0.1:22", "10.0.0.2:40000") && !has(&served, "10.0.0.1:23", "10.0.0.2:40000"));
        let way_in =
            Exempt { reason: "sshd".into(), protocol: None, peer: None, peer_port: None, local_port: Some(22) };
        assert!(!has(&Scope { exempt: vec![way_in], ..served }, "10.0.0.1:22", "10.0.0.2:40000"));
        let all = Scope { peers: Peers::Everyone, ports: Vec::new(), ..scope };
        assert!(has(&all, "10.0.0.1:1", "1.2.3.4:5") && !has(&all, "127.0.0.1:1", "127.0.0.1:5"));
    }
}
