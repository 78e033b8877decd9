//! nf_tables objects as netlink messages: tables, sets, elements, chains, rules.
//!
//! Numbers are those of include/uapi/linux/netfilter/nf_tables.h (6.1). Nothing here decides what a fault needs.

use crate::kernel::attr::Attributes;
use crate::kernel::netlink::{Message, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};
use std::time::Duration;

/// An nf_tables family that our tables are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    Inet,
    Ip,
    Ip6,
    Netdev,
}

impl Family {
    pub const ALL: [Self; 4] = [Self::Inet, Self::Ip, Self::Ip6, Self::Netdev];

    /// Returns the kernel's `NFPROTO_*`.
    pub fn number(self) -> u8 {
        match self {
            Self::Inet => 1,
            Self::Ip => 2,
            Self::Ip6 => 10,
            Self::Netdev => 5,
        }
    }

    /// Returns the family of a kernel's `NFPROTO_*`, if it is one that we use.
    pub fn of_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.number() == number)
    }
}

/// `NFNL_SUBSYS_NFTABLES << 8`, include/uapi/linux/netfilter/nfnetlink.h.
const SUBSYSTEM: u16 = 10 << 8;
pub(crate) const GET_TABLE: u16 = SUBSYSTEM | 1;
pub(crate) const GET_CHAIN: u16 = SUBSYSTEM | 4;
pub(crate) const GET_RULE: u16 = SUBSYSTEM | 7;
pub(crate) const GET_SET: u16 = SUBSYSTEM | 10;
pub(crate) const GET_ELEMENTS: u16 = SUBSYSTEM | 13;
/// Bytes of `struct nfgenmsg`.
pub(crate) const HEAD: usize = 4;
/// Elements in one message: a nested attribute ends at 65,535 bytes.
const CHUNK: usize = 500;
/// `NFT_SET_INTERVAL` and `NFT_SET_TIMEOUT`.
const INTERVAL: u32 = 0x4;
const TIMEOUT: u32 = 0x10;

/// The first key of an interval and the first key after it, none if it reaches the last key there is.
pub(crate) type Interval = (Vec<u8>, Option<Vec<u8>>);

/// The type of a set's keys: nft's own number, for listings, and the length in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyType {
    number: u32,
    length: u32,
}

// nftables, include/datatype.h: enum datatypes
pub(crate) const NF_PROTO: KeyType = KeyType { number: 2, length: 1 };
pub(crate) const IPV4_ADDR: KeyType = KeyType { number: 7, length: 4 };
pub(crate) const IPV6_ADDR: KeyType = KeyType { number: 8, length: 16 };
pub(crate) const ETHER_TYPE: KeyType = KeyType { number: 10, length: 2 };
pub(crate) const INET_SERVICE: KeyType = KeyType { number: 13, length: 2 };

pub(crate) fn message(family: u8, kind: u16, flags: u16, attributes: Attributes) -> Message {
    Message { kind, flags, head: vec![family, 0, 0, 0], attributes }
}

/// `create table FAMILY NAME { comment "…" }`: refused with EEXIST if there is one.
pub(crate) fn create_table(family: Family, name: &str, comment: &str) -> Message {
    let attributes = Attributes::new().text(1, name).with(6, &comment_data(comment));
    message(family.number(), SUBSYSTEM, NLM_F_CREATE | NLM_F_EXCL, attributes)
}

/// nft's user data: type 0 (comment), length, text with NUL (libnftnl, include/libnftnl/udata.h).
fn comment_data(comment: &str) -> Vec<u8> {
    let length = u8::try_from(comment.len() + 1).unwrap_or(u8::MAX);
    let text = comment.as_bytes().iter().copied().take(usize::from(length) - 1);
    [0, length].into_iter().chain(text).chain([0]).collect()
}

/// `delete table FAMILY NAME`.
pub(crate) fn delete_table(family: Family, name: &str) -> Message {
    message(family.number(), SUBSYSTEM | 2, 0, Attributes::new().text(1, name))
}

/// `flush ruleset`, for sabotage.
#[cfg(feature = "testing")]
pub(crate) fn delete_all_tables() -> Message {
    message(0, SUBSYSTEM | 2, 0, Attributes::new())
}

/// The place of a message in one table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table<'a> {
    pub family: Family,
    pub name: &'a str,
}

impl Table<'_> {
    fn message(self, kind: u16, flags: u16, attributes: Attributes) -> Message {
        message(self.family.number(), SUBSYSTEM | kind, flags, attributes)
    }

    /// `add set T NAME { type TYPE; flags interval; }`. `id` is this set's own number in the transaction.
    pub(crate) fn interval_set(self, name: &str, key: KeyType, id: u32) -> Message {
        self.set(name, key, id, INTERVAL)
    }

    /// `add set T NAME { type TYPE; flags timeout; }`.
    pub(crate) fn timed_set(self, name: &str, key: KeyType, id: u32) -> Message {
        self.set(name, key, id, TIMEOUT)
    }

    fn set(self, name: &str, key: KeyType, id: u32, flags: u32) -> Message {
        let attributes = Attributes::new()
            .text(1, self.name)
            .text(2, name)
            .be32(3, flags)
            .be32(4, key.number)
            .be32(5, key.length)
            .be32(10, id);
        self.message(9, NLM_F_CREATE | NLM_F_EXCL, attributes)
    }

    /// `add element T SET { FROM-TO, … }`, at most 500 keys to a message.
    pub(crate) fn intervals(self, set: &str, intervals: &[Interval]) -> Vec<Message> {
        let keys = intervals.iter().flat_map(|(from, to)| [Some((from, false)), to.as_ref().map(|to| (to, true))]);
        let keys: Vec<(&Vec<u8>, bool)> = keys.flatten().collect();
        let chunk = |keys: &[(&Vec<u8>, bool)]| {
            let list = keys.iter().fold(Attributes::new(), |list, (key, end)| {
                let element = element(key);
                // NFT_SET_ELEM_INTERVAL_END
                list.nest(1, &if *end { element.be32(3, 1) } else { element })
            });
            self.elements(set, &list)
        };
        keys.chunks(CHUNK).map(chunk).collect()
    }

    /// `add element T SET { KEY timeout TIMEOUT, … }`.
    pub(crate) fn timed_elements(self, set: &str, keys: &[Vec<u8>], timeout: Duration) -> Message {
        let milliseconds = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        let list = keys.iter().fold(Attributes::new(), |list, key| list.nest(1, &element(key).be64(4, milliseconds)));
        self.elements(set, &list)
    }

    fn elements(self, set: &str, list: &Attributes) -> Message {
        let attributes = Attributes::new().text(1, self.name).text(2, set).nest(3, list);
        self.message(12, NLM_F_CREATE, attributes)
    }

    /// `flush set T SET`.
    pub(crate) fn flush_set(self, set: &str) -> Message {
        self.message(14, 0, Attributes::new().text(1, self.name).text(2, set))
    }

    /// `add chain T NAME`.
    pub(crate) fn chain(self, name: &str) -> Message {
        let attributes = Attributes::new().text(1, self.name).text(3, name);
        self.message(3, NLM_F_CREATE | NLM_F_EXCL, attributes)
    }

    /// `add chain T NAME { type filter hook HOOK [device DEVICE] priority PRIORITY; policy accept; }`.
    pub(crate) fn base_chain(self, name: &str, hook: u32, priority: i32, device: Option<&str>) -> Message {
        let mut place = Attributes::new().be32(1, hook).with(2, &priority.to_be_bytes());
        if let Some(device) = device {
            place = place.text(3, device);
        }
        let attributes = Attributes::new()
            .text(1, self.name)
            .text(3, name)
            .nest(4, &place)
            .be32(5, 1) // NF_ACCEPT
            .text(7, "filter");
        self.message(3, NLM_F_CREATE | NLM_F_EXCL, attributes)
    }

    /// `add rule T CHAIN EXPRESSIONS`.
    pub(crate) fn rule(self, chain: &str, expressions: &Attributes) -> Message {
        let attributes = Attributes::new().text(1, self.name).text(2, chain).nest(4, expressions);
        self.message(6, NLM_F_CREATE | NLM_F_APPEND, attributes)
    }
}

fn element(key: &[u8]) -> Attributes {
    Attributes::new().nest(1, &Attributes::new().with(1, key))
}
