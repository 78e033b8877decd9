//! Network namespaces by their name under /run/netns.

use super::{Found, LeftOut, Reason, group};
use crate::world::World;

/// Names as `ip netns` knows them; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetNsNames {
    pub names: Vec<String>,
}

impl NetNsNames {
    pub(crate) fn find(&self, world: &World) -> Found {
        let mut found = Found::default();
        for name in &self.names {
            let what = format!("netns {name}");
            match world.netns.iter().find(|n| n.names.contains(name)) {
                None => found.left_out.push(LeftOut { what, reason: Reason::NotFound }),
                Some(netns) => match group::candidate(world, netns, "named".into()) {
                    Ok(candidate) if found.candidates.iter().any(|c| c.identity == candidate.identity) => {
                        let reason =
                            Reason::Unknown { what: "is another name of a namespace that is in the list".into() };
                        found.left_out.push(LeftOut { what, reason });
                    }
                    Ok(candidate) => found.candidates.push(candidate),
                    Err(reason) => found.left_out.push(LeftOut { what, reason }),
                },
            }
        }
        found
    }

    pub fn summary(&self) -> String {
        format!("netns {}", self.names.join(", "))
    }
}
