//! A network namespace as text, to compare before and after a fault.
//!
//! Deterministic: sorted, and without what changes by itself (counters, ages, neighbours, the time that elements
//! have left). Only reads, by netlink of our own. Unknown attributes are printed as bytes, so nothing that a fault
//! could leave behind is overlooked.

use super::attr::{Attributes, find, text, walk};
use super::netlink::{Connection, Message, NetlinkError, Reply};
use super::nft::message::{GET_CHAIN, GET_ELEMENTS, GET_RULE, GET_SET, GET_TABLE, HEAD, message};
use netlink_sys::protocols::{NETLINK_NETFILTER, NETLINK_ROUTE};

/// What is read of rtnetlink: a title, the request, bytes of its header, and the attributes that are left out.
const ROUTE: [(&str, u16, usize, &[u16]); 5] = [
    // IFLA_STATS, STATS64, AF_SPEC (holds IPv6 counters), CARRIER_CHANGES, UP and DOWN counts; PROTO_DOWN is kept.
    ("link", 18, 16, &[7, 23, 26, 35, 47, 48]),
    // IFA_CACHEINFO
    ("address", 22, 8, &[6]),
    // RTA_CACHEINFO
    ("route", 26, 12, &[12]),
    ("rule", 34, 12, &[]),
    // TCA_STATS, TCA_XSTATS, TCA_STATS2
    ("qdisc", 38, 20, &[3, 4, 7]),
];

/// What is read of nf_tables: a title, the request, and the attributes that are kept.
const NFT: [(&str, u16, &[u16]); 4] = [
    // name, flags, user data
    ("table", GET_TABLE, &[1, 2, 6]),
    // table, name, hook, policy, type, flags, user data
    ("chain", GET_CHAIN, &[1, 3, 4, 5, 7, 10, 13]),
    // table, name, flags, types and lengths, description, timeout; the text of a set's own type is a kernel address
    ("set", GET_SET, &[1, 2, 3, 4, 5, 6, 7, 9, 11]),
    // table, chain, expressions, user data
    ("rule", GET_RULE, &[1, 2, 4, 7]),
];

/// Returns the namespace of the calling thread as text: links, addresses, routes, rules, qdiscs, nf_tables.
pub fn dump() -> Result<String, NetlinkError> {
    let mut lines = Vec::new();
    for (title, kind, head, left_out) in ROUTE {
        let request = Message { kind, flags: 0, head: vec![0; head], attributes: Attributes::new() };
        for reply in read(NETLINK_ROUTE, &request)? {
            lines.push(route_line(title, head, left_out, &reply));
        }
    }
    for (title, kind, kept) in NFT {
        for reply in read(NETLINK_NETFILTER, &message(0, kind, 0, Attributes::new()))? {
            lines.push(nft_line(title, kept, &reply));
            if kind == GET_SET {
                lines.extend(elements(&reply)?);
            }
        }
    }
    lines.sort();
    Ok(lines.concat())
}

fn read(protocol: isize, request: &Message) -> Result<Vec<Reply>, NetlinkError> {
    Connection::open(protocol)?.dump(request)
}

fn route_line(title: &str, head: usize, left_out: &[u16], reply: &Reply) -> String {
    let mut line = format!("{title} {}", hex(reply.body.get(..head).unwrap_or_default()));
    for (kind, value) in walk(reply.body.get(head..).unwrap_or_default()) {
        if left_out.contains(&kind) {
            continue;
        }
        let printed = match (title, kind) {
            // IFLA_IFNAME, TCA_KIND
            ("link", 3) | ("qdisc", 1) => text(value),
            // IFLA_LINKINFO also holds the statistics of some kinds: only IFLA_INFO_KIND and _DATA.
            ("link", 18) => {
                let kind = find(value, 1).map(text).unwrap_or_default();
                format!("{kind} {}", hex(find(value, 2).unwrap_or_default()))
            }
            _other => hex(value),
        };
        line.push_str(&format!(" {kind}={printed}"));
    }
    line + "\n"
}

fn nft_line(title: &str, kept: &[u16], reply: &Reply) -> String {
    let mut line = format!("nft {title} family {}", reply.body.first().unwrap_or(&0));
    for (kind, value) in walk(reply.body.get(HEAD..).unwrap_or_default()) {
        if !kept.contains(&kind) {
            continue;
        }
        let printed = if title == "rule" && kind == 4 { expressions(value) } else { hex_or_text(value) };
        line.push_str(&format!(" {kind}={printed}"));
    }
    line + "\n"
}

/// Prints a rule's expressions without the numbers of its counters.
fn expressions(list: &[u8]) -> String {
    let one = |(_, expression): (u16, &[u8])| {
        let name = find(expression, 1).map(text).unwrap_or_default();
        let data = find(expression, 2).unwrap_or_default();
        if name == "counter" { name } else { format!("{name}({})", hex(data)) }
    };
    walk(list).map(one).collect::<Vec<_>>().join(",")
}

/// Prints the keys of a set. Those of a set with timeouts come and go by themselves and are left out.
fn elements(set: &Reply) -> Result<Vec<String>, NetlinkError> {
    let attributes = set.body.get(HEAD..).unwrap_or_default();
    let (Some(table), Some(name)) = (find(attributes, 1), find(attributes, 2)) else { return Ok(Vec::new()) };
    let flags = find(attributes, 3).and_then(super::attr::be32).unwrap_or(0);
    // NFT_SET_TIMEOUT
    if flags & 0x10 != 0 {
        return Ok(Vec::new());
    }
    let family = set.body.first().copied().unwrap_or(0);
    let wanted = Attributes::new().with(1, table).with(2, name);
    let mut lines = Vec::new();
    for reply in read(NETLINK_NETFILTER, &message(family, GET_ELEMENTS, 0, wanted))? {
        let list = reply.body.get(HEAD..).and_then(|attributes| find(attributes, 3)).unwrap_or_default();
        for (_, element) in walk(list) {
            // key, data, flags, user data, upper end of the key
            let kept = walk(element).filter(|(kind, _)| [1, 2, 3, 6, 10].contains(kind));
            let printed = kept.fold(String::new(), |line, (kind, value)| format!("{line} {kind}={}", hex(value)));
            lines.push(format!("nft element family {family} {} {}{printed}\n", text(table), text(name)));
        }
    }
    Ok(lines)
}

fn hex_or_text(value: &[u8]) -> String {
    match value.split_last() {
        Some((0, rest)) if !rest.is_empty() && rest.iter().all(u8::is_ascii_graphic) => text(value),
        Some(_) | None => hex(value),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
