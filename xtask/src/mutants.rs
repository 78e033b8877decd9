//! Mutation testing: each small change of what decides, one at a time, and whether the unit tests of its crate notice.
//!
//! ```text
//! AREAS -> cargo-mutants (a copy of the tree, a build and a test run for each change) -> outcomes.json -> table
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde_json::Value;

use crate::command::command;
use crate::steps::Count;
use crate::{place, tools};

/// What decides, by area: a name, and the files.
const AREAS: [(&str, &str); 5] = [
    ("journal", "agent/src/journal/"),
    ("agent core", "agent/src/core/"),
    ("run", "controller/src/cluster/core/run/"),
    ("ledger", "controller/src/cluster/core/ledger.rs"),
    ("selection", "model/src/cluster/select/"),
];

/// Seconds that the tests may take at least; a busy machine is slow as well.
const SLOW: &str = "60";

/// So many of a hundred have to be noticed in each area.
const NOTICED: usize = 90;

/// Flags of `cargo xtask mutants`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Flags {
    /// Change this area only: journal, core, run, ledger or selection
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Try one part of all changes, 0/8 for instance
    #[arg(long, value_name = "K/N")]
    shard: Option<String>,
}

/// What became of the changes of one area.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Area {
    noticed: usize,
    /// Their tests ran for too long: noticed, too.
    slow: usize,
    missed: usize,
    unbuilt: usize,
}

impl Area {
    /// Whether enough of them were noticed; an area without any change says nothing.
    fn is_good(self) -> bool {
        let noticed = self.noticed + self.slow;
        noticed > 0 && noticed * 100 >= (noticed + self.missed) * NOTICED
    }
}

/// Runs it by hand.
pub(crate) fn run(flags: &Flags) -> Result<ExitCode> {
    let count = all(flags)?;
    Ok(if count.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Tries every change.
pub(crate) fn soak() -> Result<Count> {
    all(&Flags::default())
}

fn all(flags: &Flags) -> Result<Count> {
    let wanted = |name: &str| flags.only.as_deref().is_none_or(|text| name.contains(text));
    let areas: Vec<(&str, &str)> = AREAS.into_iter().filter(|(name, _)| wanted(name)).collect();
    ensure!(!areas.is_empty(), "there is no such area: {}", AREAS.map(|(name, _)| name).join(", "));
    let folder = place::target()?;
    // Without `--workspace` it knows no package but the default one, which has no area.
    let mut cargo = command(tools::cargo_mutants()?, ["mutants", "--workspace", "--jobs", "1", "--colors", "never"]);
    cargo.args(["--minimum-test-timeout", SLOW]).arg("--output").arg(&folder).current_dir(place::root()?);
    // The copies are thrown away, what they were built with is not. Nobody looks at their backtraces.
    cargo.env("CARGO_TARGET_DIR", folder.join("mutants"));
    cargo.envs([("CARGO_PROFILE_DEV_DEBUG", "0"), ("CARGO_PROFILE_TEST_DEBUG", "0")]);
    for (_, files) in &areas {
        cargo.arg("--file").arg(if files.ends_with('/') { format!("{files}**") } else { (*files).to_owned() });
    }
    if let Some(shard) = &flags.shard {
        // One after the other, so that each shard has some of each area.
        cargo.args(["--sharding", "round-robin", "--shard", shard]);
    }
    // The unit tests alone: what only a simulated world or a kernel notices is noticed late. Told once for all calls of
    // cargo: without it the build makes the library a second time, for tests that are not run.
    let status = cargo.arg("--cargo-arg=--lib").status().context("start cargo-mutants")?;
    let outcomes = folder.join("mutants.out/outcomes.json");
    let text = fs::read_to_string(&outcomes)
        .with_context(|| format!("cargo-mutants ended with {status} and left no {}", outcomes.display()))?;
    let found: Value = serde_json::from_str(&text).context("read what cargo-mutants found")?;
    let (counts, missed) = judge(&found)?;
    println!("{:<12} {:>8} {:>6} {:>8} {:>10} {:>9}", "area", "noticed", "slow", "missed", "not built", "noticed %");
    let mut count = Count::default();
    for (name, _) in areas {
        let area = counts.get(name).copied().unwrap_or_default();
        let share = (area.noticed + area.slow) * 100 / (area.noticed + area.slow + area.missed).max(1);
        let Area { noticed, slow, missed, unbuilt } = area;
        println!("{name:<12} {noticed:>8} {slow:>6} {missed:>8} {unbuilt:>10} {share:>9}");
        if area.is_good() { count.passed += 1 } else { count.failed += 1 }
    }
    missed.iter().for_each(|one| println!("NOT NOTICED {one}"));
    Ok(count)
}

/// Counts by area, and names what was missed.
fn judge(found: &Value) -> Result<(BTreeMap<&'static str, Area>, Vec<String>)> {
    let mut counts: BTreeMap<&'static str, Area> = BTreeMap::new();
    let mut missed = Vec::new();
    let outcomes = found["outcomes"].as_array().context("cargo-mutants wrote no list of outcomes")?;
    for one in outcomes {
        let mutant = &one["scenario"]["Mutant"];
        let Some(file) = mutant["file"].as_str() else {
            ensure!(one["summary"] == "Success", "the tests fail without any change: {}", one["summary"]);
            continue;
        };
        let area = AREAS.iter().find(|(_, files)| file.starts_with(files)).map(|(name, _)| *name);
        let area = counts.entry(area.with_context(|| format!("{file} is in no area"))?).or_default();
        match one["summary"].as_str() {
            Some("CaughtMutant") => area.noticed += 1,
            Some("Timeout") => area.slow += 1,
            Some("Unviable") => area.unbuilt += 1,
            Some("MissedMutant") => {
                area.missed += 1;
                missed.push(mutant["name"].as_str().unwrap_or(file).to_owned());
            }
            other => anyhow::bail!("cargo-mutants says {other:?} of a change of {file}"),
        }
    }
    Ok((counts, missed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn outcome(file: &str, summary: &str) -> Value {
        json!({ "scenario": { "Mutant": { "file": file, "name": format!("{file}: a change") } }, "summary": summary })
    }

    #[test]
    fn what_is_missed_is_named_and_counted_where_it_is() {
        let baseline = json!({ "scenario": "Baseline", "summary": "Success" });
        let one = outcome("agent/src/journal/mod.rs", "CaughtMutant");
        let other = outcome("controller/src/cluster/core/ledger.rs", "MissedMutant");
        let (counts, missed) = judge(&json!({ "outcomes": [baseline, one, other] })).unwrap();
        assert_eq!(counts["journal"], Area { noticed: 1, ..Area::default() });
        assert_eq!(counts["ledger"], Area { missed: 1, ..Area::default() });
        assert_eq!(missed, ["controller/src/cluster/core/ledger.rs: a change"]);
    }

    #[test]
    fn tests_that_fail_without_a_change_say_nothing_about_changes() {
        let baseline = json!({ "scenario": "Baseline", "summary": "Failure" });
        assert!(judge(&json!({ "outcomes": [baseline] })).is_err());
        assert!(judge(&json!({ "outcomes": [outcome("agent/src/journal/mod.rs", "Something")] })).is_err());
        assert!(judge(&json!({})).is_err());
    }

    #[test]
    fn nine_of_ten_have_to_be_noticed_and_none_at_all_is_not_enough() {
        let area = |noticed, slow, missed| Area { noticed, slow, missed, unbuilt: 7 };
        assert!(area(8, 1, 1).is_good());
        assert!(!area(8, 0, 1).is_good());
        assert!(!area(0, 0, 0).is_good());
    }
}
