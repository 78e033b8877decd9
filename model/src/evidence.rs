//! What was read back from the kernel, and what it says.
//!
//! *In effect* means the rules were read back. *Effective* is judged at the end, from the victim's packets or process.

use serde::{Deserialize, Serialize};
use std::fmt;
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
    /// From the target's own TCP connections.
    Sockets(Sockets),
}

impl Reading {
    /// Returns the reading of the nft table, where there is one.
    pub fn filtered(readings: &[Self]) -> Option<&Filtered> {
        readings.iter().find_map(|r| match r {
            Self::Filtered(f) => Some(f),
            Self::Delayed(_) | Self::Killed(_) | Self::Sockets(_) => None,
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

/// What the kernel says of the TCP connections in scope that were open when the effect ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sockets {
    pub connections: u32,
    /// The median of their smoothed round trips before the fault; `None` where all are younger.
    pub rtt_before: Option<Duration>,
    /// The same as the effect ended.
    pub rtt: Duration,
    /// Segments that they sent again meanwhile. What is dropped before it leaves is not counted: it was not sent.
    pub retransmitted: u64,
    /// How many of them had written what the peer had not acknowledged.
    pub waiting: u32,
}

impl fmt::Display for Sockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |span: Duration| format!("{:.1} ms", span.as_secs_f64() * 1000.0);
        let plural = if self.connections == 1 { "" } else { "s" };
        let before = self.rtt_before.map_or(String::new(), |before| format!("{} -> ", millis(before)));
        let (count, rtt, again) = (self.connections, millis(self.rtt), self.retransmitted);
        write!(f, "{count} TCP connection{plural}: round trip {before}{rtt}, {again} segments sent again, ")?;
        write!(f, "{} waiting for the peer", self.waiting)
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
