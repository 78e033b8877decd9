//! Builds the kernel tests and runs them: on this machine's kernel, and in the guest.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::command::{capture, command, run, stream};
use crate::guest::{Program, boot};
use crate::place;
use crate::steps::Count;
use crate::tools::MUSL;

/// Cases at a time, and the lease of their agents. Most of a case is waiting; under emulation two processors are the
/// limit, and everything takes about ten times as long.
const HOST: (&str, &str) = ("16", "1s");
const QEMU: (&str, &str) = ("4", "5s");
/// The profile of the binary: failpoints and assertions as in a debug build, but quick enough for emulation.
const PROFILE: &str = "ktest";

/// The life of a guest: the whole suite takes a few minutes there; a soaking one repeats itself.
const LIMIT: Duration = Duration::from_secs(25 * 60);
const SOAK_LIMIT: Duration = Duration::from_secs(4 * 3600);

/// What a run is asked beyond the usual.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    /// Let cases repeat themselves.
    pub(crate) soak: bool,
    /// Plant a defect.
    pub(crate) sabotage: Option<String>,
    /// Kernel abilities that the guest is booted without.
    pub(crate) without: Vec<String>,
    /// Only cases whose name contains this.
    pub(crate) filter: Option<String>,
}

/// One case's result.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Fault, engine, kernel.
    pub(crate) cell: [String; 3],
    pub(crate) passed: bool,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) cases: Vec<Case>,
    /// Whether the program itself says that all is well.
    pub(crate) success: bool,
}

impl Ran {
    /// Counts the cases; a run that failed without a failed case counts as one failure.
    pub(crate) fn count(&self) -> Count {
        let passed = self.cases.iter().filter(|case| case.passed).count();
        let failed = self.cases.len() - passed;
        Count { passed, failed: if self.success { failed } else { failed.max(1) } }
    }
}

/// Builds the kernel tests as a static binary and returns it.
pub(crate) fn build() -> Result<PathBuf> {
    run(command(
        "cargo",
        ["build", "--package", "rumpus-tests", "--bin", "rumpus-ktest", "--profile", PROFILE, "--target", MUSL],
    )
    .current_dir(place::root()?))?;
    Ok(place::target()?.join(MUSL).join(PROFILE).join("rumpus-ktest"))
}

/// Asks the binary for one of its lists.
pub(crate) fn list(what: &str) -> Result<Vec<String>> {
    Ok(capture(&mut command(build()?, [what]))?.lines().map(str::to_owned).collect())
}

/// Runs the cases on this machine's kernel.
pub(crate) fn on_host(asked: &Asked) -> Result<Ran> {
    let binary = build()?;
    let folder = place::target()?.join("ktest");
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let results = folder.join("host.jsonl");
    if results.exists() {
        fs::remove_file(&results).context("remove the last run's results")?;
    }
    let mut program = command(binary, arguments("host", HOST, asked));
    program.arg("--results").arg(&results).env("RUST_BACKTRACE", "0");
    let status = stream(&mut program, |_line| {})?;
    let text = fs::read_to_string(&results).with_context(|| format!("read {}", results.display()))?;
    ran(text.lines(), status.success())
}

/// Runs the cases in the guest, in one boot.
pub(crate) fn in_guest(asked: &Asked) -> Result<Ran> {
    let mut args = arguments("qemu", QEMU, asked);
    args.extend(["--results".to_owned(), boot::RESULTS.to_owned()]);
    let program = Program { binary: Some(build()?), args, without: asked.without.clone() };
    let ended = boot::boot(&program, if asked.soak { SOAK_LIMIT } else { LIMIT })?;
    ran(ended.results.iter().map(String::as_str), ended.code == 0)
}

fn arguments(kernel: &str, (jobs, lease): (&str, &str), asked: &Asked) -> Vec<String> {
    let mut args = ["run", "--kernel", kernel, "--jobs", jobs, "--lease", lease].map(str::to_owned).to_vec();
    if asked.soak {
        args.push("--soak".to_owned());
    }
    for (flag, value) in [("--sabotage", &asked.sabotage), ("--filter", &asked.filter)] {
        if let Some(value) = value {
            args.extend([flag.to_owned(), value.clone()]);
        }
    }
    args
}

fn ran<'a>(lines: impl Iterator<Item = &'a str>, success: bool) -> Result<Ran> {
    let cases: Vec<Case> = lines.map(parse).collect::<Result<_>>()?;
    ensure!(!cases.is_empty(), "no case ran");
    Ok(Ran { cases, success })
}

fn parse(line: &str) -> Result<Case> {
    let value: Value = serde_json::from_str(line).with_context(|| format!("read the result {line}"))?;
    let text = |key: &str| {
        let text = value.get(key).and_then(Value::as_str);
        text.map(str::to_owned).with_context(|| format!("the result has no {key}: {line}"))
    };
    let cell = [text("fault")?, text("engine")?, text("kernel")?];
    Ok(Case { name: text("case")?, cell, passed: text("outcome")? == "passed" })
}
