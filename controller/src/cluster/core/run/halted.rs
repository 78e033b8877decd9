//! Whether a Halt is about a run, or about one share of it.

use crate::cluster::core::event::Key;
use rumpus_model::cluster::world::{HaltRow, HaltScope};

/// Returns the first Halt that is about a run as a whole: everything, its own namespace, or itself by name.
pub(crate) fn of_run<'h>(halts: &'h [HaltRow], run: &Key) -> Option<&'h HaltRow> {
    halts.iter().find(|halt| match &halt.scope {
        HaltScope::All => true,
        HaltScope::Namespaces(names) => names.contains(&run.namespace),
        HaltScope::Nodes(_) => false,
        HaltScope::Runs(runs) => runs.contains(&format!("{}/{}", run.namespace, run.name)),
    })
}

/// Returns the first Halt that is about something that would be done on `node` to pods of `namespaces`.
pub(crate) fn of_part<'h, 'n>(
    halts: &'h [HaltRow],
    run: &Key,
    node: &str,
    namespaces: impl Iterator<Item = &'n str> + Clone,
) -> Option<&'h HaltRow> {
    of_run(halts, run).or_else(|| {
        halts.iter().find(|halt| match &halt.scope {
            HaltScope::All | HaltScope::Runs(_) => false,
            HaltScope::Namespaces(names) => namespaces.clone().any(|n| names.iter().any(|name| name == n)),
            HaltScope::Nodes(nodes) => nodes.iter().any(|n| n == node),
        })
    })
}
