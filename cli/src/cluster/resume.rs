//! `rumpus resume` in a cluster: deletes Halts, and nothing restarts by itself. A Halt is only taken away once each node
//! that held something has said that it ended; `--force` goes on without, and names who was silent.

use super::ask;
use super::attest::{self, Answer, Attested, Held};
use super::connect::Reached;
use super::{enter, place::ClusterFlags, scope};
use crate::args::{Global, Output, Resume as Args};
use crate::commands::print;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::render;
use rumpus_agent::resolve::chain;
use rumpus_cluster::{CLI, ChaosHalt, ChaosInjection, ChaosNode, Error};
use serde::Serialize;
use std::time::Duration;
use tokio::time::Instant;

const EVERY: Duration = Duration::from_millis(500);
/// What an agent may need besides the lease to report.
const SLACK: Duration = Duration::from_secs(5);

/// What was lifted.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub context: String,
    pub lifted: Vec<Lifted>,
    /// Nodes with live faults that have not attested that they ended; only with --force.
    pub unconfirmed: Vec<String>,
}

/// A Halt that is gone.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lifted {
    pub name: String,
    pub scope: String,
    pub reason: String,
}

/// Lifts Halts.
///
/// # Errors
/// It is not clear which one is meant, a node has not attested, or the caller may not: then they stand.
pub fn run(global: &Global, which: &ClusterFlags, args: &Args) -> Result<u8, Failure> {
    enter(which, global, async |reached| resume(global, reached, args).await)
}

pub(super) async fn resume(global: &Global, reached: &Reached, args: &Args) -> Result<u8, Failure> {
    let found = reached.list::<ChaosHalt>("", None).await;
    let halts = chosen(found.map_err(|e| ask::refused("read the halts", &e))?.items, args)?;
    let mut progress = Progress::new(global.output == Output::Table);
    let mut report = Report { context: reached.context.clone(), lifted: Vec::new(), unconfirmed: Vec::new() };
    if !halts.is_empty() {
        report.unconfirmed = silent(reached, &halts, args.force, &mut progress).await?;
        progress.end();
    }
    for halt in halts {
        match reached.cluster.delete::<ChaosHalt>(CLI, "", halt.name(), halt.uid(), None).await {
            Ok(()) | Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(ask::refused(&format!("{} was not lifted", halt.name()), &error)),
        }
        let (name, scope) = (halt.name().to_owned(), scope::show(&halt.spec.scope));
        report.lifted.push(Lifted { name, scope, reason: halt.spec.reason });
    }
    print(global, &report, || render::cluster::resume::page(&report))?;
    Ok(0)
}

/// Returns the Halts that are meant.
fn chosen(mut halts: Vec<ChaosHalt>, args: &Args) -> Result<Vec<ChaosHalt>, Failure> {
    if let Some(name) = &args.name {
        halts.retain(|h| h.name() == name);
        if halts.is_empty() {
            return Err(Failure::usage(format!("there is no halt `{name}`"), "`rumpus active` shows the halts"));
        }
    }
    if halts.len() > 1 && !args.all {
        let names: Vec<&str> = halts.iter().map(ChaosHalt::name).collect();
        let what = format!("{} halts stand: {}", halts.len(), names.join(", "));
        return Err(Failure::usage(what, "name one, or write --all"));
    }
    Ok(halts)
}

/// Waits for the nodes that hold something in the scope of these Halts; returns those that stay silent.
async fn silent(
    reached: &Reached,
    halts: &[ChaosHalt],
    force: bool,
    progress: &mut Progress,
) -> Result<Vec<String>, Failure> {
    let asked: Vec<_> = halts.iter().map(|h| (h.uid().to_owned(), h.spec.scope.clone())).collect();
    let began = Instant::now();
    loop {
        let nodes = reached.list::<ChaosNode>("", None).await;
        let injections = reached.list::<ChaosInjection>("", None).await;
        let (nodes, injections) = match (nodes, injections) {
            (Ok(nodes), Ok(injections)) => (nodes, injections),
            (Err(error), _) | (_, Err(error)) if force => return Ok(vec![format!("every node ({})", chain(&error))]),
            (Err(error), _) | (_, Err(error)) => {
                let what = format!("nothing was lifted: what the nodes attest cannot be read: {}", chain(&error));
                return Err(Failure::refused(what, "ask somebody who may read, or use --force to lift it unseen"));
            }
        };
        let mut held = attest::held(&nodes.items, &injections.items, &asked);
        for (name, why) in nodes.unreadable {
            held.entry(name).or_default().insert(why);
        }
        let open = open(&attest::attested(&nodes.items, &held, &asked), &held);
        if open.is_empty() || force {
            return Ok(open);
        }
        if began.elapsed() > reached.lease + SLACK {
            let what = format!("nothing was lifted: no word from {} that its faults have ended", open.join(", "));
            let hint = "`rumpus doctor` shows its agent; --force lifts the halt all the same";
            return Err(Failure::restore(what, hint));
        }
        progress.waiting(&format!("waiting for {}", open.join(", ")));
        tokio::time::sleep(EVERY).await;
    }
}

/// Returns the nodes that hold something and have not attested.
fn open(attested: &[Attested], held: &Held) -> Vec<String> {
    let holds = |node: &str| held.get(node).is_some_and(|uids| !uids.is_empty());
    let silent = attested.iter().filter(|a| a.answer == Answer::Unconfirmed && holds(&a.node));
    silent.map(|a| a.node.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::ask::object;
    use serde_json::json;

    fn halt(name: &str) -> ChaosHalt {
        object(json!({"metadata": {"name": name, "uid": name}, "spec": {"scope": {"all": true}, "reason": "r"}}))
    }

    fn args(name: Option<&str>, all: bool) -> Args {
        Args { name: name.map(str::to_owned), all, force: false }
    }

    #[test]
    fn which_halt_is_meant_is_never_guessed() {
        let two = || vec![halt("a"), halt("b")];
        assert!(chosen(two(), &args(None, false)).is_err());
        assert_eq!(chosen(two(), &args(None, true)).unwrap().len(), 2);
        assert_eq!(chosen(two(), &args(Some("b"), false)).unwrap()[0].name(), "b");
        assert!(chosen(two(), &args(Some("c"), false)).is_err());
        assert_eq!(chosen(vec![halt("a")], &args(None, false)).unwrap().len(), 1);
        assert!(chosen(Vec::new(), &args(None, false)).unwrap().is_empty());
    }

    #[test]
    fn only_a_node_that_holds_something_is_waited_for() {
        let node = |name: &str, active: &[&str], halts: &[&str]| {
            let status = json!({"heartbeat": "t", "active": active, "halts": halts});
            object(json!({"metadata": {"name": name}, "spec": {}, "status": status}))
        };
        let nodes = [node("a", &["i"], &[]), node("b", &[], &[]), node("c", &["j"], &["a"])];
        let halt = halt("a");
        let asked = [(halt.uid().to_owned(), halt.spec.scope)];
        let held = attest::held(&nodes, &[], &asked);
        assert_eq!(open(&attest::attested(&nodes, &held, &asked), &held), ["a"]);
    }
}
