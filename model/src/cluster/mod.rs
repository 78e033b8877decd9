//! What is decided for a cluster: from a snapshot of the API server's objects and a policy to a plan, and from what the
//! agents attest to where a run stands.
//!
//! Nothing in here fetches, waits, or asks for the time. A list that could not be read is a value, and what depends on
//! it is refused: unknown means no.

pub mod world;

pub mod labels;
pub mod freeze;
pub mod owner_limit;
pub mod pod;
pub mod rollout;
pub mod says;

pub mod select;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

mod pick;
mod weight;

pub mod guard;
pub mod load;
pub mod cooldown;
#[cfg(test)]
mod cooldown_tests;
pub mod explain;
pub mod lint;
pub mod peers;
pub mod plan;
pub mod refusal;
pub mod revision;
pub mod run;
pub mod written;

pub use plan::{ClusterPlan, NodeShare, PeerEntry, PodTarget, RunInput, plan};
pub use refusal::ClusterRefusal;
pub use world::{Known, Text, Unknown, World};
