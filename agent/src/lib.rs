//! The node side: what happens on the machine whose processes and packets a fault touches.

pub mod core;
pub mod kernel;
pub mod worker;
