//! The rules that keep a host reachable while its own network is the target.

use crate::fault::Network;
use crate::refusal::Refusal;
use crate::scope::{Addresses, Exempt};
use crate::world::World;

/// Returns the flows that stay exempt on the host.
///
/// # Errors
/// They could not be listed, or the fault's peers are only such flows' peers.
pub fn exempt(world: &World, network: &Network) -> Result<Vec<Exempt>, Refusal> {
    let exempt = match &world.lockout {
        None => return Err(Refusal::LockoutUnknown { why: "it was not looked at".into() }),
        Some(Err(why)) => return Err(Refusal::LockoutUnknown { why: why.clone() }),
        Some(Ok(exempt)) => exempt.clone(),
    };
    let Some(peers) = &network.peers else { return Ok(exempt) };
    if !peers.names.is_empty() || peers.addresses.is_empty() {
        return Ok(exempt);
    }
    // A peer that is exempt on every port: a fault about nobody else would never have an effect.
    let whole: Vec<_> = exempt
        .iter()
        .filter(|e| e.peer_port.is_none() && e.local_port.is_none() && e.protocol.is_none())
        .filter_map(|e| e.peer)
        .collect();
    let hosts_only = peers.addresses.iter().all(|n| n.prefix_len() == n.max_prefix_len());
    let named = Addresses::new(peers.addresses.iter().copied());
    let all_exempt = hosts_only && peers.addresses.iter().all(|n| whole.contains(&n.addr())) && !named.is_empty();
    if all_exempt { Err(Refusal::OnlyExempt { target: "host".into() }) } else { Ok(exempt) }
}
