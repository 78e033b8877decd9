//! The host's own network: hit only when it is named, and only behind the lock-out rules.

use super::{Candidate, Found, LeftOut, Reason, group};
use crate::target::{NetNsTarget, Target, Via};
use crate::world::World;

pub(crate) fn find(world: &World) -> Found {
    let Some(id) = world.host_netns else {
        let reason = Reason::Unknown { what: "the host's network namespace could not be read".into() };
        return Found { left_out: vec![LeftOut { what: "host".into(), reason }], ..Found::default() };
    };
    let target = NetNsTarget {
        id,
        via: Via::Host,
        boot_id: world.boot_id.clone(),
        host: true,
        processes: group::labels(&group::inside(world, &id)),
    };
    let candidate = Candidate { target: Target::NetNs(target), identity: "host".into(), why: "named".into() };
    Found { candidates: vec![candidate], ..Found::default() }
}
