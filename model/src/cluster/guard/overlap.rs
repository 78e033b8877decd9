//! Two delays of the same packets: the first steals from the second, so a second one is refused. Loss and partition
//! compose with anything. The agent looks at the kernel again; here it is said before anything is armed.

use super::Case;
use crate::cluster::plan::PeerEntry;
use crate::cluster::refusal::ClusterRefusal;
use crate::fault::Fault;
use crate::scope::{Addresses, Direction};

pub(crate) fn check(case: &Case<'_>) -> Vec<ClusterRefusal> {
    let direction = match case.fault() {
        Fault::Latency(latency) => latency.network.direction,
        Fault::Kill(_) | Fault::Loss(_) | Fault::Partition(_) | Fault::PodDelete(_) | Fault::PodEvict(_) => {
            return Vec::new();
        }
    };
    let active = match case.active() {
        Ok(active) => active,
        Err(refusal) => return vec![refusal],
    };
    let mut refusals = Vec::new();
    for run in active {
        let Some(delay) = &run.delay else { continue };
        if !same_packets((direction, case.peers), (delay.direction, &delay.peers)) {
            continue;
        }
        refusals.extend(case.picked.iter().filter(|p| run.pods.contains_key(&p.uid)).map(|pod| {
            ClusterRefusal::FaultOverlaps { pod: pod.to_string(), run: format!("{}/{}", run.namespace, run.run) }
        }));
    }
    refusals
}

fn same_packets(a: (Direction, &[PeerEntry]), b: (Direction, &[PeerEntry])) -> bool {
    if !a.0.meets(b.0) {
        return false;
    }
    // A name may be any address: only the agent knows.
    let named = |peers: &[PeerEntry]| peers.is_empty() || peers.iter().any(|p| !p.names.is_empty());
    let addresses = |peers: &[PeerEntry]| Addresses::new(peers.iter().flat_map(|p| p.addresses.iter().copied()));
    named(a.1) || named(b.1) || addresses(a.1).meets(&addresses(b.1))
}
