//! The node side: what happens on the machine whose processes and packets a fault touches.

#[cfg(all(feature = "testing", not(debug_assertions)))]
compile_error!("failpoints and sabotage are never in a release build");

pub mod ports;
pub mod probe;
pub mod core;
pub mod driver;
pub mod hands;
pub mod resolve;
pub mod local;
pub mod cluster;
pub mod journal;
mod recorder;
pub mod apply;
pub mod verify;
pub mod revert;
mod sockets;
pub mod sweep;
pub mod state_dir;
pub mod worker;
pub mod kernel;
pub mod observe;
pub mod residue;
pub mod testing;
