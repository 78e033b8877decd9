//! What has to be covered: each fault by each engine that can do it, on each kernel.
//!
//! This is the one list. A cell without a case that ran fails `cargo xtask test`, unless
//! `docs/not-tested.md` names it with its reason.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A fault, or the harness that measures faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The test harness itself: that its instruments see what they are to see.
    Harness,
    /// Ends processes.
    Kill,
    /// Delays packets.
    Latency,
    /// Drops a share of the packets.
    Loss,
    /// Drops all packets.
    Partition,
}

/// One way to carry a fault out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Engine {
    /// A whole cgroup at once.
    Cgroup,
    /// A qdisc on an ifb.
    Netem,
    /// A delay line in user space.
    Nfqueue,
    /// Rules of nf_tables.
    Nft,
    /// One process by its pidfd.
    Signal,
    /// The machine's own tools, for the harness's cases.
    Tools,
}

/// A kernel that the cases run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kernel {
    /// The kernel of the machine that runs the tests.
    Host,
    /// The kernel of the QEMU guest.
    Qemu,
}

/// Every pair of fault and engine that exists.
pub const CELLS: &[(Fault, Engine)] = &[
    (Fault::Harness, Engine::Tools),
    (Fault::Kill, Engine::Signal),
    (Fault::Kill, Engine::Cgroup),
    (Fault::Latency, Engine::Netem),
    (Fault::Latency, Engine::Nfqueue),
    (Fault::Loss, Engine::Nft),
    (Fault::Partition, Engine::Nft),
];

/// Every kernel.
pub const KERNELS: &[Kernel] = &[Kernel::Host, Kernel::Qemu];

impl Fault {
    /// Returns the fault's name as policies write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Harness => "harness",
            Self::Kill => "kill",
            Self::Latency => "latency",
            Self::Loss => "loss",
            Self::Partition => "partition",
        }
    }
}

impl Engine {
    /// Returns the engine's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cgroup => "cgroup",
            Self::Netem => "netem",
            Self::Nfqueue => "nfqueue",
            Self::Nft => "nft",
            Self::Signal => "signal",
            Self::Tools => "tools",
        }
    }
}

impl Kernel {
    /// Returns the kernel's name as the command line takes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Qemu => "qemu",
        }
    }
}

impl FromStr for Kernel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        KERNELS.iter().copied().find(|kernel| kernel.name() == text).ok_or_else(|| "expected host or qemu".to_owned())
    }
}

macro_rules! by_name {
    ($($kind:ty),*) => {$(
        impl fmt::Display for $kind {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(self.name())
            }
        }

        impl Serialize for $kind {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }
    )*};
}

by_name!(Fault, Engine, Kernel);
