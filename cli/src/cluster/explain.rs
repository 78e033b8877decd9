//! `rumpus explain`: the plan's own snapshot and answers, told for the pods of one workload. Nothing is written.

use super::connect::Reached;
use super::plan::{Snapshot, input, snapshot};
use super::{enter, place::ClusterFlags, written};
use crate::args::Global;
use crate::commands::explain::{Args, workload};
use crate::commands::{plan, print};
use crate::failure::Failure;
use crate::render;
use rumpus_model::cluster::explain::{Explanation, explain};

/// Exit code of a workload that is not hit.
const NO: u8 = 3;
/// Exit code where something could not be read.
const UNKNOWN: u8 = 4;

/// Explains.
///
/// # Errors
/// The policy makes no sense, there is no such workload, or the cluster cannot be reached.
pub fn run(global: &Global, which: &ClusterFlags, args: &Args) -> Result<u8, Failure> {
    enter(which, global, async |reached| show(global, reached, args).await)
}

pub(super) async fn show(global: &Global, reached: &Reached, args: &Args) -> Result<u8, Failure> {
    let written = written::read(reached, &args.policy).await?;
    let workload = workload(&args.workload, &written.namespace)?;
    let seed = plan::seed(args.seed.as_deref(), std::slice::from_ref(&written.parsed));
    let Snapshot { world, notes, now } = snapshot(reached).await;
    let Some(mut told) = explain(&world, &input(&written, seed), now, &workload) else {
        let hint = "look at its kind, name and namespace: NAMESPACE/KIND/NAME names another one";
        return Err(Failure::usage(format!("there is no {workload}, and no pod of it"), hint));
    };
    told.notes.extend(notes);
    print(global, &told, || render::explanation(&told))?;
    Ok(exit_code(&told))
}

fn exit_code(told: &Explanation) -> u8 {
    match (told.is_unread(), told.is_candidate() && told.refusals.is_empty()) {
        (true, _) => UNKNOWN,
        (false, true) => 0,
        (false, false) => NO,
    }
}
