//! The on-call verbs against a cluster: one file each. They read and write the API server as the caller, and as nobody
//! else: what the caller may not read is unknown, and is said to be.
//!
//! A verb of a cluster must never touch this host, nor say that something has ended which no node attested.

pub mod place;
pub mod connect;
pub mod ask;

pub mod plan;
pub mod explain;
pub mod lint;
pub mod held;
pub mod installed;
pub mod run;
pub mod follow;
pub mod story;
pub mod written;
pub mod active;
pub mod stop;
pub mod halt;
pub mod scope;
pub mod attest;
pub mod resume;
pub mod doctor;
pub mod residue;
pub mod schedule;
pub mod simulate;

use crate::args::Global;
use crate::failure::Failure;
use connect::Reached;
use place::ClusterFlags;

/// Says that something is only of a cluster.
pub fn only(what: &str, instead: &str) -> Failure {
    let hint = format!("name one with --context, or use `kubectl rumpus`; {instead}");
    Failure::usage(format!("{what}: this is only known in a cluster"), hint)
}

/// Reaches the cluster and carries a verb out there; nothing else of this process runs beside it.
///
/// # Errors
/// The cluster cannot be reached, or what the verb says.
pub fn enter(
    flags: &ClusterFlags,
    global: &Global,
    verb: impl AsyncFnOnce(&Reached) -> Result<u8, Failure>,
) -> Result<u8, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::refused(format!("start: {e}"), "free memory or file descriptors"))?;
    runtime.block_on(async {
        let reached = connect::reach(flags, global.lease).await?;
        verb(&reached).await
    })
}

#[cfg(test)]
mod tests;
