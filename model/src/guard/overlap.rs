//! Two delays of the same packets: the first `fwd` on a hook steals from the second, so it is refused.
//!
//! Loss and partition compose with anything: they sit before it.

use crate::refusal::Refusal;
use crate::scope::Scope;
use crate::world::StandingDelay;

/// Refuses a delay where another one of the same packets stands, whoever made it.
///
/// # Errors
/// The table that carries the other delay.
pub fn delay(target: &str, scope: &Scope, standing: &[StandingDelay]) -> Result<(), Refusal> {
    let clash = standing.iter().find(|d| d.direction.meets(scope.direction) && d.peers.meets(&scope.peers));
    match clash {
        None => Ok(()),
        Some(d) => Err(Refusal::DelayOverlaps { target: target.into(), table: d.table.clone() }),
    }
}
