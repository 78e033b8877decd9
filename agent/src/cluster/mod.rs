//! The agent in a cluster: what it is asked comes from ChaosInjections, what it attests goes into their status and into
//! its ChaosNode, and each fault lives by its own contact with the API server.
//!
//! Decisions are in `desk`, `order`, `contact`, `ceilings` and the reconciler (`core`); the rest reads, writes and
//! carries. It must never listen on a port, and never write anything but status.

pub mod assemble;
pub mod canary;
pub mod ceilings;
pub mod cgroupns;
pub mod contact;
pub mod desk;
pub mod diary;
pub mod halts;
pub mod node;
pub mod node_addresses;
pub mod order;
pub mod pods;
pub mod ready;
pub mod report;
pub mod run;
