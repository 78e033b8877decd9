//! What the core shows to metrics and health: counts, nothing to decide by.

use super::{Core, Term};
use rumpus_model::wire::RunState;
use std::collections::BTreeMap;

/// Counts as of an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// By the run's state.
    pub runs: BTreeMap<RunState, usize>,
    /// Injections that are not over.
    pub injections: usize,
    pub leading: bool,
    /// Missing admission policies; `None` until they were looked at.
    pub guard_missing: Option<usize>,
    pub halts: Option<usize>,
    /// The Ledger carries our epoch, or why it could not be written.
    pub ledger: Result<bool, String>,
}

impl Core {
    /// Returns an epoch in the Ledger that is not below ours and is not ours, if there is one.
    pub fn overtaken(&self) -> Option<i64> {
        self.ledger.overtaken()
    }

    pub fn view(&self) -> View {
        let mut runs = BTreeMap::new();
        for run in self.runs.values() {
            *runs.entry(run.state()).or_default() += 1;
        }
        let open = |s: &&super::share::Share| s.settled(self.ended.get(s.node())).is_none();
        View {
            runs,
            injections: self.runs.values().flat_map(|r| r.shares()).filter(open).count(),
            leading: matches!(self.term, Term::Leading { .. }),
            guard_missing: self.guard.as_ref().map(Vec::len),
            halts: self.halts.as_ref().map(Vec::len),
            ledger: self.ledger.trouble().map_or_else(|| Ok(self.ledger.is_fenced()), |why| Err(why.to_owned())),
        }
    }
}
