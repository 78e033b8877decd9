//! A real cluster, seen from two sides that share no code with Rumpus: its API server, and the
//! kernel that runs its pods. The nodes of the testbed share this machine's kernel, so a test meets
//! their processes and networks here.

pub mod api;
pub mod objects;
pub mod pod;
pub mod process;
pub mod proxy;
