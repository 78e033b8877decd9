//! Engines: the ways to make a Change on a kernel, and whether this kernel has them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One way to make a Change on this kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// `cgroup.kill` on cgroup v2, SIGKILL by pidfd in rounds on v1.
    Cgroup,
    /// nft `fwd` to an ifb device that carries netem.
    Netem,
    /// A process that delays what an NFQUEUE rule hands to it.
    Nfqueue,
    /// Rules of nf_tables alone.
    Nft,
    /// pidfd_send_signal.
    Signal,
}

impl Engine {
    pub const ALL: [Self; 5] = [Self::Cgroup, Self::Netem, Self::Nfqueue, Self::Nft, Self::Signal];

    pub fn name(self) -> &'static str {
        match self {
            Self::Cgroup => "cgroup",
            Self::Netem => "netem",
            Self::Nfqueue => "nfqueue",
            Self::Nft => "nft",
            Self::Signal => "signal",
        }
    }

    /// Returns what a reader of a plan should know about how this engine differs.
    pub fn note(self) -> &'static str {
        match self {
            Self::Cgroup => "every process of the container's cgroup",
            Self::Netem => "in the kernel, before conntrack; neighbour discovery and loopback are left alone",
            Self::Nfqueue => {
                "one process of ours holds the packets, behind routing, so fragments are seen whole; outgoing bulk TCP \
                 is slowed more than the delay says, since what is held counts against the sender's socket; \
                 neighbour discovery and loopback are left alone"
            }
            Self::Nft => "in the kernel; neighbour discovery is left alone",
            Self::Signal => "by pidfd, to the pinned process only",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a kernel can do it, found out by trying.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Capability {
    Ready,
    /// What was tried and what the kernel said.
    Missing(String),
}
