//! The closed set of single steps on a node's kernel that faults compile to.
//!
//! A fault on a target becomes a short list of Changes. They are applied in order and undone in reverse. A *gated*
//! Change ends by the kernel's own clock; a *held* one ends with the process that holds it; a *one-shot* one puts
//! nothing back.

use crate::scope::Scope;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One step on a node's kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Held by its gate: two ifb devices with netem in the target's netns, which a `Filter` sends packets through.
    DelayLinks(Delay),
    /// Held: one process that delays the packets which a `Filter` queues to it.
    DelayWorker(Delay),
    /// Gated: one nft table.
    Filter(Filter),
    /// One-shot: every process of a container's cgroup dies.
    KillContainer,
    /// One-shot: a signal to one process, then SIGKILL after a grace time.
    Signal(Signal),
}

/// One gated nft table in the target's netns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    pub hook: Hook,
    pub scope: Scope,
    pub verdict: Verdict,
}

/// Where in the kernel's path the rules sit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Hook {
    /// nft family `netdev`, hooks `egress` and `ingress`: before conntrack, silent for the sender.
    Device,
    /// nft family `inet`, hooks `output` and `input`: for `reject`, and for a host's own namespace.
    Stack,
    /// nft families `ip` and `ip6`, hooks `postrouting` and `prerouting`: for NFQUEUE.
    Routing,
}

/// What happens to the packets in scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Sent through the devices of `DelayLinks` (hook `Device` only).
    Delay,
    Drop,
    /// Dropped at random, independently of each other: this many of a million (1 to 1,000,000).
    Lose {
        per_million: u32,
    },
    /// Handed to the process of `DelayWorker` (hook `Routing` only).
    Queue,
    /// Answered: TCP by a reset, everything else by ICMP `admin-prohibited` (hook `Stack` only).
    Reject,
}

/// How long packets are held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delay {
    /// 0 to 10 s together with `jitter`.
    pub delay: Duration,
    /// Each packet's delay is drawn uniformly from `delay - jitter ..= delay + jitter`.
    pub jitter: Duration,
    /// Whether a packet may overtake an earlier one because it drew a shorter delay.
    pub reorder: bool,
}

impl Delay {
    /// Returns how long the last packet that entered may still be held.
    pub fn drain(&self) -> Duration {
        self.delay + self.jitter * 4
    }
}

/// A signal to one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// Signal number, 1 to 64.
    pub number: i32,
    /// How long to wait for the process to end before SIGKILL; zero when `number` is SIGKILL.
    pub grace: Duration,
}
