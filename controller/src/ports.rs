//! What a controller's surroundings must be able to do.

use rumpus_model::injection::Injection;
use rumpus_model::plan::Lookup;
use rumpus_model::policy::Policy;
use rumpus_model::world::World;
use std::net::IpAddr;

/// Sees the world.
pub trait Observe {
    /// Takes a snapshot that is enough to plan these policies.
    ///
    /// # Errors
    /// Why there is none: unknown means no.
    fn world(&self, policies: &[Policy]) -> Result<World, String>;

    /// Resolves a name as a target resolves it.
    ///
    /// # Errors
    /// Why it has no address.
    fn lookup(&self, lookup: &Lookup) -> Result<Vec<IpAddr>, String>;
}

/// Reaches the agents.
pub trait Agents {
    fn submit(&self, injection: Injection);
}
