//! Whether an injection's peers are still right: an address that left may belong to a stranger, so it is taken out.

use super::peers;
use super::plan::PeerEntry;
use super::refusal::ClusterRefusal;
use super::world::World;
use crate::fault::Network;
use crate::scope::Port;
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};

/// What is to be done about an injection's peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revision {
    /// Arm these instead.
    Change(Vec<PeerEntry>),
    /// Nobody is left: end the fault. (No entries would mean everyone.)
    End,
    Keep,
    /// What stands behind the peers could not be read. Keep for as long as a lease at most, then end.
    Unknown(Vec<ClusterRefusal>),
}

/// Compares the peers that were armed with the world.
///
/// Names and the policy's own addresses never leave. New addresses join only where the policy says `follow: true`.
pub fn revise(world: &World, network: &Network, namespace: &str, armed: &[PeerEntry]) -> Revision {
    if network.peers.is_none() && network.except.is_empty() {
        return Revision::Keep;
    }
    let now = match peers::peer_addresses(world, network, namespace) {
        Ok(now) => now,
        Err(refusals) if refusals.iter().any(|r| matches!(r, ClusterRefusal::ListUnknown { .. })) => {
            return Revision::Unknown(refusals);
        }
        // Nothing of an exception may be lost in silence, and nobody is nobody.
        Err(refusals) if refusals.iter().any(|r| matches!(r, ClusterRefusal::TooManyPeers { .. })) => {
            return Revision::Unknown(refusals);
        }
        Err(_) => return Revision::End,
    };
    let mut present: BTreeMap<&[Port], BTreeSet<&IpNet>> = BTreeMap::new();
    for entry in &now {
        present.entry(&entry.ports).or_default().extend(&entry.addresses);
    }
    let mut revised = Vec::new();
    for entry in armed {
        let here = present.get(entry.ports.as_slice());
        let stays = |net: &&IpNet| here.is_some_and(|here| here.contains(net));
        let except = now.first().map_or_else(|| entry.except.clone(), |first| first.except.clone());
        let addresses: Vec<IpNet> = entry.addresses.iter().filter(stays).copied().collect();
        if !addresses.is_empty() || !entry.names.is_empty() {
            revised.push(PeerEntry { addresses, except, ..entry.clone() });
        }
    }
    if network.follow {
        revised = now;
    }
    if revised.is_empty() {
        Revision::End
    } else if revised == armed {
        Revision::Keep
    } else {
        Revision::Change(revised)
    }
}
