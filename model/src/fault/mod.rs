//! What is done to a target: a closed set, one file each.
//!
//! A fault knows its name, whether it lasts, which engines can do it, what to expect of it, which [`Change`]s it
//! compiles to, and how to judge from what was read back whether it was *effective*. It never acts.

use crate::change::Change;
use crate::engine::Engine;
use crate::evidence::{Effective, Reading};
use crate::scope::Scope;
use serde::{Deserialize, Serialize};

pub mod kill;
pub mod latency;
pub mod loss;
pub mod network;
pub mod partition;
pub mod pod_delete;
pub mod pod_evict;

pub use kill::Kill;
pub use latency::Latency;
pub use loss::Loss;
pub use network::Network;
pub use partition::Partition;
pub use pod_delete::PodDelete;
pub use pod_evict::PodEvict;

/// One fault with its parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    Kill(Kill),
    Latency(Latency),
    Loss(Loss),
    Partition(Partition),
    PodDelete(PodDelete),
    PodEvict(PodEvict),
}

impl Fault {
    /// Names of the faults that an agent carries out, as policies write them.
    pub const NAMES: [&'static str; 4] = ["kill", "latency", "loss", "partition"];
    /// Names of the faults that a cluster's controller carries out itself.
    pub const CLUSTER_NAMES: [&'static str; 2] = ["podDelete", "podEvict"];

    pub fn name(&self) -> &'static str {
        match self {
            Self::Kill(_) => "kill",
            Self::Latency(_) => "latency",
            Self::Loss(_) => "loss",
            Self::Partition(_) => "partition",
            Self::PodDelete(_) => "podDelete",
            Self::PodEvict(_) => "podEvict",
        }
    }

    /// Returns the name under which a node tells whether it can do it: the fault's own, but for killing a whole
    /// container, which has an engine of its own.
    pub fn capability(&self) -> &'static str {
        match self {
            Self::Kill(Kill::Container) => "killContainer",
            Self::Kill(Kill::Process { .. })
            | Self::Latency(_)
            | Self::Loss(_)
            | Self::Partition(_)
            | Self::PodDelete(_)
            | Self::PodEvict(_) => self.name(),
        }
    }

    /// Returns whether the controller carries it out itself, through the API server.
    pub fn by_controller(&self) -> bool {
        match self {
            Self::PodDelete(_) | Self::PodEvict(_) => true,
            Self::Kill(_) | Self::Latency(_) | Self::Loss(_) | Self::Partition(_) => false,
        }
    }

    /// Returns whether whoever asks a pod for its service gets none while it is in effect.
    pub fn takes_down(&self) -> bool {
        match self {
            Self::Kill(_) | Self::Partition(_) | Self::PodDelete(_) | Self::PodEvict(_) => true,
            Self::Loss(loss) => loss.percent == 100,
            Self::Latency(_) => false,
        }
    }

    /// Returns whether the fault is in effect for a time, and so needs a duration and an end.
    pub fn lasts(&self) -> bool {
        self.network().is_some()
    }

    /// Returns which packets a network fault is about.
    pub fn network(&self) -> Option<&Network> {
        match self {
            Self::Kill(_) | Self::PodDelete(_) | Self::PodEvict(_) => None,
            Self::Latency(l) => Some(&l.network),
            Self::Loss(l) => Some(&l.network),
            Self::Partition(p) => Some(&p.network),
        }
    }

    /// Returns the engines that can do it, the preferred one first; `host` is whether the target is the host's own
    /// network.
    pub fn engines(&self, host: bool) -> &'static [Engine] {
        match self {
            Self::Kill(k) => k.engines(),
            Self::Latency(l) => l.engines(host),
            Self::Loss(_) | Self::Partition(_) => &[Engine::Nft],
            Self::PodDelete(_) | Self::PodEvict(_) => &[],
        }
    }

    /// Returns in one line what should be seen while it is in effect.
    pub fn expected(&self) -> String {
        match self {
            Self::Kill(k) => k.expected(),
            Self::Latency(l) => l.expected(),
            Self::Loss(l) => l.expected(),
            Self::Partition(p) => p.expected(),
            Self::PodDelete(d) => d.expected(),
            Self::PodEvict(e) => e.expected(),
        }
    }

    /// Returns the steps, in the order in which they are applied. `scope` is what the fault's peers came to on this
    /// target (absent for faults that are not about the network); `host` as in [`Fault::engines`].
    pub fn changes(&self, engine: Engine, scope: Option<&Scope>, host: bool) -> Vec<Change> {
        match (self, scope) {
            (Self::Kill(k), _) => k.changes(),
            (Self::Latency(l), Some(scope)) => l.changes(engine, scope),
            (Self::Loss(l), Some(scope)) => l.changes(scope, host),
            (Self::Partition(p), Some(scope)) => p.changes(scope, host),
            (Self::Latency(_) | Self::Loss(_) | Self::Partition(_), None)
            | (Self::PodDelete(_) | Self::PodEvict(_), _) => Vec::new(),
        }
    }

    /// Judges at the end, from the victim's side alone, whether the fault had an effect.
    pub fn effective(&self, readings: &[Reading]) -> Effective {
        match self {
            Self::Kill(k) => k.effective(readings),
            Self::Latency(l) => l.effective(readings),
            Self::Loss(l) => l.effective(readings),
            Self::Partition(p) => p.effective(readings),
            // Judged by the controller: the UID is gone.
            Self::PodDelete(_) | Self::PodEvict(_) => Effective::Unknown,
        }
    }
}
