//! Which engine carries a fault out on this node; none means no.

use crate::engine::{Capability, Engine};
use crate::fault::Fault;
use crate::refusal::Refusal;
use crate::world::World;

/// Chooses the first engine that this kernel has; `index` is the fault's place in the policy's list.
///
/// # Errors
/// Every engine that could do it, with what the kernel said.
pub fn engine(world: &World, fault: &Fault, index: usize, host: bool) -> Result<Engine, Refusal> {
    let mut tried = Vec::new();
    for engine in fault.engines(host) {
        match world.engines.get(engine) {
            Some(Capability::Ready) => return Ok(*engine),
            Some(Capability::Missing(why)) => tried.push((engine.to_string(), why.clone())),
            None => tried.push((engine.to_string(), "not probed".into())),
        }
    }
    if host && tried.is_empty() {
        return Err(Refusal::NotHere {
            field: format!("faults[{index}].{}", fault.name()),
            why: "is not done to the host's own network".into(),
            hint: "use loss or partition on `host`, or name a network namespace".into(),
        });
    }
    Err(Refusal::EngineMissing { fault: fault.name().into(), tried })
}
