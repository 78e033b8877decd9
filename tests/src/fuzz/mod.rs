//! What a fuzzer runs over bytes of its own making. Each target is a plain function that fails by an assertion, so that
//! its corpus can be replayed by a test without any fuzzer; the binaries of `fuzz/` only call them.

mod draw;
pub(crate) mod core;
mod duration_cidr;
mod journal;
mod policy;
mod proc;
mod world;

pub use core::core;
pub use duration_cidr::duration_cidr;
pub use journal::journal;
pub use policy::policy;
pub use proc::proc;
pub use world::world;

/// One function over bytes, and the name of its binary and of its corpus.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: [Target; 6] = [
    Target { name: "core", run: core::core },
    Target { name: "duration_cidr", run: duration_cidr },
    Target { name: "journal", run: journal },
    Target { name: "policy", run: policy },
    Target { name: "proc", run: proc },
    Target { name: "world", run: world },
];
