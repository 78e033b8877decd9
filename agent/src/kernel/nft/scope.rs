//! A scope as nf_tables matches: which selections it falls into, and the expressions of each.
//!
//! Pure. The peer is the destination of what the target sends and the source of what it receives; ports likewise.

use super::build::BuildError;
use super::expr::{Base, Expressions, Meta, Operator};
use super::message::Family;
use rumpus_model::scope::{Addresses, Exempt, Peers, Port, Protocol, Scope};
use std::net::IpAddr;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V4,
    V6,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Egress,
    Ingress,
}

/// Packets that one rule can match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selection {
    pub version: Version,
    pub protocol: Option<Protocol>,
    /// Whether the peer must be in the set of peers.
    pub peers: bool,
    /// Whether the peer's port must be in the set of the protocol's ports.
    pub ports: bool,
    /// Whether the target's own port must be in the set of the protocol's own ports.
    pub local_ports: bool,
}

impl Version {
    pub(super) fn peers(self) -> &'static str {
        match self {
            Self::V4 => "t4",
            Self::V6 => "t6",
        }
    }

    pub(super) fn except(self) -> &'static str {
        match self {
            Self::V4 => "x4",
            Self::V6 => "x6",
        }
    }

    fn has(self, addresses: &Addresses) -> bool {
        match self {
            Self::V4 => !addresses.v4().is_empty(),
            Self::V6 => !addresses.v6().is_empty(),
        }
    }
}

/// Returns the IP versions that a table of this family sees.
pub(super) fn versions(family: Family) -> &'static [Version] {
    match family {
        Family::Inet | Family::Netdev => &[Version::V4, Version::V6],
        Family::Ip => &[Version::V4],
        Family::Ip6 => &[Version::V6],
    }
}

/// The name of the set of a protocol's ports; none for a protocol without ports.
pub(super) fn port_set(protocol: Protocol, local: bool) -> Option<&'static str> {
    match (protocol, local) {
        (Protocol::Tcp, false) => Some("pt"),
        (Protocol::Udp, false) => Some("pu"),
        (Protocol::Tcp, true) => Some("lt"),
        (Protocol::Udp, true) => Some("lu"),
        (Protocol::Icmp, _) => None,
    }
}

/// Splits a scope into what single rules can match; empty if no packet of the family can be in it.
pub(super) fn selections(scope: &Scope, family: Family) -> Vec<Selection> {
    let mut all = Vec::new();
    for version in versions(family) {
        let peers = match &scope.peers {
            Peers::Everyone => false,
            Peers::Only(addresses) if version.has(addresses) => true,
            Peers::Only(_) => continue,
        };
        for protocol in protocols(scope) {
            let (ports, local_ports) = (!scope.ports.is_empty(), !scope.local_ports.is_empty());
            all.push(Selection { version: *version, protocol, peers, ports, local_ports });
        }
    }
    all
}

fn protocols(scope: &Scope) -> Vec<Option<Protocol>> {
    if scope.protocols.is_empty() && scope.ports.is_empty() && scope.local_ports.is_empty() {
        return vec![None];
    }
    let named = |ports: &[Port], protocol| ports.is_empty() || ports.iter().any(|port| port.protocol == protocol);
    let meant = |protocol: &Protocol| {
        (scope.protocols.is_empty() || scope.protocols.contains(protocol))
            && named(&scope.ports, *protocol)
            && named(&scope.local_ports, *protocol)
    };
    [Protocol::Icmp, Protocol::Tcp, Protocol::Udp].into_iter().filter(meant).map(Some).collect()
}

impl Selection {
    /// `[meta protocol ip] ip daddr @t4 meta l4proto tcp th dport @pt th sport @lt`
    pub(super) fn expressions(&self, family: Family, way: Way) -> Expressions {
        let mut matching = version(family, self.version);
        if self.peers {
            matching = peer_address(matching, self.version, way).lookup(self.version.peers());
        }
        let Some(protocol) = self.protocol else { return matching };
        matching = layer4(matching, self.version, protocol);
        if let (true, Some(set)) = (self.ports, port_set(protocol, false)) {
            matching = peer_port(matching, way).lookup(set);
        }
        if let (true, Some(set)) = (self.local_ports, port_set(protocol, true)) {
            matching = local_port(matching, way).lookup(set);
        }
        matching
    }
}

/// `ip daddr @x4`
pub(super) fn excepted(family: Family, ip: Version, way: Way) -> Expressions {
    peer_address(version(family, ip), ip, way).lookup(ip.except())
}

/// `icmpv6 type 130-136` and `icmpv6 type 143`: neighbour discovery (RFC 4861), without which a link is dead, not
/// partitioned, and multicast listener reports (RFC 2710, RFC 3810), which a kernel sends by itself: they are no traffic
/// of the victim, and must not prove an effect.
pub(super) fn link_management(family: Family) -> [Expressions; 2] {
    let icmp_type = || layer4(version(family, Version::V6), Version::V6, Protocol::Icmp).payload(Base::Transport, 0, 1);
    [
        icmp_type().compare(Operator::AtLeast, &[130]).compare(Operator::AtMost, &[136]),
        icmp_type().compare(Operator::Equal, &[143]),
    ]
}

/// `ip daddr 10.0.0.1 tcp dport 6443 tcp sport 22`, once for each IP version and protocol that is meant.
pub(super) fn exempt(exempt: &Exempt, family: Family, way: Way) -> Result<Vec<Expressions>, BuildError> {
    let ports = exempt.peer_port.is_some() || exempt.local_port.is_some();
    if exempt.peer.is_none() && exempt.protocol.is_none() && !ports {
        return Err(BuildError::ExemptsEverything { reason: exempt.reason.clone() });
    }
    let protocols = match exempt.protocol {
        Some(Protocol::Icmp) if ports => return Err(BuildError::PortOfIcmp { reason: exempt.reason.clone() }),
        Some(protocol) => vec![Some(protocol)],
        None if ports => vec![Some(Protocol::Tcp), Some(Protocol::Udp)],
        None => vec![None],
    };
    let mut all = Vec::new();
    for ip in versions(family) {
        let address = match (exempt.peer, ip) {
            (None, _) => None,
            (Some(IpAddr::V4(a)), Version::V4) => Some(a.octets().to_vec()),
            (Some(IpAddr::V6(a)), Version::V6) => Some(a.octets().to_vec()),
            (Some(_), _) => continue,
        };
        for protocol in &protocols {
            let mut matching = version(family, *ip);
            if let Some(address) = &address {
                matching = peer_address(matching, *ip, way).compare(Operator::Equal, address);
            }
            if let Some(protocol) = protocol {
                matching = layer4(matching, *ip, *protocol);
            }
            if let Some(port) = exempt.peer_port {
                matching = peer_port(matching, way).compare(Operator::Equal, &port.to_be_bytes());
            }
            if let Some(port) = exempt.local_port {
                matching = local_port(matching, way).compare(Operator::Equal, &port.to_be_bytes());
            }
            all.push(matching);
        }
    }
    Ok(all)
}

/// `meta l4proto tcp`
pub(super) fn layer4(matching: Expressions, ip: Version, protocol: Protocol) -> Expressions {
    // include/uapi/linux/in.h, in6.h: IPPROTO_*
    let number = match (protocol, ip) {
        (Protocol::Icmp, Version::V4) => 1,
        (Protocol::Icmp, Version::V6) => 58,
        (Protocol::Tcp, _) => 6,
        (Protocol::Udp, _) => 17,
    };
    matching.meta(Meta::L4Proto).compare(Operator::Equal, &[number])
}

fn version(family: Family, ip: Version) -> Expressions {
    let (nf_proto, ether_type) = match ip {
        Version::V4 => (2, [0x08, 0x00]),
        Version::V6 => (10, [0x86, 0xdd]),
    };
    match family {
        Family::Inet => Expressions::default().meta(Meta::NfProto).compare(Operator::Equal, &[nf_proto]),
        Family::Netdev => Expressions::default().meta(Meta::Protocol).compare(Operator::Equal, &ether_type),
        Family::Ip | Family::Ip6 => Expressions::default(),
    }
}

fn peer_address(matching: Expressions, ip: Version, way: Way) -> Expressions {
    // Offsets in the IPv4 and IPv6 headers (RFC 791, RFC 8200).
    let (offset, length) = match (ip, way) {
        (Version::V4, Way::Egress) => (16, 4),
        (Version::V4, Way::Ingress) => (12, 4),
        (Version::V6, Way::Egress) => (24, 16),
        (Version::V6, Way::Ingress) => (8, 16),
    };
    matching.payload(Base::Network, offset, length)
}

fn peer_port(matching: Expressions, way: Way) -> Expressions {
    let offset = match way {
        Way::Egress => 2,
        Way::Ingress => 0,
    };
    matching.payload(Base::Transport, offset, 2)
}

fn local_port(matching: Expressions, way: Way) -> Expressions {
    let offset = match way {
        Way::Egress => 0,
        Way::Ingress => 2,
    };
    matching.payload(Base::Transport, offset, 2)
}
