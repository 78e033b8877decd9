//! The snapshot that a decision may look at, as of an instant.
//!
//! Observers fill it; nothing in here is ever fetched while deciding. What could not be read is *absent with a reason*,
//! never a default that looks like an answer.

use crate::engine::{Capability, Engine};
use crate::scope::{Direction, Exempt, Peers};
use crate::target::{NetNsId, ProcessId, Via};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// One host, as of an instant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct World {
    pub boot_id: String,
    pub halted: Halted,
    /// Rumpus itself and its ancestors (pids): never hit.
    pub own: BTreeSet<i32>,
    /// `None` where it could not be read: then no network fault is possible.
    pub host_netns: Option<NetNsId>,
    pub processes: Vec<Process>,
    pub containers: Vec<Container>,
    pub netns: Vec<NetNs>,
    pub engines: BTreeMap<Engine, Capability>,
    /// User names of this host (name -> uid).
    pub users: BTreeMap<String, u32>,
    /// Names looked up in a target's view: (namespace, name) -> addresses or why not. A name that is not in here has
    /// not been asked for yet.
    pub names: BTreeMap<String, Result<Vec<IpAddr>, String>>,
    /// Flows that a fault on the host's own network must leave alone, or why they are not known.
    pub lockout: Option<Result<Vec<Exempt>, String>>,
}

impl World {
    /// Returns the key of `names` for one name as one namespace sees it.
    pub fn name_key(netns: &NetNsId, name: &str) -> String {
        format!("{}:{}/{name}", netns.dev, netns.ino)
    }
}

/// Whether a Halt stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Halted {
    #[default]
    No,
    Yes {
        id: String,
        reason: String,
    },
    /// Counts as halted: unknown means no.
    Unreadable {
        why: String,
    },
}

impl Halted {
    pub fn stands(&self) -> bool {
        match self {
            Self::No => false,
            Self::Yes { .. } | Self::Unreadable { .. } => true,
        }
    }
}

/// A process as it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    pub id: ProcessId,
    pub ppid: i32,
    pub comm: String,
    /// Arguments joined by spaces, at most 4 KiB; empty for kernel threads and some zombies.
    pub cmdline: String,
    pub exe: Option<String>,
    pub uid: u32,
    pub kernel_thread: bool,
    pub zombie: bool,
    pub netns: Option<NetNsId>,
    /// The cgroup line that identifies it; `None` where it could not be read or trusted.
    pub cgroup: Option<String>,
    /// Id of the container that its cgroup shows.
    pub container: Option<String>,
    /// PID 1 of a namespace without a handler: the kernel drops this signal set (bit n-1 = signal n).
    pub ignores: u64,
}

/// A container that a runtime's cgroup shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    pub id: String,
    pub cgroup: String,
    pub pids: Vec<i32>,
}

/// A network namespace as it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetNs {
    pub id: NetNsId,
    /// Names under /run/netns.
    pub names: Vec<String>,
    pub via: Via,
    pub devices: Vec<String>,
    /// Delays that sit in it already, whoever made them.
    pub delays: Vec<StandingDelay>,
}

/// A delay found in a namespace's kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingDelay {
    /// The nft table that carries it.
    pub table: String,
    pub direction: Direction,
    pub peers: Peers,
}
