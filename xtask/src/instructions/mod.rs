//! Counts the instructions of the hot pure paths, and fails where one needs more of them than it did.
//!
//! ```text
//! rumpus-ktest scenarios -> valgrind, once for each -> counts -> baseline (tests/instructions.txt): 2 % more fails
//! ```
//! A count does not depend on how busy the machine is. It does depend on the compiler and the target: those of the
//! baseline stand in it, and counts of others are not compared.

mod baseline;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use crate::command::{capture, command};
use crate::steps::Count;
use crate::tools::{self, MUSL};
use crate::{ktest, place};
use baseline::{Baseline, Counted, Verdict};

/// Flags of `cargo xtask instructions`.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct Flags {
    /// Write the counts down as the new baseline
    #[arg(long)]
    bless: bool,
}

/// Where the baseline lies in the checkout.
const BASELINE: &str = "tests/instructions.txt";

/// The function whose instructions are counted; the pattern is over its full name. `rumpus_tests::instructions` has it.
const COUNTED: &str = "*instructions*counted_part*";

/// Counts, and compares with the baseline or writes it.
pub(crate) fn run(flags: Flags) -> Result<Count> {
    let path = place::root()?.join(BASELINE);
    let key = key()?;
    let before = if flags.bless { None } else { Some(read(&path, &key)?) };
    tools::valgrind()?;
    let counted = count_all()?;
    let Some(before) = before else {
        for (name, count) in &counted {
            println!("   {name:<36} {count:>14}");
        }
        fs::write(&path, Baseline { key, counts: counted }.to_string()).with_context(|| format!("write {BASELINE}"))?;
        println!("   written to {BASELINE}");
        return Ok(Count::ONE);
    };
    Ok(show(&before.compare(&counted)))
}

/// What counts of one baseline have in common: the compiler and the target.
fn key() -> Result<String> {
    let compiler = capture(command("rustc", ["--version"]).current_dir(place::root()?))?;
    Ok(format!("{}, {MUSL}", compiler.trim()))
}

fn read(path: &Path, key: &str) -> Result<Baseline> {
    let hint = "look at what became of the counts, and `cargo xtask instructions --bless`";
    let text = fs::read_to_string(path).with_context(|| format!("read {BASELINE}; to make one: {hint}"))?;
    let baseline: Baseline = text.parse().with_context(|| format!("read {BASELINE}"))?;
    if baseline.key != key {
        bail!(
            "the baseline was counted with {}, and this is {key}: such counts do not compare. With a new compiler, {hint}",
            baseline.key
        );
    }
    Ok(baseline)
}

/// Runs each scenario once.
fn count_all() -> Result<Vec<(String, u64)>> {
    let binary = ktest::build()?;
    let folder = place::target()?.join("instructions");
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let mut counted = Vec::new();
    for name in ktest::list("scenarios")? {
        let out = folder.join(format!("{}.callgrind", name.replace([' ', ','], "-")));
        let mut valgrind = command("valgrind", ["--tool=callgrind", "--quiet", "--vgdb=no"]);
        valgrind.arg(format!("--toggle-collect={COUNTED}")).arg(format!("--callgrind-out-file={}", out.display()));
        capture(valgrind.arg(&binary).args(["scenario", &name])).with_context(|| format!("count {name}"))?;
        let text = fs::read_to_string(&out).with_context(|| format!("read {}", out.display()))?;
        counted.push((name.clone(), total(&text).with_context(|| format!("count {name}"))?));
    }
    ensure!(!counted.is_empty(), "there is no scenario");
    println!("   by function: callgrind_annotate {}/NAME.callgrind", folder.display());
    Ok(counted)
}

/// Reads what callgrind counted; nothing at all is a scenario whose counted part was not found.
fn total(profile: &str) -> Result<u64> {
    let line = profile.lines().find_map(|line| line.strip_prefix("totals:")).context("callgrind gives no total")?;
    let total = line.trim().parse().with_context(|| format!("read callgrind's total {line}"))?;
    ensure!(total > 0, "nothing was counted: no function is named {COUNTED}");
    Ok(total)
}

/// Prints the table, and what is wrong below it.
fn show(rows: &[Counted]) -> Count {
    println!("   {:<36} {:>14} {:>14} {:>8}", "scenario", "baseline", "now", "change");
    let mut count = Count::default();
    let number = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
    for row in rows {
        let (before, now) = (number(row.before), number(row.now));
        println!("   {:<36} {before:>14} {now:>14} {:>8}", row.name, row.change());
    }
    for row in rows {
        let verdict = row.verdict();
        if let Some(said) = verdict.said() {
            println!("   {}: {said}", row.name);
        }
        match verdict {
            Verdict::Same | Verdict::Fewer => count.passed += 1,
            Verdict::More | Verdict::NotInBaseline | Verdict::NotThere => count.failed += 1,
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_total_of_nothing_is_no_count() {
        assert_eq!(total("version: 1\nsummary: 12\n\ntotals: 12345\n").unwrap(), 12345);
        assert!(total("totals: 0\n").is_err());
        assert!(total("version: 1\n").is_err());
    }
}
