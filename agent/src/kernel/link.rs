//! Network links and the netem qdisc on our own ifb devices.
//!
//! Works in the network namespace of the calling thread. Never touches the qdisc of a device that it did not make.

use super::attr::{Attributes, dig, find, ne32, text};
use super::netlink::{Connection, Message, NLM_F_CREATE, NLM_F_EXCL, NetlinkError, Reply};
use super::netns::{self, NetNsError};
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::errno::Errno;
use rumpus_model::change::Delay;
use std::fmt;
use std::time::Duration;

// include/uapi/linux/rtnetlink.h
const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const GET_LINK: u16 = 18;
const NEW_QDISC: u16 = 36;
const GET_QDISC: u16 = 38;
/// Bytes of `struct ifinfomsg`, `struct tcmsg`.
const LINK_HEAD: usize = 16;
const QDISC_HEAD: usize = 20;
/// `IFF_UP`, include/uapi/linux/if.h.
const UP: u32 = 1;
/// `TC_H_ROOT`, include/uapi/linux/pkt_sched.h.
const ROOT: u32 = 0xffff_ffff;
/// Loading the ifb module makes these (`numifbs`, drivers/net/ifb.c).
const MADE_BY_MODULE: [&str; 2] = ["ifb0", "ifb1"];

#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("{operation}")]
    Netlink { operation: &'static str, source: NetlinkError },
    #[error("work in another network namespace")]
    NetNs(#[from] NetNsError),
}

impl LinkError {
    pub(super) fn during(operation: &'static str) -> impl Fn(NetlinkError) -> Self {
        move |source| Self::Netlink { operation, source }
    }

    /// Returns the kernel's reason, if it was the kernel that refused: ENOENT where a kind of qdisc is missing,
    /// EOPNOTSUPP where a kind of link is, EEXIST where a name is taken, ENODEV where a link is gone.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Netlink { source, .. } => source.errno(),
            Self::NetNs(_) => None,
        }
    }
}

/// A network device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub index: u32,
    pub name: String,
    /// `veth`, `ifb`, …; empty for a physical device and for loopback.
    pub kind: String,
    pub up: bool,
}

/// The name of a delaying link: `ru`, 6 digits for the instance, 6 for the fault, `e` or `i` for the direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IfbName(String);

impl IfbName {
    /// `egress` is the direction of the delayed packets, seen from the target.
    pub fn new(instance: u32, id: u32, egress: bool) -> Self {
        let direction = if egress { 'e' } else { 'i' };
        Self(format!("{}{:06x}{direction}", Self::prefix(instance), fold(id)))
    }

    /// Returns what all links of an instance begin with.
    pub fn prefix(instance: u32) -> String {
        format!("ru{:06x}", fold(instance))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IfbName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Shortens an id to 24 bits: multiplied by 2^32 / golden ratio so that each bit counts, the upper bits taken.
fn fold(id: u32) -> u32 {
    id.wrapping_mul(0x9e37_79b9) >> 8
}

/// Returns the devices of this namespace, by index.
pub fn devices() -> Result<Vec<Link>, LinkError> {
    let mut all: Vec<Link> = dump("list the links", GET_LINK, &[0; LINK_HEAD])?.iter().filter_map(link).collect();
    all.sort_by_key(|link| link.index);
    Ok(all)
}

fn link(reply: &Reply) -> Option<Link> {
    let attributes = reply.body.get(LINK_HEAD..)?;
    Some(Link {
        index: reply.body.get(4..).and_then(ne32)?,
        name: text(find(attributes, 3)?),
        kind: dig(attributes, &[18, 1]).map(text).unwrap_or_default(),
        up: reply.body.get(8..).and_then(ne32)? & UP != 0,
    })
}

/// Returns whether a device is a delaying link of some instance of Rumpus.
pub fn is_ours(link: &Link) -> bool {
    let digits = link.name.strip_prefix("ru").and_then(|rest| rest.strip_suffix(['e', 'i']));
    let hex = |text: &str| text.len() == 12 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    link.kind == "ifb" && digits.is_some_and(hex)
}

/// Deletes a delaying link that [`is_ours`] knows; ENODEV if it is gone.
pub fn delete_ours(link: &Link) -> Result<(), LinkError> {
    if is_ours(link) { delete_link(&link.name) } else { Ok(()) }
}

/// Makes an ifb device, down, and returns its index. EEXIST if the name is taken.
pub fn add_ifb(name: &IfbName) -> Result<u32, LinkError> {
    add_link(name.as_str())?;
    index_of(name.as_str())
}

fn add_link(name: &str) -> Result<(), LinkError> {
    let kind = Attributes::new().text(1, "ifb");
    let attributes = Attributes::new().text(3, name).nest(18, &kind);
    let made = request(NEW_LINK, NLM_F_CREATE | NLM_F_EXCL, vec![0; LINK_HEAD], attributes);
    made.map_err(LinkError::during("add an ifb link"))
}

/// Returns the index of a device; ENODEV if there is none of this name.
pub fn index_of(name: &str) -> Result<u32, LinkError> {
    let found = devices()?.into_iter().find(|link| link.name == name).map(|link| link.index);
    let gone = NetlinkError::Refused { message: None, source: Errno::ENODEV };
    found.ok_or(gone).map_err(LinkError::during("find a link"))
}

/// Brings a device up.
pub fn set_up(index: u32) -> Result<(), LinkError> {
    let mut head = vec![0; 4];
    head.extend(index.to_ne_bytes());
    head.extend(UP.to_ne_bytes());
    head.extend(UP.to_ne_bytes());
    request(NEW_LINK, 0, head, Attributes::new()).map_err(LinkError::during("bring a link up"))
}

/// Deletes a device of ours. ENODEV if it is gone.
pub fn delete(name: &IfbName) -> Result<(), LinkError> {
    delete_link(name.as_str())
}

fn delete_link(name: &str) -> Result<(), LinkError> {
    let attributes = Attributes::new().text(3, name);
    request(DELETE_LINK, 0, vec![0; LINK_HEAD], attributes).map_err(LinkError::during("delete a link"))
}

/// Puts netem on a device that has no root qdisc of its own. `limit` is how many packets it holds at most.
pub fn add_netem(index: u32, delay: &Delay, limit: u32) -> Result<(), LinkError> {
    // TCA_KIND, TCA_OPTIONS
    let attributes = Attributes::new().text(1, "netem").with(2, &netem_options(delay, limit));
    request(NEW_QDISC, NLM_F_CREATE | NLM_F_EXCL, qdisc_head(index), attributes)
        .map_err(LinkError::during("add netem to a link"))
}

/// `struct tc_netem_qopt`, then attributes (include/uapi/linux/pkt_sched.h).
///
/// netem sends by due time, so packets with jitter overtake each other, unless it has a rate: then no packet is due
/// before the one in front of it (`netem_enqueue` in net/sched/sch_netem.c, 6.1). A rate of 10^15 bytes/s takes no
/// time of its own.
fn netem_options(delay: &Delay, limit: u32) -> Vec<u8> {
    // latency, limit, loss, gap, duplicate, jitter. The 64-bit attributes below replace the 32-bit ticks.
    let mut bytes: Vec<u8> = [0, limit, 0, 0, 0, 0].into_iter().flat_map(u32::to_ne_bytes).collect();
    let nanoseconds = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX).to_ne_bytes();
    // TCA_NETEM_LATENCY64, _JITTER64
    let mut attributes = Attributes::new().with(10, &nanoseconds(delay.delay)).with(11, &nanoseconds(delay.jitter));
    if !delay.reorder && !delay.jitter.is_zero() {
        // TCA_NETEM_RATE: struct tc_netem_rate { rate, packet_overhead, cell_size, cell_overhead }; _RATE64
        let rate: Vec<u8> = [u32::MAX, 0, 0, 0].into_iter().flat_map(u32::to_ne_bytes).collect();
        attributes = attributes.with(6, &rate).with(8, &1_000_000_000_000_000_u64.to_ne_bytes());
    }
    bytes.extend_from_slice(attributes.bytes());
    bytes
}

/// What a device's root qdisc has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QdiscStats {
    /// Packets that have left it.
    pub packets: u64,
    /// Packets that it holds.
    pub backlog: u32,
    /// Packets that it dropped.
    pub drops: u32,
}

/// Returns the counters of a device's root qdisc; none if it has none.
pub fn qdisc_stats(index: u32) -> Result<Option<QdiscStats>, LinkError> {
    let replies = dump("read the qdiscs", GET_QDISC, &qdisc_head(index))?;
    let ours = |reply: &&Reply| {
        let word = |at: usize| reply.body.get(at..).and_then(ne32);
        word(4) == Some(index) && word(12) == Some(ROOT)
    };
    Ok(replies.iter().find(ours).map(|reply| {
        let attributes = reply.body.get(QDISC_HEAD..).unwrap_or_default();
        // TCA_STATS2: TCA_STATS_BASIC { bytes u64, packets u32 }, TCA_STATS_QUEUE { qlen, backlog, drops, … }.
        let basic = dig(attributes, &[7, 1]).unwrap_or_default();
        let queue = dig(attributes, &[7, 3]).unwrap_or_default();
        let word = |bytes: &[u8], at: usize| bytes.get(at..).and_then(ne32).unwrap_or(0);
        // TCA_STATS_PKT64 where 32 bits were not enough.
        let wide = dig(attributes, &[7, 8]).and_then(|bytes| Some(u64::from_ne_bytes(bytes.try_into().ok()?)));
        QdiscStats {
            packets: wide.unwrap_or_else(|| u64::from(word(basic, 8))),
            backlog: word(queue, 0),
            drops: word(queue, 8),
        }
    }))
}

/// Makes sure that ifb links can be made, in a namespace of its own, and returns the devices of the host's namespace
/// that loading the module made there and that were deleted again.
pub fn ensure_ifb(host: &netns::NetNs) -> Result<Vec<String>, LinkError> {
    let before = host.enter(devices)??;
    let made = netns::scratch(|| add_link("rumpusprobe"))?;
    let removed = host.enter(|| delete_new(&before))??;
    made.map(|()| removed)
}

/// Deletes what loading the ifb module has made in this namespace since `before`. Another process that tries the engine
/// at the same time sees the same new devices: what it has deleted first is gone, which is no error.
fn delete_new(before: &[Link]) -> Result<Vec<String>, LinkError> {
    let mut removed = Vec::new();
    for link in devices()? {
        let known = before.iter().any(|known| known.index == link.index);
        if !known && link.kind == "ifb" && MADE_BY_MODULE.contains(&link.name.as_str()) {
            match delete_link(&link.name) {
                Ok(()) => removed.push(link.name),
                Err(error) if error.errno() == Some(Errno::ENODEV) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(removed)
}

fn qdisc_head(index: u32) -> Vec<u8> {
    // struct tcmsg { family, ifindex, handle, parent, info }
    [0, index, 0, ROOT, 0].into_iter().flat_map(u32::to_ne_bytes).collect()
}

fn request(kind: u16, flags: u16, head: Vec<u8>, attributes: Attributes) -> Result<(), NetlinkError> {
    Connection::open(NETLINK_ROUTE)?.request(&Message { kind, flags, head, attributes })
}

fn dump(operation: &'static str, kind: u16, head: &[u8]) -> Result<Vec<Reply>, LinkError> {
    let message = Message { kind, flags: 0, head: head.to_vec(), attributes: Attributes::new() };
    Connection::open(NETLINK_ROUTE)
        .and_then(|mut connection| connection.dump(&message))
        .map_err(LinkError::during(operation))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::attr::walk;
    use std::sync::Barrier;
    use std::thread;

    #[test]
    fn names_are_as_long_as_the_kernel_takes() {
        let name = IfbName::new(0xffff_ffff, 1, true);
        assert_eq!(name.as_str().len(), 15);
        assert!(name.as_str().starts_with(&IfbName::prefix(0xffff_ffff)));
        assert_ne!(name, IfbName::new(0xffff_ffff, 1, false));
        assert_ne!(name, IfbName::new(0xffff_ffff, 2, true));
    }

    #[test]
    fn netem_keeps_the_order_by_a_rate_only_where_it_must() {
        let kinds = |jitter, reorder| {
            let delay = Delay { delay: Duration::from_millis(100), jitter: Duration::from_millis(jitter), reorder };
            let bytes = netem_options(&delay, 1000);
            walk(&bytes[24..]).map(|(kind, _)| kind).collect::<Vec<_>>()
        };
        assert_eq!(kinds(0, false), [10, 11]);
        assert_eq!(kinds(5, true), [10, 11]);
        assert_eq!(kinds(5, false), [10, 11, 6, 8]);
    }

    #[test]
    fn an_ifb_link_comes_up_and_goes_away() {
        netns::scratch(|| {
            let name = IfbName::new(1, 2, true);
            let index = add_ifb(&name).unwrap();
            assert_eq!(add_ifb(&name).unwrap_err().errno(), Some(Errno::EEXIST));
            set_up(index).unwrap();
            let expected = Link { index, name: name.to_string(), kind: "ifb".into(), up: true };
            assert!(devices().unwrap().contains(&expected));
            delete(&name).unwrap();
            assert_eq!(delete(&name).unwrap_err().errno(), Some(Errno::ENODEV));
        })
        .unwrap();
    }

    #[test]
    fn trying_ifb_leaves_the_hosts_devices_as_they_were() {
        let host = netns::open_host().unwrap();
        let before = host.enter(devices).unwrap().unwrap();
        ensure_ifb(&host).unwrap();
        assert_eq!(host.enter(devices).unwrap().unwrap(), before);
    }

    #[test]
    fn two_that_take_the_modules_devices_away_at_once_both_find_no_error() {
        netns::scratch(|| {
            for name in ["ifb1", "ifb7"] {
                add_link(name).unwrap();
            }
            let before: Vec<Link> = devices().unwrap().into_iter().filter(|link| link.name != "ifb7").collect();
            let kept = devices().unwrap();
            for _ in 0..20 {
                add_link("ifb0").unwrap();
                let start = Barrier::new(2);
                let ask = || {
                    start.wait();
                    delete_new(&before).unwrap()
                };
                let taken = thread::scope(|scope| [scope.spawn(ask), scope.spawn(ask)].map(|one| one.join().unwrap()));
                assert_eq!(taken.concat(), ["ifb0"]);
            }
            assert_eq!(devices().unwrap(), kept);
        })
        .unwrap();
    }

    #[test]
    fn netem_is_added_or_the_kernel_says_that_it_has_none() {
        netns::scratch(|| {
            let index = add_ifb(&IfbName::new(1, 2, true)).unwrap();
            let delay = Delay { delay: Duration::from_millis(1), jitter: Duration::ZERO, reorder: false };
            match add_netem(index, &delay, 1000) {
                Ok(()) => assert_eq!(qdisc_stats(index).unwrap(), Some(QdiscStats::default())),
                Err(error) => assert_eq!(error.errno(), Some(Errno::ENOENT)),
            }
        })
        .unwrap();
    }
}
