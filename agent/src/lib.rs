//! The node side: what happens on the machine whose processes and packets a fault touches.

pub mod core;
pub mod driver;
pub mod journal;
pub mod kernel;
pub mod ports;
pub mod state_dir;
pub mod worker;
