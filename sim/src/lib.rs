//! A world in which the production cores run unchanged, decided by a seed: API server, kernels, disks and networks are
//! models, time is a number, and everything that can go wrong does.
//!
//! ```text
//! world (the loop) -> controller, agent + serve (processes) -> net (requests, watches) -> api (the store)
//!                                     \-> kernel, journal
//! after each happening: check, on what kernels and store hold
//! ```
//!
//! It must never decide what the production code decides, and never look at a real clock or draw from a real source.

pub mod agent;
pub mod api;
pub mod assemble;
pub mod check;
pub mod controller;
pub mod decide;
pub mod disk;
pub mod exhaust;
pub mod kernel;
pub mod net;
pub mod plant;
pub mod queue;
pub mod rng;
pub mod schedule;
pub mod shrink;
mod serve;
pub mod snapshot;
pub mod specs;
pub mod story;
pub mod swarm;
mod translate;
mod trouble;
pub mod users;
pub mod world;
