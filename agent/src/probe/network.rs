//! Tries the network engines for real, each in a new network namespace.
//!
//! What it makes ends with the namespace; nothing is sent.

use super::{Attempt, Failure};
use crate::kernel::link::{self, IfbName};
use crate::kernel::netns;
use crate::kernel::nfqueue::QueueSocket;
use crate::kernel::nft::{self, TableName, Wiring};
use crate::kernel::timer::boottime;
use crate::resolve::chain;
use nix::errno::Errno;
use rumpus_model::change::{Delay, Filter, Hook, Verdict};
use rumpus_model::scope::{Addresses, Devices, Direction, Peers, Scope};
use std::time::Duration;

/// How long the gates of a probe stand: the namespace ends long before.
const GATE: Duration = Duration::from_secs(30);
/// Any number: the namespace is our own.
const QUEUE: u16 = 1;
const NAME: TableName = TableName { instance: 0, id: 1 };
/// Packets that the probe's netem may hold; it never gets one.
const LIMIT: u32 = 10;

/// Gated tables at both hooks of a device, with a random draw, and of the stack, with reject.
pub(super) fn nft() -> Attempt {
    scratch("nft", || {
        let lo = Wiring { devices: vec!["lo".into()], ..Wiring::default() };
        let egress = "needs Linux 5.16 and the modules nf_tables, nft_numgen and CONFIG_NETFILTER_EGRESS";
        table(Hook::Device, Verdict::Lose { per_million: 1 }, &lo)
            .map_err(|e| Failure::new(format!("a gated table at a device's egress and ingress: {e}"), egress))?;
        table(Hook::Stack, Verdict::Reject, &Wiring::default())
            .map_err(|e| Failure::new(format!("a gated inet table that rejects: {e}"), "module nft_reject_inet"))?;
        Ok("netdev egress and ingress, inet with reject".into())
    })
}

/// Two ifb links with netem, and a gated table that sends through them.
pub(super) fn netem() -> Attempt {
    let host = netns::open_host();
    let hint = "run where PID 1 or a kernel thread is visible";
    let host = host.map_err(|e| Failure::of("tell the host's network namespace apart", &e, hint))?;
    let ifb = link::ensure_ifb(&host);
    let removed = ifb.map_err(|e| Failure::of("add an ifb link", &e, "module ifb"))?;
    scratch("netem", || {
        let mut indices = Vec::new();
        for egress in [true, false] {
            let index = link::add_ifb(&IfbName::new(NAME.instance, NAME.id, egress));
            let index = index.map_err(|e| Failure::of("add an ifb link", &e, "module ifb"))?;
            let delay = Delay { delay: Duration::from_millis(1), jitter: Duration::ZERO, reorder: false };
            link::add_netem(index, &delay, LIMIT).map_err(|error| {
                let hint = match error.errno() {
                    Some(Errno::ENOENT) => "module sch_netem",
                    Some(_) | None => "the kernel refused",
                };
                Failure::of("put netem on an ifb link", &error, hint)
            })?;
            indices.push(index);
        }
        let wiring = Wiring {
            devices: vec!["lo".into()],
            egress_link: indices.first().copied(),
            ingress_link: indices.last().copied(),
            queue: None,
        };
        table(Hook::Device, Verdict::Delay, &wiring).map_err(|e| {
            Failure::new(format!("a gated table that forwards: {e}"), "module nft_fwd_netdev, Linux 5.16")
        })?;
        Ok(())
    })?;
    let removed = if removed.is_empty() { String::new() } else { format!("; took away {}", removed.join(", ")) };
    Ok(format!("fwd to ifb with netem{removed}"))
}

/// A bound queue, and gated tables of both IP versions that hand packets to it.
pub(super) fn nfqueue() -> Attempt {
    scratch("nfqueue", || {
        let bound = QueueSocket::bind(QUEUE);
        let bound = bound.map_err(|e| Failure::of("bind a netfilter queue", &e, "module nfnetlink_queue"))?;
        let wiring = Wiring { queue: Some(QUEUE), ..Wiring::default() };
        table(Hook::Routing, Verdict::Queue, &wiring).map_err(|e| {
            Failure::new(format!("gated ip and ip6 tables with NFQUEUE: {e}"), "modules nft_compat and xt_NFQUEUE")
        })?;
        drop(bound);
        Ok("ip and ip6 tables with NFQUEUE".into())
    })
}

fn scratch<T: Send>(engine: &str, act: impl FnOnce() -> Result<T, Failure> + Send) -> Result<T, Failure> {
    let hint = "needs CAP_SYS_ADMIN and CAP_NET_ADMIN";
    netns::scratch(act).map_err(|e| Failure::of(&format!("make a network namespace to try {engine} in"), &e, hint))?
}

/// Makes a table, looks whether its gate is armed, and deletes it.
fn table(hook: Hook, verdict: Verdict, wiring: &Wiring) -> Result<(), String> {
    let filter = Filter { hook, scope: everything(), verdict };
    nft::create(&NAME, "probe", &filter, wiring, boottime() + GATE).map_err(|e| chain(&e))?;
    let state = nft::state(&NAME).map_err(|e| chain(&e))?;
    if !state.is_some_and(|state| state.is_armed()) {
        return Err("the gate is not armed".into());
    }
    nft::delete(&NAME, nft::families(hook)).map_err(|e| chain(&e))
}

fn everything() -> Scope {
    Scope {
        direction: Direction::Both,
        devices: Devices::AllButLoopback,
        peers: Peers::Everyone,
        except: Addresses::default(),
        ports: Vec::new(),
        local_ports: Vec::new(),
        protocols: Vec::new(),
        exempt: Vec::new(),
    }
}
