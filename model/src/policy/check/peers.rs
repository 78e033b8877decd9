//! The other side: addresses and names, and who is left alone.

use super::name;
use super::place::Place;
use crate::fault::network::PeerNames;
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
    if written.pods.is_some() {
        place.field("pods").unbuilt("a host has no pods by label", "write their addresses");
    }
    if written.services.is_some() {
        place.field("services").unbuilt("a host has no services", "write their addresses or names");
    }
    if written.follow.is_some() {
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
    let peers = both(written.addresses.as_ref(), written.names.as_ref(), place);
    Some((Some(peers?), except?))
}

fn except(written: &wire::Except, place: &Place<'_>) -> Option<PeerNames> {
    if *written == wire::Except::default() {
        place.wrong("an empty `except` leaves nobody alone", "leave it out");
        return None;
    }
    if written.pods.is_some() {
        place.field("pods").unbuilt("a host has no pods by label", "write their addresses");
    }
    if written.services.is_some() {
        place.field("services").unbuilt("a host has no services", "write their addresses or names");
    }
    both(written.addresses.as_ref(), written.names.as_ref(), place)
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
    good.then_some(PeerNames { addresses: found, names: hosts })
}

/// Reads an address or a network in CIDR notation; IPv4 mapped into IPv6 becomes IPv4.
fn network(text: &str, place: &Place<'_>) -> Option<IpNet> {
    if text.contains('%') {
        place.wrong(format!("`{text}`: a zone belongs to one device"), "leave it out, and name the `device`");
        return None;
    }
    let net = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    let Some(net) = net else {
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

fn unmapped(net: IpNet) -> IpNet {
    let IpNet::V6(v6) = net else { return net };
    let mapped = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    let v4 = mapped.and_then(|(addr, prefix)| IpNet::new(addr.into(), prefix).ok());
    v4.unwrap_or(net)
}
