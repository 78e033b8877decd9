//! `rumpus doctor` in a cluster: what is installed, whether it lives, what each node can do, and what the caller may do.
//! Found out by asking as the caller; nothing is written but questions about rights.

mod checks;
mod facts;

use super::{enter, place::ClusterFlags};
use crate::args::Global;
use crate::commands::print;
use crate::failure::Failure;
use crate::render;

/// Exit code when something lacks without which nothing works.
const MISSING: u8 = 3;

/// Looks at a cluster.
///
/// # Errors
/// It cannot be reached, or the result cannot be printed as asked.
pub fn run(global: &Global, which: &ClusterFlags) -> Result<u8, Failure> {
    enter(which, global, async |reached| {
        let facts = facts::gather(reached).await;
        let checks = checks::checks(&facts, &reached.namespace, jiff::Timestamp::now());
        print(global, &checks, || render::doctor::page(&checks))?;
        Ok(if checks.iter().any(|c| c.needed && !c.ok) { MISSING } else { 0 })
    })
}
