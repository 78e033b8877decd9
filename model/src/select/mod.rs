//! From a selector and a World to candidates, and to everything that was left out, each with its reason.
//!
//! Exclusions win. The unit of a network fault is the network namespace: candidates are grouped by it, and one process
//! in it that is excluded or protected keeps the whole namespace out, by name.

use crate::cluster::select::PodSelector;
use crate::fault::{Fault, Kill};
use crate::target::{Printable, ProcessTarget, Target};
use crate::world::{Process, World};
use serde::{Deserialize, Serialize};
use std::fmt;

pub(crate) mod age;
pub mod containers;
pub mod group;
pub mod host;
pub mod netns;
pub mod processes;

pub use containers::Containers;
pub use netns::NetNsNames;
pub use processes::{ProcessMatch, Processes};

/// Where to look for targets.
#[derive(Clone, Debug)]
pub enum Selector {
    Containers(Containers),
    /// The host's own network; only ever by naming it.
    Host,
    NetNs(NetNsNames),
    /// Understood and not found on a host (pods, units, nodes): `Policy::unbuilt` refuses it by name.
    NotHere {
        kind: String,
    },
    /// Pods of a cluster; nothing on a host.
    Pods(PodSelector),
    Processes(Processes),
}

/// Something that may be picked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub target: Target,
    /// Unique and stable: what the rank is drawn from.
    pub identity: String,
    pub why: String,
}

/// Something that was looked at and not taken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LeftOut {
    pub what: String,
    pub reason: Reason,
}

/// Why something was left out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reason {
    Excluded {
        by: String,
    },
    /// It shares the host's network and `host` was not named.
    HostNetwork,
    /// Another process of the namespace keeps it out.
    Holds {
        process: String,
        why: String,
    },
    NotFound,
    /// It matched, and the pick took others.
    NotPicked,
    Protected {
        why: String,
    },
    /// It could not be read well enough to be sure: unknown means no.
    Unknown {
        what: String,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Excluded { by } => write!(f, "excluded by {by}"),
            Self::HostNetwork => f.write_str("shares the host's network, and `host` is not named"),
            Self::Holds { process, why } => write!(f, "its network is shared by {process}, which is {why}"),
            Self::NotFound => f.write_str("does not exist"),
            Self::NotPicked => f.write_str("matched, not picked"),
            Self::Protected { why } => write!(f, "protected: {why}"),
            Self::Unknown { what } => write!(f, "{what}"),
        }
    }
}

/// What a selector found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub candidates: Vec<Candidate>,
    pub left_out: Vec<LeftOut>,
}

/// What a selector matched, before it is turned into the fault's unit.
#[derive(Debug, Default)]
pub(crate) struct Matched<'w> {
    pub(crate) processes: Vec<&'w Process>,
    pub(crate) excluded: Vec<(&'w Process, String)>,
    pub(crate) left_out: Vec<LeftOut>,
}

impl Selector {
    /// Returns what of `world` may be hit by `fault`.
    pub fn find(&self, world: &World, fault: &Fault) -> Found {
        match (self, fault) {
            (Self::Host, _) => host::find(world),
            (Self::NetNs(names), _) => names.find(world),
            // Pods are found in a cluster's world; their faults are nothing for a host.
            (Self::NotHere { .. } | Self::Pods(_), _) | (_, Fault::PodDelete(_) | Fault::PodEvict(_)) => {
                Found::default()
            }
            (Self::Processes(select), Fault::Kill(_)) => processes::each(world, select.matched(world)),
            (Self::Containers(select), Fault::Kill(Kill::Container)) => select.whole(world),
            (Self::Containers(select), Fault::Kill(Kill::Process { .. })) => select.inits(world),
            (Self::Processes(select), Fault::Latency(_) | Fault::Loss(_) | Fault::Partition(_)) => {
                group::by_netns(world, select.matched(world))
            }
            (Self::Containers(select), Fault::Latency(_) | Fault::Loss(_) | Fault::Partition(_)) => {
                group::by_netns(world, select.matched(world))
            }
        }
    }

    pub fn summary(&self) -> String {
        match self {
            Self::Containers(c) => c.summary(),
            Self::Host => "the host's own network".into(),
            Self::NetNs(n) => n.summary(),
            Self::Pods(p) => p.summary(),
            Self::NotHere { kind } => format!("{kind} (not here)"),
            Self::Processes(p) => p.summary(),
        }
    }
}

/// Returns a process the way plans name it.
pub(crate) fn label(process: &Process) -> String {
    format!("process {}({})", Printable(&process.comm), process.id.pid)
}

/// Pins a process; `None` where its cgroup line could not be read, without which it cannot be recognised again.
pub(crate) fn pin(world: &World, process: &Process) -> Option<ProcessTarget> {
    Some(ProcessTarget {
        id: process.id.clone(),
        comm: process.comm.clone(),
        cgroup: process.cgroup.clone()?,
        boot_id: world.boot_id.clone(),
    })
}
