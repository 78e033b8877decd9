//! The API server as Rumpus uses it: the kinds, one client with time limits on every call, errors that tell what to do.
//!
//! Nothing here decides anything about chaos, and nothing is retried that writes.

pub mod kinds;

pub use kinds::{ChaosHalt, ChaosInjection, ChaosNode, ChaosPolicy, ChaosRun, Object};
