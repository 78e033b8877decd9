//! The API server as Rumpus uses it: the kinds, one client with time limits on every call, errors that tell what to do.
//!
//! Nothing here decides anything about chaos, and nothing is retried that writes.

pub mod api;
pub mod connect;
pub mod error;
#[cfg(any(test, feature = "testing"))]
pub mod fake;
pub mod kinds;
mod only;
pub mod watch;

#[cfg(test)]
mod tests;

pub use api::{AGENT, CLI, CONTROLLER, Cluster, Item, Query, Unread, Writer};
pub use connect::{ConnectError, in_cluster, kubeconfig};
pub use error::{Call, Error};
pub use kinds::{ChaosHalt, ChaosInjection, ChaosLedger, ChaosNode, ChaosPolicy, ChaosRun, Object};
pub use only::Only;
pub use watch::{Seen, Watching};
