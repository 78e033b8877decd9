//! Runs the fuzz targets under libFuzzer, with the pinned toolchain and without a sanitizer: what they look for are failed
//! assertions, panics, and inputs that take too long or too much memory.
//!
//! ```text
//! fuzz/corpus/NAME (read) -> binary -> target/fuzz/found/NAME (grows)
//!                                   -> target/fuzz/crashes/NAME (one file for each crash)
//! ```
//! The checkout is written to by `--keep` alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::command::{command, run as run_program};
use crate::steps::Count;
use crate::{place, tools};

/// How long each target runs in the soak, in seconds.
const SOAK: u64 = 300;
/// Longest input: as long as one of the corpus may be.
const LONGEST: &str = "-max_len=4096";
/// Most inputs that are kept of one target.
const MOST: usize = 60;
/// What the binaries are built for; libFuzzer needs a C++ library, which the static target has not.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// Flags of `cargo xtask fuzz`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Flags {
    /// Run this target only
    target: Option<String>,
    /// How long each target runs
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
    /// Then keep a small set of the inputs that were found in `fuzz/corpus`
    #[arg(long)]
    keep: bool,
}

/// What became of one target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Ran {
    target: String,
    runs: u64,
    a_second: u64,
    coverage: u64,
    corpus: u64,
    crashes: Vec<PathBuf>,
}

/// Runs them by hand.
pub(crate) fn run(flags: &Flags) -> Result<ExitCode> {
    let all = targets()?;
    let wanted = match &flags.target {
        None => all,
        Some(one) => {
            ensure!(all.contains(one), "there is no target {one}: {}", all.join(", "));
            vec![one.clone()]
        }
    };
    let ran = all_of(&wanted, flags.seconds)?;
    if flags.keep {
        wanted.iter().try_for_each(|target| keep(target))?;
    }
    Ok(if ran.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs all of them for as long as the soak gives them.
pub(crate) fn soak() -> Result<Count> {
    all_of(&targets()?, SOAK)
}

fn targets() -> Result<Vec<String>> {
    let folder = place::root()?.join("fuzz/targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))? {
        let path = entry.context("list the fuzz targets")?.path();
        names.extend(path.file_stem().and_then(|name| name.to_str()).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

fn all_of(targets: &[String], seconds: u64) -> Result<Count> {
    build()?;
    let ran: Vec<Ran> = targets.iter().map(|target| one(target, seconds)).collect::<Result<_>>()?;
    let row = |cells: [&str; 6]| {
        let [target, runs, a_second, coverage, corpus, crashes] = cells;
        println!("{target:<16} {runs:>11} {a_second:>9} {coverage:>9} {corpus:>7} {crashes:>8}");
    };
    row(["target", "runs", "runs/s", "coverage", "corpus", "crashes"]);
    for r in &ran {
        let numbers = [r.runs, r.a_second, r.coverage, r.corpus].map(|n| n.to_string());
        let [runs, a_second, coverage, corpus] = numbers.each_ref().map(String::as_str);
        row([&r.target, runs, a_second, coverage, corpus, &r.crashes.len().to_string()]);
    }
    for (r, crash) in ran.iter().flat_map(|r| r.crashes.iter().map(move |crash| (r, crash))) {
        println!("CRASH of {}: {}", r.target, crash.display());
        println!("    replay it: {} {}", program(&r.target)?.display(), crash.display());
        println!("    keep it, once it is mended: cp {} fuzz/corpus/{}/", crash.display(), r.target);
    }
    let failed = ran.iter().filter(|r| !r.crashes.is_empty()).count();
    Ok(Count { passed: ran.len() - failed, failed })
}

/// Builds all binaries. Code is instrumented by the pinned compiler's own pass; only sanitizers need another one.
fn build() -> Result<()> {
    let cargo_fuzz = tools::cargo_fuzz()?;
    // cargo-fuzz would write a lock file that does not fit anew, and into the checkout.
    let fetch = ["fetch", "--locked", "--manifest-path", "fuzz/Cargo.toml"];
    run_program(command("cargo", fetch).current_dir(place::root()?))
        .context("fuzz/Cargo.lock does not fit: copy Cargo.lock over it and run `cargo fetch` in fuzz/")?;
    let flags = ["fuzz", "build", "--fuzz-dir", "fuzz", "--sanitizer", "none", "--no-cfg-fuzzing", "--target", TRIPLE];
    let mut cargo = command(cargo_fuzz, flags);
    run_program(cargo.arg("--target-dir").arg(folder()?).current_dir(place::root()?))
}

/// Everything that is built and found.
fn folder() -> Result<PathBuf> {
    Ok(place::target()?.join("fuzz"))
}

fn program(target: &str) -> Result<PathBuf> {
    Ok(folder()?.join(TRIPLE).join("release").join(target))
}

fn made(path: PathBuf) -> Result<PathBuf> {
    fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
    Ok(path)
}

fn corpus(target: &str) -> Result<PathBuf> {
    made(place::root()?.join("fuzz/corpus").join(target))
}

fn found(target: &str) -> Result<PathBuf> {
    made(folder()?.join("found").join(target))
}

fn one(target: &str, seconds: u64) -> Result<Ran> {
    println!("   {target} for {seconds} s");
    let crashes = made(folder()?.join("crashes").join(target))?;
    let before = files(&crashes)?;
    let mut program = command(program(target)?, ["-print_final_stats=1", "-timeout=10", "-rss_limit_mb=2048", LONGEST]);
    program.arg(format!("-max_total_time={seconds}")).arg(format!("-artifact_prefix={}/", crashes.display()));
    program.arg(found(target)?).arg(corpus(target)?);
    let (said, good) = said(&mut program, target)?;
    let after = files(&crashes)?.into_iter().filter(|file| !before.contains(file));
    let mut ran = Ran { target: target.to_owned(), crashes: after.collect(), ..read(&said) };
    if !good && ran.crashes.is_empty() {
        // A stack that overflows leaves no time to write the input: it is among those of the last moment.
        ran.crashes.push(folder()?.join(format!("{target}.log")));
    }
    if !ran.crashes.is_empty() {
        let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with('#')).collect();
        println!("{}", lines.iter().rev().take(40).rev().copied().collect::<Vec<_>>().join("\n"));
    }
    Ok(ran)
}

/// Runs libFuzzer, and returns what it said, which is kept as a log, and whether it ended well.
fn said(program: &mut Command, target: &str) -> Result<(String, bool)> {
    let log = folder()?.join(format!("{target}.log"));
    let file = fs::File::create(&log).with_context(|| format!("make {}", log.display()))?;
    // What failed is to be seen, not by which way it was called.
    let program = program.env("RUST_BACKTRACE", "0").current_dir(folder()?);
    let status = program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).status();
    let good = status.with_context(|| format!("start the fuzz target {target}"))?.success();
    let said = fs::read(&log).with_context(|| format!("read {}", log.display()))?;
    Ok((String::from_utf8_lossy(&said).into_owned(), good))
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    entries.map(|entry| Ok(entry.context("list files")?.path())).collect()
}

/// Reads libFuzzer's last line of progress, `#8192 pulse cov: 700 ft: 1200 corp: 61/12Kb lim: 80 exec/s: 4096 …`, and its
/// count of runs.
fn read(said: &str) -> Ran {
    let mut ran = Ran::default();
    let number = |text: &str| text.split('/').next().and_then(|n| n.parse().ok()).unwrap_or(0);
    for line in said.lines() {
        if let Some(runs) = line.strip_prefix("stat::number_of_executed_units:") {
            ran.runs = number(runs.trim());
        }
        if !line.starts_with('#') || !line.contains(" cov: ") {
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let behind = |name: &str| words.iter().skip_while(|word| **word != name).nth(1).map_or(0, |word| number(word));
        ran.runs = ran.runs.max(words.first().map_or(0, |word| number(word.trim_start_matches('#'))));
        (ran.coverage, ran.corpus, ran.a_second) = (behind("cov:"), behind("corp:"), behind("exec/s:"));
    }
    ran
}

/// Puts a small set of inputs that reaches what is known to be reached into the checkout. Those that bear a name that
/// somebody gave them stay.
fn keep(target: &str) -> Result<()> {
    let (corpus, smaller) = (corpus(target)?, folder()?.join("smaller").join(target));
    if smaller.exists() {
        fs::remove_dir_all(&smaller).with_context(|| format!("empty {}", smaller.display()))?;
    }
    let smaller = made(smaller)?;
    let (found_names, named): (Vec<PathBuf>, Vec<PathBuf>) = files(&corpus)?.into_iter().partition(|f| is_found(f));
    named.iter().try_for_each(|file| copy_into(file, &smaller))?;
    // Code that was reached, not how often: the difference is hundreds of inputs.
    let mut program = command(program(target)?, ["-set_cover_merge=1", "-use_counters=0", LONGEST]);
    program.arg(&smaller).arg(found(target)?).arg(&corpus);
    let (_said, good) = said(&mut program, &format!("{target}-keep"))?;
    let mut kept: Vec<PathBuf> = files(&smaller)?.into_iter().filter(|file| is_found(file)).collect();
    ensure!(good && !kept.is_empty(), "the corpus of {target} could not be made smaller");
    // Written in this order: what adds most comes first.
    kept.sort_by_key(|file| file.metadata().and_then(|data| data.modified()).ok());
    let all = kept.len();
    kept.truncate(MOST.saturating_sub(named.len()));
    found_names.iter().try_for_each(fs::remove_file).context("empty the corpus")?;
    kept.iter().try_for_each(|file| copy_into(file, &corpus))?;
    println!("   keeps {} of {all} inputs of {target}, and {} with a name", kept.len(), named.len());
    Ok(())
}

/// Whether libFuzzer gave it its name, which is a hash.
fn is_found(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn copy_into(file: &Path, folder: &Path) -> Result<()> {
    let name = file.file_name().context("an input has no name")?;
    fs::copy(file, folder.join(name)).map(drop).with_context(|| format!("copy {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_progress_and_the_count_are_read() {
        let said = "INFO: seed corpus\n#2\tINITED cov: 12 ft: 13 corp: 1/1b exec/s: 0 rss: 30Mb\n\
                    #8192\tNEW    cov: 70 ft: 90 corp: 9/120b lim: 80 exec/s: 4096 rss: 31Mb L: 8/9 MS: 1\n\
                    #9000\tDONE   cov: 71 ft: 90 corp: 9/120b lim: 80 exec/s: 4500 rss: 31Mb\nDone 9000 runs\n\
                    stat::number_of_executed_units: 9001\n";
        let wanted = Ran { runs: 9001, a_second: 4500, coverage: 71, corpus: 9, ..Ran::default() };
        assert_eq!(read(said), wanted);
        assert_eq!(read("panicked at\n"), Ran::default());
    }

    #[test]
    fn a_crash_leaves_the_numbers_of_the_line_before_it() {
        let ran = read("#64\tpulse  cov: 5 ft: 5 corp: 2/9b lim: 4 exec/s: 32 rss: 30Mb\nthread panicked\n");
        assert_eq!((ran.runs, ran.coverage, ran.corpus), (64, 5, 2));
    }
}
