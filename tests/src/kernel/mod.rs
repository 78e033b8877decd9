//! Tests against a real kernel: each case has a pair of network namespaces of its own and may use
//! the machine's tools (`nft`, `tc`, `ip`, `iptables-save`) as witnesses that share no code with us.
//!
//! ```text
//! matrix (what must be covered) -> cases (one file per fault) -> runner (a process per case) -> report
//!                                        |
//!                                        lab (namespaces, traffic, snapshots)
//! ```
//! A case never touches the machine's own network namespace and never sends a packet out of its lab.

pub mod case;
pub mod cases;
pub mod command;
pub mod lab;
pub mod matrix;
pub mod probe;
pub mod report;
pub mod runc;
pub mod runner;
pub mod sabotage;
pub mod victim;
