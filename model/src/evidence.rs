//! What was read back from the kernel, and what it says.
//!
//! *In effect* means the rules were read back. *Effective* is judged at the end, from the victim's packets or process.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One thing read back about one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reading {
    /// From the qdisc or the worker that delays.
    Delayed(Delayed),
    /// From an nft table.
    Filtered(Filtered),
    /// From a pidfd or a cgroup.
    Killed(Killed),
}

impl Reading {
    /// Returns the reading of the nft table, where there is one.
    pub fn filtered(readings: &[Self]) -> Option<&Filtered> {
        readings.iter().find_map(|r| match r {
            Self::Filtered(f) => Some(f),
            Self::Delayed(_) | Self::Killed(_) => None,
        })
    }
}

/// What a qdisc or a worker counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delayed {
    /// Packets that went through it.
    pub delayed: u64,
    /// Packets that it still holds.
    pub backlog: u64,
    /// Packets that were lost in it, at most.
    pub lost: u64,
}

/// What an nft table counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Filtered {
    /// How long the gate still stands; `None` once it is empty.
    pub armed_for: Option<Duration>,
    /// Packets that our verdict hit.
    pub hit: Counts,
    /// Packets in scope that were seen behind our verdict.
    pub passed: Counts,
}

/// Packet counts by direction, seen from the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub egress: u64,
    pub ingress: u64,
}

impl Counts {
    pub fn packets(&self) -> u64 {
        self.egress.saturating_add(self.ingress)
    }
}

/// How a kill went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Killed {
    /// The pidfd was readable, or the cgroup empty.
    pub gone: bool,
    /// SIGKILL was needed after the grace time.
    pub escalated: bool,
    /// From the signal to the end.
    pub after: Duration,
    /// How many processes died.
    pub processes: u32,
    /// How many of a container were still there at the end.
    pub survivors: u32,
    /// `pidfd`, `cgroup.kill`, or `pidfd in N rounds`.
    pub by: String,
}

/// Whether the fault had an effect on the victim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Effective {
    /// Only once the fault has ended.
    False,
    Unknown,
    True,
}
