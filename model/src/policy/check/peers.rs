//! The other side: addresses and names, and who is left alone.

use super::place::Place;
use super::{labels, name, pods};
use crate::fault::network::{PeerNames, PodPeers, ServiceName};
use crate::wire;
use ipnet::IpNet;
use std::net::IpAddr;

/// Returns whom the fault is about (`None`: everyone) and whom it leaves alone. Outer `None`: a problem was noted.
pub(super) fn check(written: Option<&wire::Peers>, place: &Place<'_>) -> Option<(Option<PeerNames>, PeerNames)> {
    let Some(written) = written else { return Some((None, PeerNames::default())) };
    if *written == wire::Peers::default() {
        place.wrong("an empty `peers` names nobody", "leave it out to mean everyone");
        return None;
    }
    if written.follow.is_some() && !place.in_cluster() {
        place.field("follow").unbuilt("peers are frozen when the plan is made", "leave it out");
    }
    let except = match &written.except {
        None => Some(PeerNames::default()),
        Some(except) => self::except(except, &place.field("except")),
    };
    let only =
        written.addresses.is_some() || written.names.is_some() || written.pods.is_some() || written.services.is_some();
    if !only {
        if written.except.is_none() {
            place.wrong("names nobody", "write `addresses` or `names`");
            return None;
        }
        return Some((None, except?));
    }
    let peers = all(
        written.addresses.as_ref(),
        written.names.as_ref(),
        written.pods.as_ref(),
        written.services.as_ref(),
        place,
    );
    Some((Some(peers?), except?))
}

fn except(written: &wire::Except, place: &Place<'_>) -> Option<PeerNames> {
    if *written == wire::Except::default() {
        place.wrong("an empty `except` leaves nobody alone", "leave it out");
        return None;
    }
    all(written.addresses.as_ref(), written.names.as_ref(), written.pods.as_ref(), written.services.as_ref(), place)
}

/// Checks the four ways to name somebody.
fn all(
    addresses: Option<&Vec<String>>,
    names: Option<&Vec<String>>,
    pods: Option<&Vec<wire::PodPeers>>,
    services: Option<&Vec<String>>,
    place: &Place<'_>,
) -> Option<PeerNames> {
    let both = both(addresses, names, place);
    if !place.in_cluster() {
        if pods.is_some() {
            place.field("pods").unbuilt("a host has no pods by label", "write their addresses");
        }
        if services.is_some() {
            place.field("services").unbuilt("a host has no services", "write their addresses or names");
        }
        return both;
    }
    let here = place.field("pods");
    let written = here.filled(pods);
    let found: Vec<PodPeers> = written.iter().enumerate().filter_map(|(i, p)| pod(p, &here.item(i))).collect();
    let good = found.len() == written.len() && !pods.is_some_and(Vec::is_empty);
    let here = place.field("services");
    let written = here.filled(services);
    let mut named: Vec<ServiceName> =
        written.iter().enumerate().filter_map(|(i, s)| service(s, &here.item(i))).collect();
    let good = good && named.len() == written.len() && !services.is_some_and(Vec::is_empty);
    named.sort();
    named.dedup();
    let both = both?;
    good.then_some(PeerNames { pods: found, services: named, ..both })
}

fn pod(written: &wire::PodPeers, place: &Place<'_>) -> Option<PodPeers> {
    let selector = match &written.selector {
        None => place.field("selector").missing("write matchLabels or matchExpressions"),
        Some(selector) => labels::check(selector, &place.field("selector")),
    };
    let namespaces = match &written.namespaces {
        None => Some(Vec::new()),
        Some(names) => pods::several(names, &place.field("namespaces")),
    };
    Some(PodPeers { selector: selector?, namespaces: namespaces? })
}

/// Reads `name` or `namespace/name`.
fn service(text: &str, place: &Place<'_>) -> Option<ServiceName> {
    let (namespace, name) = text.split_once('/').map_or((None, text), |(ns, name)| (Some(ns), name));
    let good = namespace.is_none_or(|ns| name::namespace(ns, place)) && name::namespace_like(name, "a Service", place);
    good.then(|| ServiceName { namespace: namespace.map(str::to_owned), name: name.to_owned() })
}

fn both(addresses: Option<&Vec<String>>, names: Option<&Vec<String>>, place: &Place<'_>) -> Option<PeerNames> {
    let here = place.field("addresses");
    let written = here.filled(addresses);
    let found: Vec<IpNet> = written.iter().enumerate().filter_map(|(i, a)| network(a, &here.item(i))).collect();
    let good = found.len() == written.len() && !addresses.is_some_and(Vec::is_empty);
    let here = place.field("names");
    let written = here.filled(names);
    let mut hosts: Vec<String> = written
        .iter()
        .enumerate()
        .filter(|(i, n)| name::host(n, &here.item(*i)))
        .map(|(_, n)| n.to_lowercase())
        .collect();
    let good = good && hosts.len() == written.len() && !names.is_some_and(Vec::is_empty);
    hosts.sort();
    hosts.dedup();
    good.then_some(PeerNames { addresses: found, names: hosts, ..PeerNames::default() })
}

/// Reads an address or a network in CIDR notation; IPv4 mapped into IPv6 becomes IPv4.
fn network(text: &str, place: &Place<'_>) -> Option<IpNet> {
    if text.contains('%') {
        place.wrong(format!("`{text}`: a zone belongs to one device"), "leave it out, and name the `device`");
        return None;
    }
    let Some(net) = plain(text) else {
        let hint = "write 10.0.0.7, 10.0.0.0/8 or fd00::/8; a host name belongs into `names`";
        place.wrong(format!("`{text}` is no address and no network"), hint);
        return None;
    };
    let net = unmapped(net);
    if net.trunc() != net {
        let (all, one) = (net.trunc(), net.addr());
        let hint = format!("write {all} for the whole network, or {one} for the one address");
        place.wrong(format!("`{text}` has host bits set"), hint);
        return None;
    }
    Some(net)
}

/// Reads what is written without leading zeros: some programs take `010.0.0.1` for 8.0.0.1, and an API server refuses it.
fn plain(text: &str) -> Option<IpNet> {
    let Some((address, length)) = text.split_once('/') else { return text.parse().ok().map(IpAddr::into) };
    let bits: u8 = length.parse().ok()?;
    let net = IpNet::new(address.parse().ok()?, bits).ok()?;
    (bits.to_string() == length).then_some(net)
}

fn unmapped(net: IpNet) -> IpNet {
    let IpNet::V6(v6) = net else { return net };
    let mapped = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    let v4 = mapped.and_then(|(addr, prefix)| IpNet::new(addr.into(), prefix).ok());
    v4.unwrap_or(net)
}
