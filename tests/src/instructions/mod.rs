//! The hot pure paths, each as a scenario whose instructions `cargo xtask instructions` counts.
//!
//! ```text
//! valgrind --tool=callgrind --toggle-collect=*counted_part* rumpus-ktest scenario NAME
//!   prepare (not counted) -> counted_part (counted) -> look whether it did what it is meant to do (not counted)
//! ```
//! A scenario must do the same each time: no clock, no chance, no files, and no `HashMap` of the standard library, whose
//! order differs in each process.

mod agent;
mod controller;
mod journal;
mod plan;
mod server;
mod snapshot;

use anyhow::{Context as _, Result};

/// One scenario; it fails where the counted part did not do what is to be counted.
type Scenario = fn() -> Result<()>;

/// All of them, by name.
const SCENARIOS: [(&str, Scenario); 10] = [
    ("agent contact, 100 slots", agent::contact),
    ("agent halt, 100 slots", agent::halt),
    ("journal recovery, 1 MiB", journal::recovery),
    ("ledger taken over, 20000 pods", controller::ledger),
    ("plan, 1000 pods", plan::thousand),
    ("plan, 10000 pods", plan::ten_thousand),
    ("plan of owners, 10000 pods", plan::of_owners),
    ("run step, 100 injections", controller::step),
    ("run begins, 100 injections", controller::begin),
    ("snapshot, 1000 pods on 500 nodes", snapshot::snapshot),
];

/// Returns the names of all scenarios.
pub fn names() -> impl Iterator<Item = &'static str> {
    SCENARIOS.iter().map(|(name, _)| *name)
}

/// Runs one scenario.
///
/// # Errors
/// There is none of this name, or it did not do what is to be counted.
pub fn run(name: &str) -> Result<()> {
    let (_, scenario) = SCENARIOS.iter().find(|(known, _)| *known == name).context("no scenario has this name")?;
    scenario()
}

/// The part that is counted: valgrind knows it by this function's name. What it makes is dropped by its caller.
#[inline(never)]
fn counted_part<T>(part: impl FnOnce() -> T) -> T {
    part()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_scenario_does_what_is_counted() {
        for name in super::names() {
            super::run(name).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        }
    }
}
