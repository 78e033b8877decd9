//! What others may have left in the calling thread's network namespace: chains, queueing disciplines, sets.
//!
//! Only reads, and names only. It must never load a module just to ask it.

use super::attr::{Attributes, find, ne32, text};
use super::netlink::{Connection, Message, NetlinkError};
use super::nft::message::{GET_CHAIN, GET_TABLE, HEAD, message};
use netlink_sys::protocols::{NETLINK_NETFILTER, NETLINK_ROUTE};
use std::collections::BTreeSet;
use std::path::Path;

/// `RTM_GETQDISC`, include/uapi/linux/rtnetlink.h; bytes of `struct tcmsg`.
const GET_QDISC: u16 = 38;
const QDISC_HEAD: usize = 20;
/// `NFNL_SUBSYS_IPSET << 8 | IPSET_CMD_LIST`; the dump's flag `IPSET_FLAG_LIST_SETNAME`
/// (include/uapi/linux/netfilter/ipset/ip_set.h).
const LIST_SETS: u16 = (6 << 8) | 7;
const NAMES_ONLY: u32 = 1 << 1;
/// The oldest protocol that kernels still speak.
const IPSET_PROTOCOL: u8 = 6;

/// A queueing discipline on a device.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Qdisc {
    pub device: u32,
    pub kind: String,
    pub handle: u32,
}

/// Returns the nf_tables tables and chains as `family table` and `family table chain`.
pub fn nft_names() -> Result<BTreeSet<(String, String, Option<String>)>, NetlinkError> {
    let mut names = BTreeSet::new();
    for (kind, chain) in [(GET_TABLE, false), (GET_CHAIN, true)] {
        let wanted = message(0, kind, 0, Attributes::new());
        for reply in Connection::open(NETLINK_NETFILTER)?.dump(&wanted)? {
            let attributes = reply.body.get(HEAD..).unwrap_or_default();
            let table = find(attributes, 1).map(text).unwrap_or_default();
            let chain = if chain { find(attributes, 3).map(text) } else { None };
            names.insert((family(reply.body.first().copied()), table, chain));
        }
    }
    Ok(names)
}

/// `NFPROTO_*` by the names that nft(8) has for them.
fn family(number: Option<u8>) -> String {
    match number {
        Some(1) => "inet".into(),
        Some(2) => "ip".into(),
        Some(3) => "arp".into(),
        Some(5) => "netdev".into(),
        Some(7) => "bridge".into(),
        Some(10) => "ip6".into(),
        Some(other) => other.to_string(),
        None => "?".into(),
    }
}

/// Returns every queueing discipline of every device.
pub fn qdiscs() -> Result<Vec<Qdisc>, NetlinkError> {
    let wanted = Message { kind: GET_QDISC, flags: 0, head: vec![0; QDISC_HEAD], attributes: Attributes::new() };
    let replies = Connection::open(NETLINK_ROUTE)?.dump(&wanted)?;
    let qdisc = |body: &[u8]| {
        let word = |at: usize| body.get(at..).and_then(ne32);
        // TCA_KIND
        let kind = find(body.get(QDISC_HEAD..)?, 1).map(text)?;
        Some(Qdisc { device: word(4)?, kind, handle: word(8)? })
    };
    Ok(replies.iter().filter_map(|reply| qdisc(&reply.body)).collect())
}

/// Returns the names of the ip sets; none where the module is not loaded.
pub fn ip_sets() -> Result<Vec<String>, NetlinkError> {
    if !Path::new("/sys/module/ip_set").exists() {
        return Ok(Vec::new());
    }
    // IPSET_ATTR_PROTOCOL, IPSET_ATTR_FLAGS
    let attributes = Attributes::new().with(1, &[IPSET_PROTOCOL]).be32(6, NAMES_ONLY);
    let replies = Connection::open(NETLINK_NETFILTER)?.dump(&message(0, LIST_SETS, 0, attributes))?;
    // IPSET_ATTR_SETNAME
    Ok(replies.iter().filter_map(|reply| find(reply.body.get(HEAD..)?, 2).map(text)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::netns;

    #[test]
    fn a_new_namespace_has_nothing_of_others() {
        netns::scratch(|| {
            assert_eq!(nft_names().unwrap(), BTreeSet::new());
            assert!(qdiscs().unwrap().iter().all(|qdisc| qdisc.kind != "netem"));
            assert_eq!(ip_sets().unwrap(), Vec::<String>::new());
        })
        .unwrap();
    }
}
