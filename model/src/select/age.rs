//! When what may be hit began, so that the oldest or the youngest can be picked.

use super::group;
use crate::target::Target;
use crate::world::World;

/// Returns the start of a process, of a container's first process, or of the oldest process of a network namespace, in
/// clock ticks since boot; `None` where nobody is in it or its first process could not be told.
pub(crate) fn started(world: &World, target: &Target) -> Option<u64> {
    match target {
        Target::Process(process) => Some(process.id.start),
        Target::Container(container) => container.init.as_ref().map(|init| init.id.start),
        Target::NetNs(netns) => group::inside(world, &netns.id).iter().map(|process| process.id.start).min(),
    }
}
