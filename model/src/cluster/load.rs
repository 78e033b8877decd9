//! How many pods would be under fault at once within one budget, and who holds them already: the facts of a refusal.

use super::pod::Pod;
use super::world::Text;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// Most runs that a text names, and most of one name: a text has its place in a status.
const NAMED: usize = 3;
const NAME: usize = 130;

/// What is wanted and what is held. A pod that several runs hold, or that is wanted and held, is one pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Load {
    /// Pods that the run wants.
    pub wanted: usize,
    /// Pods that active runs hold.
    pub held: usize,
    /// Pods of both.
    pub both: usize,
    /// Who holds them, as `namespace/name`.
    pub runs: Vec<String>,
}

impl Load {
    /// Counts pods that are wanted beside pods that are held, each with the run that holds it.
    pub(crate) fn new<'w>(
        wanted: impl IntoIterator<Item = &'w Pod>,
        held: impl IntoIterator<Item = (&'w Text, String)>,
    ) -> Self {
        let wanted: BTreeSet<&Text> = wanted.into_iter().map(|pod| &pod.uid).collect();
        let (mut pods, mut runs) = (BTreeSet::new(), BTreeSet::new());
        for (pod, run) in held {
            pods.insert(pod);
            runs.insert(run);
        }
        let both = wanted.intersection(&pods).count();
        Self { wanted: wanted.len(), held: pods.len(), both, runs: runs.into_iter().collect() }
    }

    /// Returns how many pods these are.
    pub fn together(&self) -> usize {
        self.wanted.saturating_add(self.held).saturating_sub(self.both)
    }

    pub(crate) fn exceeds(&self, most: u32) -> bool {
        usize::try_from(most).is_ok_and(|most| self.together() > most)
    }

    /// Returns what helps where `most` may be under fault.
    pub(crate) fn hint(&self, most: u32) -> String {
        let fits = usize::try_from(most).is_ok_and(|most| self.wanted <= most);
        match (most, fits) {
            (0, _) => "select other pods".into(),
            (_, false) => "pick fewer".into(),
            (_, true) => "pick fewer, or wait until one of those runs has ended, or stop it".into(),
        }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pods = self.together();
        write!(f, "{pods} {} ({} wanted, ", if pods == 1 { "pod" } else { "pods" }, self.wanted)?;
        match self.held {
            0 => f.write_str("none held")?,
            held => write!(f, "{held} held by {}", some(&self.runs))?,
        }
        match self.both {
            0 => f.write_str(")"),
            1 => f.write_str("; 1 is both)"),
            both => write!(f, "; {both} are both)"),
        }
    }
}

/// Names the first few runs, and counts the others.
pub(crate) fn some(runs: &[String]) -> String {
    let named: Vec<String> = runs.iter().take(NAMED).map(|run| run.chars().take(NAME).collect()).collect();
    let named = named.join(", ");
    match runs.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}
