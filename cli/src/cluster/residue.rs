//! `rumpus residue` in a cluster: what nodes say they could not take away, and faults whose end nobody has attested. Only
//! looks: what is left on a node its agent sweeps by itself.

use super::active::items;
use super::attest;
use super::connect::Reached;
use super::{enter, place::ClusterFlags};
use crate::args::{Global, Residue as Args};
use crate::commands::print;
use crate::failure::Failure;
use crate::render;
use rumpus_cluster::{ChaosInjection, ChaosNode, ChaosRun};
use rumpus_model::wire::{Confirmation, InjectionState, RunState};
use serde::Serialize;
use std::collections::BTreeMap;

/// Exit code when something is left, or may be.
const RESTORE: u8 = 5;

/// What is left.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub context: String,
    pub namespace: Option<String>,
    pub found: Vec<Found>,
    /// What could not be looked at.
    pub problems: Vec<String>,
    pub exit_code: u8,
}

/// One thing that is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    pub kind: Kind,
    pub node: String,
    /// `namespace/name` of the injection or the run; empty where it is the node's own word.
    pub object: String,
    pub what: String,
}

/// What kind of leftover it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// The node says that it is there.
    OnNode,
    /// The agent could not restore it; it goes on trying.
    NotRestored,
    /// Its run is over or gone, and its node has not attested its end.
    Unattested,
    /// A run that ended without its nodes' words.
    Unconfirmed,
}

/// Looks.
///
/// # Errors
/// `--clean` was asked for, or the cluster cannot be reached.
pub fn run(global: &Global, which: &ClusterFlags, args: &Args) -> Result<u8, Failure> {
    if args.clean {
        let hint = "an agent sweeps its node at its start and each minute; `rumpus residue --clean` on the node itself";
        return Err(Failure::usage("--clean is only known on a host", hint));
    }
    enter(which, global, async |reached| {
        let report = look(reached).await;
        print(global, &report, || render::cluster::residue::page(&report))?;
        Ok(report.exit_code)
    })
}

async fn look(reached: &Reached) -> Report {
    let mut report = Report {
        context: reached.context.clone(),
        namespace: reached.narrow.then(|| reached.namespace.clone()),
        ..Report::default()
    };
    let (wide, problems) = (reached.wide(), &mut report.problems);
    let nodes = items("nodes", reached.list("", None).await, problems).unwrap_or_default();
    // Without the runs it is not known whose injections are left: nothing is guessed. They are read last: an injection
    // that was seen has a run that was there.
    let injections = items("injections", reached.list(wide, None).await, problems).unwrap_or_default();
    let runs = items("runs", reached.list(wide, None).await, problems);
    report.found = found(&nodes, runs.as_ref(), &injections);
    report.exit_code = if report.found.is_empty() && report.problems.is_empty() { 0 } else { RESTORE };
    report
}

fn found(nodes: &[ChaosNode], runs: Option<&Vec<ChaosRun>>, injections: &[ChaosInjection]) -> Vec<Found> {
    let mut found = Vec::new();
    for node in nodes {
        for what in node.status.iter().flat_map(|s| &s.residue) {
            let (node, what) = (node.name().to_owned(), what.clone());
            found.push(Found { kind: Kind::OnNode, node, object: String::new(), what });
        }
    }
    let known: Option<BTreeMap<&str, &ChaosRun>> = runs.map(|runs| runs.iter().map(|r| (r.uid(), r)).collect());
    for injection in injections.iter().filter(|i| i.spec.node_name != attest::CANARY && attest::is_live(i)) {
        let object = format!("{}/{}", injection.namespace(), injection.name());
        let node = injection.spec.node_name.clone();
        if injection.status.as_ref().is_some_and(|s| s.state == Some(InjectionState::RestoreFailed)) {
            let what = "the agent cannot restore it and goes on trying".to_owned();
            found.push(Found { kind: Kind::NotRestored, node, object, what });
        } else if let Some(known) = &known {
            let what = match known.get(injection.spec.run.uid.as_str()) {
                None => "its run is gone".to_owned(),
                Some(run) if is_finished(run) => "its run is finished".to_owned(),
                Some(_) => continue,
            };
            found.push(Found {
                kind: Kind::Unattested,
                node,
                object,
                what: what + ", its node has not said that it ended",
            });
        }
    }
    for run in runs.into_iter().flatten().filter(|r| is_finished(r)) {
        let status = run.status.as_ref();
        if status.is_some_and(|s| s.confirmation == Some(Confirmation::Unconfirmed)) {
            let silent = status.map(|s| s.unconfirmed_nodes.clone()).unwrap_or_default();
            let clean = |node: &str| {
                nodes.iter().any(|n| n.name() == node && n.status.as_ref().is_some_and(|s| s.active.is_empty()))
            };
            for node in silent.into_iter().filter(|n| !clean(n)) {
                let object = format!("{}/{}", run.namespace(), run.name());
                let what = "the run ended without this node's word, and it holds something or is silent".to_owned();
                found.push(Found { kind: Kind::Unconfirmed, node, object, what });
            }
        }
    }
    found
}

fn is_finished(run: &ChaosRun) -> bool {
    run.status.as_ref().is_some_and(|s| s.state == Some(RunState::Finished))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::ask::object;
    use serde_json::{Value, json};

    fn injection(run: &str, state: &str) -> ChaosInjection {
        object(json!({
            "metadata": {"name": "i", "namespace": "shop", "uid": "i"},
            "spec": {"nodeName": "n1", "run": {"name": "r", "uid": run}, "phase": "Armed", "epoch": 1, "revision": 1,
                "notAfter": "t", "fault": {"kill": {"signal": "TERM"}}, "targets": []},
            "status": {"state": state},
        }))
    }

    fn run(status: &Value) -> ChaosRun {
        object(json!({"metadata": {"name": "r", "namespace": "shop", "uid": "u"}, "spec": {}, "status": status}))
    }

    fn kinds(found: &[Found]) -> Vec<Kind> {
        found.iter().map(|f| f.kind).collect()
    }

    #[test]
    fn a_fault_whose_run_goes_on_is_no_residue() {
        let running = vec![run(&json!({"state": "Running"}))];
        assert!(found(&[], Some(&running), &[injection("u", "InEffect")]).is_empty());
        let over = vec![run(&json!({"state": "Finished"}))];
        assert_eq!(kinds(&found(&[], Some(&over), &[injection("u", "InEffect")])), [Kind::Unattested]);
        assert_eq!(kinds(&found(&[], Some(&over), &[injection("gone", "InEffect")])), [Kind::Unattested]);
        assert!(found(&[], Some(&over), &[injection("u", "Restored")]).is_empty());
    }

    #[test]
    fn what_could_not_be_restored_is_residue_whatever_its_run() {
        let running = vec![run(&json!({"state": "Running"}))];
        assert_eq!(kinds(&found(&[], Some(&running), &[injection("u", "RestoreFailed")])), [Kind::NotRestored]);
        assert_eq!(kinds(&found(&[], None, &[injection("u", "RestoreFailed")])), [Kind::NotRestored]);
    }

    #[test]
    fn an_unconfirmed_run_counts_until_its_node_says_that_it_holds_nothing() {
        let over = vec![run(&json!({"state": "Finished", "confirmation": "Unconfirmed", "unconfirmedNodes": ["n1"]}))];
        assert_eq!(kinds(&found(&[], Some(&over), &[])), [Kind::Unconfirmed]);
        let node = |status: Value| object(json!({"metadata": {"name": "n1"}, "spec": {}, "status": status}));
        assert!(found(&[node(json!({"heartbeat": "t"}))], Some(&over), &[]).is_empty());
        let dirty = node(json!({"heartbeat": "t", "residue": ["table x"]}));
        assert_eq!(kinds(&found(&[dirty], Some(&over), &[])), [Kind::OnNode]);
    }
}
