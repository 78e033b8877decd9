//! Held faults: one small process each, which is this binary executed again.
//!
//! The parent (`spawn`) starts it with three pipes' worth of contract:
//!
//! ```text
//! fd 0  control  parent -> worker   lines: renew NS | drain | stats        end of file = let go and exit
//! fd 1  status   worker -> parent   lines: ready | stats … | error …
//! fd 2  the target's network namespace; closed once the worker has entered it
//! ```
//!
//! A worker arms the kernel's kill timer before it does anything else. It must never outlive its parent, its deadline
//! or its pipe, and never hold a packet after any of them ended.

pub mod args;
pub mod backlog;
pub mod delay;
pub mod spawn;
pub mod status;
