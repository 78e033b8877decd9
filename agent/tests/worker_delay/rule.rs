//! The one nft rule these tests need: everything at a hook goes to one NFQUEUE, with bypass.
//!
//! ```text
//! table ip|ip6 rumpus_test { chain post|pre { type filter hook postrouting|prerouting priority 0; xt target NFQUEUE } }
//! ```

use netlink_sys::{Socket, protocols::NETLINK_NETFILTER};
use nix::libc;

pub const IPV4: u8 = libc::AF_INET as u8;
pub const IPV6: u8 = libc::AF_INET6 as u8;
pub const PREROUTING: u32 = 0;
pub const POSTROUTING: u32 = 4;

const TABLE: &[u8] = b"rumpus_test\0";
const NFT: u16 = 10 << 8;

/// Sends everything at `hooks` of `family` in this thread's network namespace to `queue`.
pub fn install(family: u8, hooks: &[u32], queue: u16) {
    let mut batch = begin();
    message(&mut batch, family, NFT, 0x400, &attribute(1, TABLE));
    for hook in hooks {
        let name: &[u8] = if *hook == PREROUTING { b"pre\0" } else { b"post\0" };
        let at = [attribute(1, &hook.to_be_bytes()), attribute(2, &0u32.to_be_bytes())].concat();
        let chain = [attribute(1, TABLE), attribute(3, name), attribute(4, &at), attribute(7, b"filter\0")].concat();
        message(&mut batch, family, NFT | 3, 0x400, &chain);
        // struct xt_NFQ_info_v3 { u16 queuenum; u16 queues_total; u16 flags; }, padded to 8; flag 1 is bypass.
        let info = [queue.to_ne_bytes(), 1u16.to_ne_bytes(), 1u16.to_ne_bytes(), [0, 0]].concat();
        let target = [attribute(1, b"NFQUEUE\0"), attribute(2, &3u32.to_be_bytes()), attribute(3, &info)].concat();
        let expression = [attribute(1, b"target\0"), attribute(2, &target)].concat();
        let rule = [attribute(1, TABLE), attribute(2, name), attribute(4, &attribute(1, &expression))].concat();
        message(&mut batch, family, NFT | 6, 0xc00, &rule);
    }
    commit(batch);
}

/// Deletes the rules that `install` made and leaves the chains: the kernel drops every queued packet of a namespace when
/// any hook in it is unregistered (`nf_queue_nf_hook_drop` in net/netfilter/core.c).
pub fn remove(family: u8) {
    let mut batch = begin();
    message(&mut batch, family, NFT | 8, 0, &attribute(1, TABLE));
    commit(batch);
}

/// Deletes the table with its chains.
pub fn delete(family: u8) {
    let mut batch = begin();
    message(&mut batch, family, NFT | 2, 0, &attribute(1, TABLE));
    commit(batch);
}

fn begin() -> Vec<u8> {
    let mut batch = Vec::new();
    raw(&mut batch, 16, 1, &[0, 0, 0, 10]);
    batch
}

fn commit(mut batch: Vec<u8>) {
    raw(&mut batch, 17, 1, &[0, 0, 0, 10]);
    // An empty transaction with an acknowledgement, so that there is something to wait for in every case.
    let mut socket = Socket::new(NETLINK_NETFILTER).unwrap();
    socket.bind_auto().unwrap();
    socket.send(&batch, 0).unwrap();
    socket.set_non_blocking(true).unwrap();
    let mut answer = Vec::with_capacity(4096);
    let mut acknowledged = 0;
    while socket.recv(&mut answer, 0).is_ok() {
        let code = i32::from_ne_bytes(answer[16..20].try_into().unwrap());
        assert_eq!(code, 0, "nf_tables refused: {}", std::io::Error::from_raw_os_error(-code));
        acknowledged += 1;
        answer.clear();
    }
    assert!(acknowledged > 0, "nf_tables gave no answer");
}

fn message(batch: &mut Vec<u8>, family: u8, kind: u16, flags: u16, attributes: &[u8]) {
    let body = [&[family, 0, 0, 0], attributes].concat();
    raw(batch, kind, 0x5 | flags, &body);
}

fn raw(batch: &mut Vec<u8>, kind: u16, flags: u16, body: &[u8]) {
    batch.extend_from_slice(&u32::try_from(16 + body.len()).unwrap().to_ne_bytes());
    batch.extend_from_slice(&kind.to_ne_bytes());
    batch.extend_from_slice(&flags.to_ne_bytes());
    batch.extend_from_slice(&[0; 8]);
    batch.extend_from_slice(body);
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(4 + value.len()).unwrap().to_ne_bytes().to_vec();
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}
