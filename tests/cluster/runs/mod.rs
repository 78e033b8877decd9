//! Real runs against real pods: each fault, each way in which it ends, and each part that may die.
//!
//! What happens is measured in the pods' own networks and process tables; what the status says is
//! compared with that.

mod cli;
mod deaths;
mod ends;
mod helm;
mod identity;
mod kills;
mod names;
mod network;
mod parts;
mod probes;
mod proxied;
mod radius;
mod refused;
mod run;
mod scheduled;
mod shop;
mod told;
