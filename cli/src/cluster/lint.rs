//! `rumpus lint`: whether what a policy aims at is ready for chaos, on the plan's own snapshot. Nothing is written.

use super::connect::Reached;
use super::plan::{Snapshot, input, snapshot};
use super::{enter, place::ClusterFlags, written};
use crate::args::Global;
use crate::commands::lint::Args;
use crate::commands::print;
use crate::failure::Failure;
use crate::render;
use rumpus_model::cluster::lint::{Lint, lint};

/// Exit code where something is missing.
const NOT_READY: u8 = 7;
/// Exit code where it is not known.
const UNKNOWN: u8 = 4;

/// Judges.
///
/// # Errors
/// The policy makes no sense, or the cluster cannot be reached.
pub fn run(global: &Global, which: &ClusterFlags, args: &Args) -> Result<u8, Failure> {
    enter(which, global, async |reached| show(global, reached, args).await)
}

pub(super) async fn show(global: &Global, reached: &Reached, args: &Args) -> Result<u8, Failure> {
    let written = written::read(reached, &args.policy).await?;
    let Snapshot { world, now, .. } = snapshot(reached).await;
    // Nothing is picked, so no seed matters.
    let told = lint(&world, &input(&written, String::new()), now);
    print(global, &told, || render::lint(&told))?;
    Ok(exit_code(&told))
}

fn exit_code(told: &Lint) -> u8 {
    let lacks = told.workloads.iter().any(|workload| !workload.lacks.is_empty());
    match (told.is_ready(), lacks) {
        (true, _) => 0,
        (false, true) => NOT_READY,
        (false, false) => UNKNOWN,
    }
}
