//! `rumpus active` in a cluster: Halts that stand, runs that are not finished, and what each node says it has in effect.
//! Only looks; what the caller may not read is named as a problem, never left out.

use super::ask::{self, Listed};
use super::attest::{self, CANARY};
use super::connect::Reached;
use super::{enter, place::ClusterFlags, scope};
use crate::args::Global;
use crate::commands::print;
use crate::failure::Failure;
use crate::render;
use rumpus_cluster::{ChaosHalt, ChaosInjection, ChaosNode, ChaosRun, Error};
use rumpus_model::wire::{self, Mode, RunState};
use serde::Serialize;

/// Exit code where not everything could be read: a script must not take that for "nothing is live".
const UNKNOWN: u8 = 4;

/// What is live.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub context: String,
    /// Only this namespace was looked at.
    pub namespace: Option<String>,
    pub halts: Vec<Halt>,
    pub runs: Vec<Run>,
    pub injections: Vec<Injection>,
    /// Faults that a node says it holds, of which no injection was seen.
    pub unseen: Vec<Unseen>,
    /// What could not be read.
    pub problems: Vec<String>,
}

/// A Halt that stands.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Halt {
    pub name: String,
    pub scope: String,
    pub reason: String,
    pub since: Option<String>,
}

/// A run that is not finished.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    pub namespace: String,
    pub name: String,
    pub armed: bool,
    /// None until a controller has taken it up.
    pub state: Option<RunState>,
    pub targets: Option<i64>,
    pub not_after: Option<String>,
    pub reason: Option<String>,
}

/// A node's share that is not over.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Injection {
    pub namespace: String,
    pub run: String,
    pub node: String,
    pub fault: String,
    pub targets: usize,
    /// What the agent attests; none until it has said anything.
    pub state: Option<wire::InjectionState>,
    pub phase: wire::Phase,
    pub effective: Option<wire::Truth>,
    pub not_after: String,
}

/// A fault that only the node itself knows.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unseen {
    pub node: String,
    pub uid: String,
}

/// Shows what is live.
///
/// # Errors
/// The cluster cannot be reached.
pub fn run(global: &Global, which: &ClusterFlags) -> Result<u8, Failure> {
    enter(which, global, async |reached| {
        let report = look(reached).await;
        print(global, &report, || render::cluster::active::page(&report))?;
        Ok(if report.problems.is_empty() { 0 } else { UNKNOWN })
    })
}

async fn look(reached: &Reached) -> Report {
    let mut report = Report {
        context: reached.context.clone(),
        namespace: reached.narrow.then(|| reached.namespace.clone()),
        ..Report::default()
    };
    let wide = reached.wide();
    let halts = items("halts", reached.list("", None).await, &mut report.problems);
    let runs = items("runs", reached.list(wide, None).await, &mut report.problems);
    let injections = items("injections", reached.list(wide, None).await, &mut report.problems);
    let nodes = items("nodes", reached.list("", None).await, &mut report.problems);
    let (halts, runs, nodes) = (halts.unwrap_or_default(), runs.unwrap_or_default(), nodes.unwrap_or_default());
    let known = injections.is_some();
    let injections = injections.unwrap_or_default();
    report.halts = halts.iter().map(halt).collect();
    report.runs = runs.iter().filter(|r| !is_finished(r)).map(one_run).collect();
    report.injections = injections.iter().filter(|i| is_open(i)).map(injection).collect();
    if known && !reached.narrow {
        report.unseen = unseen(&nodes, &injections);
    }
    report
}

/// Returns what was listed, and notes what was not; none where nothing could be read.
pub fn items<K>(what: &str, listed: Result<Listed<K>, Error>, problems: &mut Vec<String>) -> Option<Vec<K>> {
    match listed {
        Ok(listed) => {
            problems.extend(
                listed.unreadable.into_iter().map(|(name, why)| format!("{what}: {name} is unreadable: {why}")),
            );
            Some(listed.items)
        }
        Err(error) => {
            problems.push(ask::unread(what, &error));
            None
        }
    }
}

fn is_finished(run: &ChaosRun) -> bool {
    run.status.as_ref().is_some_and(|s| s.state == Some(RunState::Finished))
}

fn is_open(injection: &ChaosInjection) -> bool {
    let canary = injection.spec.node_name == CANARY;
    !canary && (attest::is_live(injection) || injection.status.as_ref().is_none_or(|s| s.state.is_none()))
}

fn unseen(nodes: &[ChaosNode], injections: &[ChaosInjection]) -> Vec<Unseen> {
    let mut unseen = Vec::new();
    for node in nodes {
        for uid in node.status.iter().flat_map(|s| &s.active) {
            if !injections.iter().any(|i| i.uid() == uid) {
                unseen.push(Unseen { node: node.name().to_owned(), uid: uid.clone() });
            }
        }
    }
    unseen
}

fn halt(halt: &ChaosHalt) -> Halt {
    Halt {
        name: halt.name().to_owned(),
        scope: scope::show(&halt.spec.scope),
        reason: halt.spec.reason.clone(),
        since: halt.metadata.creation_timestamp.as_ref().map(|t| t.0.to_string()),
    }
}

fn one_run(run: &ChaosRun) -> Run {
    let status = run.status.as_ref();
    Run {
        namespace: run.namespace().to_owned(),
        name: run.name().to_owned(),
        armed: run.spec.mode == Some(Mode::Armed),
        state: status.and_then(|s| s.state),
        targets: status.and_then(|s| s.targets),
        not_after: status.and_then(|s| s.not_after.clone()),
        reason: run.spec.reason.clone(),
    }
}

fn injection(injection: &ChaosInjection) -> Injection {
    let (spec, status) = (&injection.spec, injection.status.as_ref());
    Injection {
        namespace: injection.namespace().to_owned(),
        run: spec.run.name.clone(),
        node: spec.node_name.clone(),
        fault: fault_name(&spec.fault).to_owned(),
        targets: spec.targets.len(),
        state: status.and_then(|s| s.state),
        phase: spec.phase,
        effective: status.and_then(|s| s.effective),
        not_after: spec.not_after.clone(),
    }
}

/// Returns the name of a fault as it is written.
pub fn fault_name(fault: &wire::Fault) -> &'static str {
    let wire::Fault { kill, latency, loss, partition, pod_delete, pod_evict, weight: _ } = fault;
    let given = [
        ("kill", kill.is_some()),
        ("latency", latency.is_some()),
        ("loss", loss.is_some()),
        ("partition", partition.is_some()),
        ("podDelete", pod_delete.is_some()),
        ("podEvict", pod_evict.is_some()),
    ];
    given.into_iter().find(|(_, given)| *given).map_or("no fault", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::ask::object;
    use serde_json::json;

    #[test]
    fn what_only_a_node_knows_is_shown() {
        let node = object(json!({"metadata": {"name": "n1"}, "spec": {}, "status": {"active": ["i", "j"]}}));
        assert_eq!(unseen(&[node], &[]).len(), 2);
    }

    #[test]
    fn a_planned_injection_is_open_until_it_is_final_and_the_canary_never() {
        let injection = |node: &str, phase: &str, status: serde_json::Value| -> ChaosInjection {
            object(json!({
                "metadata": {"name": "i", "namespace": "shop", "uid": "i"},
                "spec": {"nodeName": node, "run": {"name": "r", "uid": "u"}, "phase": phase, "epoch": 1, "revision": 1,
                    "notAfter": "t", "fault": {"kill": {"signal": "TERM"}}, "targets": []},
                "status": status,
            }))
        };
        assert!(is_open(&injection("n1", "Planned", json!({}))));
        assert!(is_open(&injection("n1", "Cancelled", json!({"state": "RestoreFailed"}))));
        assert!(!is_open(&injection("n1", "Cancelled", json!({"state": "Restored"}))));
        assert!(!is_open(&injection(CANARY, "Planned", json!({}))));
    }
}
