//! Carries runs out: observe, let the model decide, act, and follow what the agents attest until each run has an
//! outcome. On a host there is one agent, in the same process.
//!
//! It must never choose: what is hit was decided by [`rumpus_model::plan`].

pub mod ports;
pub mod observe;
pub mod act;
pub mod follow;
pub mod host;
pub mod cluster;
