//! A filter as the messages that make its table.
//!
//! Pure. One table, for an address list in both directions at hook `Device`:
//! ```text
//! create table netdev rumpus_0000001a_00000001 {
//!   comment "…"
//!   set armed { type ether_type; flags timeout; elements = { ip timeout 3s, ip6 timeout 3s } }
//!   set t4 { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 } }
//!   chain out { icmpv6 type 130-136 accept; icmpv6 type 143 accept; EXEMPT accept; ip daddr @x4 accept; ip daddr @t4 counter drop }
//!   chain in  { … ip saddr @t4 counter drop }
//!   chain out_passed { … ip daddr @t4 counter }
//!   chain out0 { type filter hook egress device "eth0" priority -350; meta protocol @armed jump out }
//!   chain out_passed0 { type filter hook egress device "eth0" priority -349; meta protocol @armed jump out_passed }
//! }
//! ```
//! Everything sits behind `armed`, which the kernel empties by itself. The `_passed` chains are the witness: they
//! count, right after the verdict, the packets in scope that got past it. A packet that is between the two hooks at
//! the instant of the commit is counted although the verdict never saw it.

use super::expr::{Expressions, Meta, Operator};
use super::message::{
    ETHER_TYPE, Family, INET_SERVICE, IPV4_ADDR, IPV6_ADDR, Interval, KeyType, NF_PROTO, Table, create_table,
};
use super::scope::{self, Selection, Version, Way};
use crate::kernel::netlink::Message;
use rumpus_model::change::{Filter, Hook, Verdict};
use rumpus_model::scope::{Addresses, Devices, Peers, Port, Protocol};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// The gate.
pub(super) const ARMED: &str = "armed";
pub(super) const OUT: &str = "out";
pub(super) const IN: &str = "in";
pub(super) const OUT_PASSED: &str = "out_passed";
pub(super) const IN_PASSED: &str = "in_passed";
/// Where `armed` is filled, counted from the table's own message: table, set, elements.
pub(super) const ARM_AT: usize = 2;

/// Verdicts that end a packet come before those that only move it elsewhere, so that both can be on one device.
const DROP_PRIORITY: i32 = -350;
const FORWARD_PRIORITY: i32 = 0;
/// `NF_IP_PRI_MANGLE`: the addresses are not translated yet.
const QUEUE_PRIORITY: i32 = -150;
/// nft takes comments of up to 128 bytes; the kernel up to 256 with its framing.
const LONGEST_COMMENT: usize = 127;

/// What a filter needs to know of the namespace that it goes into.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wiring {
    /// The devices for hook `Device`, by name; the other hooks take the scope's own.
    pub devices: Vec<String>,
    /// The link that delays what the target sends, for verdict `Delay`.
    pub egress_link: Option<u32>,
    /// The link that delays what the target receives, for verdict `Delay`.
    pub ingress_link: Option<u32>,
    /// The queue's number, for verdict `Queue`.
    pub queue: Option<u16>,
}

/// Why a filter cannot become a table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    #[error("the comment is longer than {LONGEST_COMMENT} bytes")]
    Comment,
    #[error("the exemption `{reason}` would exempt everything")]
    ExemptsEverything { reason: String },
    #[error("the verdict {verdict:?} does not work at the hook {hook:?}")]
    Hook { hook: Hook, verdict: Verdict },
    #[error("the filter has no device to sit on")]
    NoDevice,
    #[error("the verdict {verdict:?} lacks its link or queue")]
    NotWired { verdict: Verdict },
    #[error("the exemption `{reason}` names a port of ICMP")]
    PortOfIcmp { reason: String },
    #[error("no packet can be in the filter's scope")]
    Unmatchable,
}

/// Returns the families that a filter at this hook needs a table in.
pub fn families(hook: Hook) -> &'static [Family] {
    match hook {
        Hook::Device => &[Family::Netdev],
        Hook::Stack => &[Family::Inet],
        Hook::Routing => &[Family::Ip, Family::Ip6],
    }
}

/// The gate's elements: one for each IP version that the family sees.
pub(super) fn gate(family: Family) -> Vec<Vec<u8>> {
    match family {
        Family::Inet => vec![vec![2], vec![10]],
        Family::Ip => vec![vec![2]],
        Family::Ip6 => vec![vec![10]],
        Family::Netdev => vec![vec![0x08, 0x00], vec![0x86, 0xdd]],
    }
}

/// `add element T armed { ip timeout LEFT, ip6 timeout LEFT }`
pub(super) fn arm(table: Table<'_>, left: Duration) -> Message {
    table.timed_elements(ARMED, &gate(table.family), left)
}

/// Returns the messages that make the filter's table in one family. The gate's time is filled in at the send.
pub(super) fn table(
    table: Table<'_>,
    comment: &str,
    filter: &Filter,
    wiring: &Wiring,
) -> Result<Vec<Message>, BuildError> {
    check(comment, filter, wiring)?;
    let mut messages = vec![
        create_table(table.family, table.name, comment),
        table.timed_set(ARMED, gate_type(table.family), 1),
        arm(table, Duration::from_secs(1)),
    ];
    messages.extend(sets(table, filter));
    let selections = scope::selections(&filter.scope, table.family);
    for way in [Way::Egress, Way::Ingress] {
        if !meant(filter, way) {
            continue;
        }
        let (chain, passed) = chains(way);
        messages.extend([table.chain(chain), table.chain(passed)]);
        for accepted in exemptions(table.family, filter, way)? {
            messages.push(table.rule(chain, accepted.clone().accept().list()));
            messages.push(table.rule(passed, accepted.accept().list()));
        }
        for selection in &selections {
            for rule in verdicts(selection, table.family, way, filter.verdict, wiring)? {
                messages.push(table.rule(chain, rule.list()));
            }
            let witness = selection.expressions(table.family, way).counter();
            messages.push(table.rule(passed, witness.list()));
        }
        messages.extend(base_chains(table, filter, wiring, way));
    }
    Ok(messages)
}

fn check(comment: &str, filter: &Filter, wiring: &Wiring) -> Result<(), BuildError> {
    if comment.len() > LONGEST_COMMENT {
        return Err(BuildError::Comment);
    }
    let fits = match filter.verdict {
        Verdict::Delay => filter.hook == Hook::Device,
        Verdict::Drop | Verdict::Lose { .. } => filter.hook != Hook::Routing,
        Verdict::Queue => filter.hook == Hook::Routing,
        Verdict::Reject => filter.hook == Hook::Stack,
    };
    if !fits {
        return Err(BuildError::Hook { hook: filter.hook, verdict: filter.verdict });
    }
    let no_device = match (filter.hook, &filter.scope.devices) {
        (Hook::Device, _) => wiring.devices.is_empty(),
        (_, Devices::Named(names)) => names.is_empty(),
        (_, Devices::AllButLoopback) => false,
    };
    if no_device {
        return Err(BuildError::NoDevice);
    }
    let any = families(filter.hook).iter().any(|family| !scope::selections(&filter.scope, *family).is_empty());
    if any { Ok(()) } else { Err(BuildError::Unmatchable) }
}

fn gate_type(family: Family) -> KeyType {
    match family {
        Family::Inet | Family::Ip | Family::Ip6 => NF_PROTO,
        Family::Netdev => ETHER_TYPE,
    }
}

fn meant(filter: &Filter, way: Way) -> bool {
    match way {
        Way::Egress => filter.scope.direction.egress(),
        Way::Ingress => filter.scope.direction.ingress(),
    }
}

fn chains(way: Way) -> (&'static str, &'static str) {
    match way {
        Way::Egress => (OUT, OUT_PASSED),
        Way::Ingress => (IN, IN_PASSED),
    }
}

/// Sets of networks and ports, with their elements.
fn sets(table: Table<'_>, filter: &Filter) -> Vec<Message> {
    let scope = &filter.scope;
    let mut wanted: Vec<(&str, KeyType, Vec<Interval>)> = Vec::new();
    for version in scope::versions(table.family) {
        let key = match version {
            Version::V4 => IPV4_ADDR,
            Version::V6 => IPV6_ADDR,
        };
        if let Peers::Only(peers) = &scope.peers {
            wanted.push((version.peers(), key, networks(peers, *version)));
        }
        wanted.push((version.except(), key, networks(&scope.except, *version)));
    }
    for (local, ports) in [(false, &scope.ports), (true, &scope.local_ports)] {
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            if let Some(name) = scope::port_set(protocol, local) {
                wanted.push((name, INET_SERVICE, port_ranges(ports, protocol)));
            }
        }
    }
    wanted.retain(|(_, _, intervals)| !intervals.is_empty());
    let mut messages = Vec::new();
    // `armed` is number 1.
    for ((name, key, intervals), id) in wanted.iter().zip(2..) {
        messages.push(table.interval_set(name, *key, id));
        messages.extend(table.intervals(name, intervals));
    }
    messages
}

fn networks(addresses: &Addresses, version: Version) -> Vec<Interval> {
    let after4 = |last: Ipv4Addr| u32::from(last).checked_add(1).map(|next| next.to_be_bytes().to_vec());
    let after6 = |last: Ipv6Addr| u128::from(last).checked_add(1).map(|next| next.to_be_bytes().to_vec());
    match version {
        Version::V4 => {
            let nets = addresses.v4().iter();
            nets.map(|net| (net.network().octets().to_vec(), after4(net.broadcast()))).collect()
        }
        Version::V6 => {
            let nets = addresses.v6().iter();
            nets.map(|net| (net.network().octets().to_vec(), after6(net.broadcast()))).collect()
        }
    }
}

/// Ranges of one protocol as intervals, overlapping and adjacent ones merged: the kernel refuses overlaps.
fn port_ranges(ports: &[Port], protocol: Protocol) -> Vec<Interval> {
    let meant = ports.iter().filter(|port| port.protocol == protocol);
    let mut ranges: Vec<(u16, u16)> = meant.map(|port| (port.from, port.to)).collect();
    ranges.sort_unstable();
    let mut merged: Vec<(u16, u16)> = Vec::new();
    for (from, to) in ranges {
        match merged.last_mut() {
            Some((_, last)) if from <= last.saturating_add(1) => *last = to.max(*last),
            Some(_) | None => merged.push((from, to)),
        }
    }
    let bytes = |port: u16| port.to_be_bytes().to_vec();
    merged.into_iter().map(|(from, to)| (bytes(from), to.checked_add(1).map(bytes))).collect()
}

/// What is left alone, in the order of the rules.
fn exemptions(family: Family, filter: &Filter, way: Way) -> Result<Vec<Expressions>, BuildError> {
    let versions = scope::versions(family);
    let mut all = Vec::new();
    if versions.contains(&Version::V6) {
        all.extend(scope::link_management(family));
    }
    for exempt in &filter.scope.exempt {
        all.extend(scope::exempt(exempt, family, way)?);
    }
    for version in versions {
        if !networks(&filter.scope.except, *version).is_empty() {
            all.push(scope::excepted(family, *version, way));
        }
    }
    Ok(all)
}

fn verdicts(
    selection: &Selection,
    family: Family,
    way: Way,
    verdict: Verdict,
    wiring: &Wiring,
) -> Result<Vec<Expressions>, BuildError> {
    let matching = selection.expressions(family, way);
    let missing = BuildError::NotWired { verdict };
    Ok(match verdict {
        Verdict::Delay => {
            let link = match way {
                Way::Egress => wiring.egress_link,
                Way::Ingress => wiring.ingress_link,
            };
            vec![matching.counter().forward(link.ok_or(missing)?)]
        }
        Verdict::Drop => vec![matching.counter().drop()],
        Verdict::Lose { per_million } => vec![matching.draw(per_million).counter().drop()],
        Verdict::Queue => vec![matching.counter().queue(wiring.queue.ok_or(missing)?)],
        Verdict::Reject => match selection.protocol {
            Some(Protocol::Tcp) => vec![matching.counter().reject_by_reset()],
            Some(Protocol::Icmp | Protocol::Udp) => vec![matching.counter().reject_as_prohibited()],
            None => vec![
                scope::layer4(matching.clone(), selection.version, Protocol::Tcp).counter().reject_by_reset(),
                matching.counter().reject_as_prohibited(),
            ],
        },
    })
}

/// The chains that the kernel calls; each jumps into the rules while the gate is armed.
fn base_chains(table: Table<'_>, filter: &Filter, wiring: &Wiring, way: Way) -> Vec<Message> {
    let priority = match filter.verdict {
        Verdict::Delay => FORWARD_PRIORITY,
        Verdict::Drop | Verdict::Lose { .. } | Verdict::Reject => DROP_PRIORITY,
        Verdict::Queue => QUEUE_PRIORITY,
    };
    // include/uapi/linux/netfilter.h: NF_INET_*, NF_NETDEV_*
    let hook = match (filter.hook, way) {
        (Hook::Device, Way::Egress) | (Hook::Stack, Way::Ingress) => 1,
        (Hook::Device | Hook::Routing, Way::Ingress) => 0,
        (Hook::Stack, Way::Egress) => 3,
        (Hook::Routing, Way::Egress) => 4,
    };
    let (chain, passed) = chains(way);
    let mut messages = Vec::new();
    for (target, priority) in [(chain, priority), (passed, priority + 1)] {
        if filter.hook == Hook::Device {
            for (index, device) in wiring.devices.iter().enumerate() {
                let name = format!("{target}{index}");
                messages.push(table.base_chain(&name, hook, priority, Some(device)));
                messages.push(table.rule(&name, armed(table.family).jump(target).list()));
            }
        } else {
            let name = format!("{target}0");
            messages.push(table.base_chain(&name, hook, priority, None));
            for matching in on_devices(armed(table.family), &filter.scope.devices, way) {
                messages.push(table.rule(&name, matching.jump(target).list()));
            }
        }
    }
    messages
}

/// `meta protocol @armed`, `meta nfproto @armed`
fn armed(family: Family) -> Expressions {
    let key = match family {
        Family::Inet | Family::Ip | Family::Ip6 => Meta::NfProto,
        Family::Netdev => Meta::Protocol,
    };
    Expressions::default().meta(key).lookup(ARMED)
}

/// `oifname != "lo"`, or `oifname "eth0"` once for each device.
fn on_devices(matching: Expressions, devices: &Devices, way: Way) -> Vec<Expressions> {
    let key = match way {
        Way::Egress => Meta::OutputName,
        Way::Ingress => Meta::InputName,
    };
    // IFNAMSIZ: the kernel fills the register up with NULs.
    let padded = |name: &str| -> Vec<u8> { name.bytes().chain(std::iter::repeat(0)).take(16).collect() };
    match devices {
        Devices::AllButLoopback => vec![matching.meta(key).compare(Operator::Unequal, &padded("lo"))],
        Devices::Named(names) => {
            let one = |name: &rumpus_model::scope::Device| {
                matching.clone().meta(key).compare(Operator::Equal, &padded(name.as_str()))
            };
            names.iter().map(one).collect()
        }
    }
}
