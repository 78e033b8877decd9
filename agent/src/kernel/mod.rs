//! Everything that talks to the kernel: the only place with `unsafe`.
//!
//! It finds out and it acts; it must never decide whether an act is allowed.

pub mod inherited;
pub mod nfqueue;
pub mod timer;
