//! `rumpus stop RUN`: asks the controller to end one run, and waits until its nodes have said that it has ended. Without a
//! controller nothing hears it: then `halt run/NAMESPACE/NAME` is the lever.

use super::ask;
use super::connect::Reached;
use super::follow::Following;
use super::run::Report;
use super::story::{self, Ending};
use super::{enter, place::ClusterFlags};
use crate::args::{Global, Output, Stop as Args};
use crate::commands::print;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::{render, signals};
use rumpus_cluster::ChaosRun;
use rumpus_model::run::Outcome;
use rumpus_model::wire::{Mode, RunState};
use tokio::sync::mpsc::channel;

/// Stops a run.
///
/// # Errors
/// There is no such run, or it may not be stopped by the caller.
pub fn run(global: &Global, which: &ClusterFlags, args: &Args) -> Result<u8, Failure> {
    let (namespace, name) = match args.run.split_once('/') {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, args.run.as_str()),
    };
    enter(which, global, async |reached| stop(global, reached, namespace.unwrap_or(&reached.namespace), name).await)
}

async fn stop(global: &Global, reached: &Reached, namespace: &str, name: &str) -> Result<u8, Failure> {
    let found = reached.get::<ChaosRun>(namespace, name).await;
    let found = found.map_err(|e| ask::refused(&format!("read run {namespace}/{name}"), &e))?;
    let Some(run) = found else {
        let hint = "`rumpus active` shows what is live; write NAMESPACE/RUN, or name the namespace with -n";
        return Err(Failure::usage(format!("there is no run {namespace}/{name}"), hint));
    };
    let mut progress = Progress::new(global.output == Output::Table);
    // Ctrl-C only ends the waiting: the wish stands.
    let (_tell, mut wishes) = channel::<signals::Asked>(1);
    let following =
        Following { reached, namespace: namespace.to_owned(), name: name.to_owned(), uid: run.uid().to_owned() };
    let over = run.status.as_ref().is_some_and(|s| s.state == Some(RunState::Finished));
    let followed = following.to_the_end(&mut wishes, !over, &mut progress).await;
    progress.end();
    let ending = story::ending(&followed.seen, Some(signals::Asked::Terminate));
    let report = Report {
        context: reached.context.clone(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        seed: run.spec.seed.clone().unwrap_or_default(),
        armed: run.spec.mode == Some(Mode::Armed),
        exit_code: exit_code(&ending),
        seen: followed.seen,
        ending,
        problems: followed.problems,
    };
    print(global, &report, || render::cluster::run::end(&report))?;
    Ok(report.exit_code)
}

/// Whatever the run came to: that it is over is what was asked for.
fn exit_code(ending: &Ending) -> u8 {
    match ending {
        Ending::Known(Outcome::RestoreProblem) | Ending::Unconfirmed { .. } => ending.exit_code(),
        Ending::Known(
            Outcome::DryRun
            | Outcome::Halted
            | Outcome::Inconclusive
            | Outcome::Interrupted
            | Outcome::Proven
            | Outcome::Refused,
        )
        | Ending::Failed
        | Ending::Started => 0,
    }
}
