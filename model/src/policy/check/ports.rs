//! Ports and protocols: what can match at all, and nothing that never would.

use super::network::Written;
use super::place::Place;
use crate::scope::{Port, Protocol};
use crate::wire::{self, NumberOrText};

/// Ports and protocols that fit together.
#[derive(Debug)]
pub(super) struct Ports {
    pub(super) peer: Vec<Port>,
    pub(super) local: Vec<Port>,
    pub(super) protocols: Vec<Protocol>,
}

/// A port as it is written: without protocol it is of TCP and of UDP.
#[derive(Clone, Copy, Debug)]
struct Plain {
    protocol: Option<Protocol>,
    from: u16,
    to: u16,
}

impl Plain {
    fn is_of(self, protocol: Protocol) -> bool {
        self.protocol.is_none_or(|p| p == protocol) && protocol != Protocol::Icmp
    }
}

/// Outer `None`: a problem was noted.
pub(super) fn check(written: &Written<'_>, place: &Place<'_>) -> Option<Ports> {
    let peer = list(written.ports, &place.field("ports"));
    let local = list(written.local_ports, &place.field("localPorts"));
    let protocols = protocols(written.protocols, &place.field("protocols"));
    let (peer, local, protocols) = (peer?, local?, protocols?);
    let allowed: Vec<Protocol> = [Protocol::Tcp, Protocol::Udp, Protocol::Icmp]
        .into_iter()
        .filter(|p| protocols.is_empty() || protocols.contains(p))
        .filter(|p| [&peer, &local].iter().all(|l| l.is_empty() || l.iter().any(|port| port.is_of(*p))))
        .collect();
    let mut good = true;
    for (name, ports) in [("ports", &peer), ("localPorts", &local)] {
        for (i, port) in ports.iter().enumerate() {
            if !allowed.iter().any(|p| port.is_of(*p)) {
                let what = "can never match: nothing else here allows its protocol";
                place.field(name).item(i).wrong(what, "take it out, or let `protocols` and the other ports allow it");
                good = false;
            }
        }
    }
    for (i, protocol) in protocols.iter().enumerate() {
        if !allowed.contains(protocol) {
            let what = match protocol {
                Protocol::Icmp => "can never match: ICMP has no ports",
                Protocol::Tcp | Protocol::Udp => "can never match: no port of it is listed",
            };
            place.field("protocols").item(i).wrong(what, "take it out, or the ports that contradict it");
            good = false;
        }
    }
    good.then(|| Ports { peer: expand(&peer, &allowed), local: expand(&local, &allowed), protocols })
}

fn protocols(written: Option<&Vec<wire::Protocol>>, place: &Place<'_>) -> Option<Vec<Protocol>> {
    let written_list = place.filled(written);
    if written.is_some() && written_list.is_empty() {
        return None;
    }
    let mut all = Vec::new();
    for protocol in written_list {
        let protocol = match protocol {
            wire::Protocol::Tcp => Protocol::Tcp,
            wire::Protocol::Udp => Protocol::Udp,
            wire::Protocol::Icmp => Protocol::Icmp,
        };
        if !all.contains(&protocol) {
            all.push(protocol);
        }
    }
    Some(all)
}

fn list(written: Option<&Vec<NumberOrText>>, place: &Place<'_>) -> Option<Vec<Plain>> {
    let list = place.filled(written);
    let ports: Vec<Plain> = list.iter().enumerate().filter_map(|(i, p)| port(p, &place.item(i))).collect();
    (ports.len() == list.len() && (written.is_none() || !list.is_empty())).then_some(ports)
}

fn port(written: &NumberOrText, place: &Place<'_>) -> Option<Plain> {
    let text = written.to_string();
    let (range, protocol) = match text.split_once('/') {
        None => (text.as_str(), None),
        Some((range, "TCP")) => (range, Some(Protocol::Tcp)),
        Some((range, "UDP")) => (range, Some(Protocol::Udp)),
        Some((_, other)) => {
            place.wrong(format!("`{other}` is no protocol with ports here"), "write 5432/TCP or 53/UDP");
            return None;
        }
    };
    let (from, to) = range.split_once('-').unwrap_or((range, range));
    match (number(from), number(to)) {
        (Some(from), Some(to)) if from <= to => Some(Plain { protocol, from, to }),
        (Some(_), Some(_)) => {
            place.wrong(format!("`{text}` ends before it begins"), "write the lower port first");
            None
        }
        (None, _) | (_, None) => {
            place.wrong(format!("`{text}` is no port"), "write 1 to 65535, like 5432, 5432/TCP or 8000-8100/UDP");
            None
        }
    }
}

/// Reads 1 to 65535, digits only (`parse` alone would take `+80`).
fn number(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|n| digits && *n >= 1)
}

/// Returns one sorted list without overlaps: a kernel set refuses ranges that overlap.
fn expand(ports: &[Plain], allowed: &[Protocol]) -> Vec<Port> {
    let mut all: Vec<Port> = Vec::new();
    for port in ports {
        let of = allowed.iter().filter(|p| port.is_of(**p));
        all.extend(of.map(|p| Port { protocol: *p, from: port.from, to: port.to }));
    }
    all.sort();
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
