//! A Halt in scope: of all, of the run's or a target's namespace, of a target's node, or of the run itself.

use super::{Case, unknown};
use crate::cluster::refusal::ClusterRefusal;
use crate::cluster::world::HaltScope;

pub(crate) fn check(case: &Case<'_>) -> Vec<ClusterRefusal> {
    let halts = match &case.world.halts {
        Ok(halts) => halts,
        Err(why) => return vec![unknown("halts", why)],
    };
    let run = format!("{}/{}", case.input.namespace, case.input.name);
    let mut refusals = Vec::new();
    for halt in halts {
        let scope = match &halt.scope {
            HaltScope::All => Some("all".to_owned()),
            HaltScope::Namespaces(names) => names
                .iter()
                .find(|n| **n == case.input.namespace || case.picked.iter().any(|p| *p.namespace == ***n))
                .map(|n| format!("namespace {n}")),
            HaltScope::Nodes(names) => names
                .iter()
                .find(|n| case.picked.iter().any(|p| p.node.as_deref() == Some(n.as_str())))
                .map(|n| format!("node {n}")),
            HaltScope::Runs(names) => names.iter().find(|n| **n == run).map(|n| format!("run {n}")),
        };
        refusals.extend(scope.map(|scope| ClusterRefusal::Halted {
            halt: halt.name.to_string(),
            scope,
            reason: halt.reason.clone(),
        }));
    }
    refusals
}
