//! Reasons not to act, in the order in which they are asked. Each fails closed: unknown means no.

use crate::refusal::Refusal;
use crate::world::{Halted, World};

pub mod capable;
pub mod lockout;
pub mod overlap;
pub mod protected;

/// Refuses while a Halt stands, or while it is not known whether one does.
///
/// # Errors
/// The Halt's reason, or why it could not be read.
pub fn halted(world: &World) -> Result<(), Refusal> {
    match &world.halted {
        Halted::No => Ok(()),
        Halted::Yes { reason, .. } => Err(Refusal::Halted { reason: reason.clone() }),
        Halted::Unreadable { why } => Err(Refusal::HaltUnreadable { why: why.clone() }),
    }
}
