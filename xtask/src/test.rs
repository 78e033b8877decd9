//! The whole test: what `.ci/run` runs, and what a change has to pass.
//!
//! ```text
//! tools -> fmt -> tidy -> crd -> clippy -> unit -> sim -> chart -> host -> qemu -> instructions -> cluster -> docs -> deny -> tree -> residue -> matrix
//! ```
//! A step that fails does not stop the ones after it: the table at the end shows all of them.

use std::env;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};

use crate::command::{capture, command, judge, run as run_program, stream};
use crate::ktest::{self, Asked};
use crate::steps::{Count, Steps};
use crate::tools::{self, Deny};
use crate::{chart, crd, instructions, matrix, place, residue, sim, testbed, tidy};

/// A step that can be run alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// Formatting
    Fmt,
    /// Sizes, names, first lines, links
    Tidy,
    /// Whether the generated CustomResourceDefinitions are those of the model's types
    Crd,
    /// Lints, warnings are errors
    Clippy,
    /// Unit, golden and property tests
    Unit,
    /// What the Helm chart renders
    Chart,
    /// The production cores in simulated worlds
    Sim,
    /// Kernel tests on this machine's kernel
    Host,
    /// Kernel tests in the QEMU guest
    Qemu,
    /// Instructions of the hot pure paths, compared with the baseline
    Instructions,
    /// Real runs, roles and rules on the testbed
    Cluster,
    /// Documentation without warnings
    Docs,
    /// Licences, bans and sources of dependencies
    Deny,
}

/// Flags of `cargo xtask test`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Flags {
    /// Run only these steps
    #[arg(long, value_name = "STEP")]
    only: Vec<Step>,
    /// Plant this defect in the kernel tests; the run is expected to fail
    #[arg(long, value_name = "NAME")]
    sabotage: Option<String>,
    /// Run only kernel cases whose name contains this
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
}

impl Flags {
    /// A filter or a sabotage is about kernel cases, unless a step is named.
    fn is_about_kernel_cases(&self) -> bool {
        self.filter.is_some() || self.sabotage.is_some()
    }
}

/// Tests that are built only where what they need is provided; they are linted everywhere.
const NEEDS: &str = "rumpus-tests/needs-cluster,rumpus-tests/needs-helm";

/// Cluster tests wait more than they work.
const CLUSTER_THREADS: &str = "6";

/// Runs the steps and prints the matrix and the count.
pub(crate) fn run(flags: &Flags, soak: bool) -> Result<ExitCode> {
    let mut steps = Steps::default();
    let wanted = |step| flags.only.is_empty() || flags.only.contains(&step);
    let asked = Asked { soak, sabotage: flags.sabotage.clone(), filter: flags.filter.clone(), without: Vec::new() };
    let mut deny = None;
    steps.run("tools", || {
        if wanted(Step::Deny) {
            deny = Some(Deny::start()?);
        }
        tools::install()?;
        Ok(Count::ONE)
    });
    let tree = tree()?;
    let before = residue::look().context("look at the machine before the tests")?;

    let cargo: [(Step, &str, &[&str]); 2] = [
        (Step::Fmt, "fmt", &["fmt", "--all", "--check"]),
        (
            Step::Clippy,
            "clippy",
            &["clippy", "--workspace", "--all-targets", "--features", NEEDS, "--", "-D", "warnings"],
        ),
    ];
    for (step, name, args) in cargo {
        if wanted(step) {
            steps.run(name, || one(command("cargo", args).current_dir(place::root()?)));
        }
        if step == Step::Fmt && wanted(Step::Tidy) {
            steps.run("tidy", tidy::check);
        }
        if step == Step::Fmt && wanted(Step::Crd) {
            steps.run("crd", crd::check);
        }
    }
    if wanted(Step::Unit) {
        steps.run("unit", || counted_tests(&mut command("cargo", ["test", "--workspace", "--no-fail-fast"])));
    }
    if wanted(Step::Sim) {
        steps.run("sim", || sim::seeds(soak));
    }
    if wanted(Step::Chart) {
        steps.run("chart", || counted_tests(&mut chart::render_tests()?));
    }
    let mut cases = Vec::new();
    for (step, name) in [(Step::Host, "kernel on host"), (Step::Qemu, "kernel in qemu")] {
        if wanted(step) {
            steps.run(name, || {
                let ran = if step == Step::Host { ktest::on_host(&asked)? } else { ktest::in_guest(&asked)? };
                let count = ran.count();
                cases.extend(ran.cases);
                Ok(count)
            });
        }
    }
    let asked_for = |step| flags.only.contains(&step) || (wanted(step) && !flags.is_about_kernel_cases());
    if asked_for(Step::Instructions) {
        steps.run("instructions", || instructions::run(instructions::Flags::default()));
    }
    if asked_for(Step::Cluster) {
        steps.run("cluster", || cluster(flags.filter.as_deref(), soak));
    }
    if wanted(Step::Docs) {
        steps.run("docs", docs);
    }
    if let Some(deny) = deny {
        steps.run("deny", || check_dependencies(deny));
    }
    steps.run("tree", || same_tree(&tree));
    steps.run("residue", || none(residue::compare(&before, &residue::look()?)));
    steps.table();
    // A part of the cases says nothing about the matrix.
    let whole = wanted(Step::Host) && wanted(Step::Qemu) && flags.filter.is_none();
    finish(steps, &cases, whole)
}

fn finish(mut steps: Steps, cases: &[ktest::Case], whole: bool) -> Result<ExitCode> {
    if whole {
        steps.run("matrix", || none(matrix::print(&ktest::list("cells")?, cases)?));
    }
    let Count { passed, failed } = steps.total();
    println!("\n{passed} passed, {failed} failed");
    Ok(if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn one(program: &mut Command) -> Result<Count> {
    run_program(program)?;
    Ok(Count::ONE)
}

fn docs() -> Result<Count> {
    let args = ["doc", "--workspace", "--no-deps", "--document-private-items"];
    one(command("cargo", args).current_dir(place::root()?).env("RUSTDOCFLAGS", "-D warnings"))
}

/// Runs the cluster tests on the testbed.
fn cluster(filter: Option<&str>, soak: bool) -> Result<Count> {
    let count = testbed::on(|access| {
        // What the rules are tried on must not be tidied up by a controller, so there is none for that time.
        let rules = access.without_controller(|| cluster_tests(access, Part::Rules, filter, soak));
        let runs = cluster_tests(access, Part::Runs, filter, soak)?;
        let rules = rules?;
        Ok(Count { passed: rules.passed + runs.passed, failed: rules.failed + runs.failed })
    })?;
    if count.passed + count.failed == 0 {
        bail!("no test ran");
    }
    Ok(count)
}

/// The two modules of the cluster tests.
#[derive(Debug, Clone, Copy)]
enum Part {
    Rules,
    Runs,
}

/// Runs those of one module whose names contain the filter.
fn cluster_tests(access: &testbed::Access, part: Part, filter: Option<&str>, soak: bool) -> Result<Count> {
    let mut cargo = chart::tests("needs-cluster", "cluster")?;
    let other = match part {
        Part::Rules => "runs::",
        Part::Runs => "admission::",
    };
    cargo.args(["--", "--test-threads", CLUSTER_THREADS, "--skip", other]).args(filter);
    access.hand_to(&mut cargo);
    if soak {
        cargo.env("RUMPUS_SOAK", "1");
    }
    counted_if_any(&mut cargo)
}

/// Runs `cargo test`, or the simulator, and adds up what each test binary says.
pub(crate) fn counted_tests(cargo: &mut Command) -> Result<Count> {
    let count = counted_if_any(cargo)?;
    if count.passed == 0 {
        bail!("no test ran");
    }
    Ok(count)
}

/// The same where no test may be fine: a filter may choose from another run.
fn counted_if_any(cargo: &mut Command) -> Result<Count> {
    let mut count = Count::default();
    let status = stream(cargo.current_dir(place::root()?), |line| {
        let Count { passed, failed } = counted(line);
        count.passed += passed;
        count.failed += failed;
    })?;
    if count.failed == 0 {
        judge(cargo, status)?;
    }
    Ok(count)
}

/// Reads the last line of a test binary: libtest's, `N cases, N failed` of one without it, or `N seeds, N failed, …`.
fn counted(line: &str) -> Count {
    let mut count = Count::default();
    let number = |text: &str| text.parse::<usize>().unwrap_or(0);
    if let Some(result) = line.strip_prefix("test result: ") {
        for part in result.split([';', '.']) {
            match part.trim().split_once(' ') {
                Some((passed, "passed")) => count.passed = number(passed),
                Some((failed, "failed")) => count.failed = number(failed),
                Some(_) | None => {}
            }
        }
    } else if let Some((cases, rest)) = line.split_once(" cases, ").or_else(|| line.split_once(" seeds, "))
        && let Some((failed, _)) = rest.split_once(" failed")
    {
        count.failed = number(failed);
        count.passed = number(cases).saturating_sub(count.failed);
    }
    count
}

/// The advisory database lies on a host that a build machine may not reach, so it is not asked.
fn check_dependencies(deny: Deny) -> Result<Count> {
    one(command(deny.wait()?, ["check", "bans", "licenses", "sources"]).current_dir(place::root()?))
}

fn tree() -> Result<String> {
    capture(command("git", ["status", "--porcelain"]).current_dir(place::root()?))
}

/// A run may not change the checkout; on a build machine (`CI=true`) it was clean to begin with.
fn same_tree(before: &str) -> Result<Count> {
    let after = tree()?;
    if after != before {
        bail!("the run changed the checkout:\n{after}");
    }
    if env::var("CI").is_ok_and(|value| value == "true") && !after.is_empty() {
        bail!("the checkout is not clean:\n{after}");
    }
    Ok(Count::ONE)
}

fn none(wrong: Vec<String>) -> Result<Count> {
    if wrong.is_empty() {
        return Ok(Count::ONE);
    }
    bail!("\n   {}", wrong.join("\n   "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_last_line_are_counted() {
        let count = |passed, failed| Count { passed, failed };
        assert_eq!(counted("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured"), count(12, 0));
        assert_eq!(counted("test result: FAILED. 3 passed; 2 failed; 0 ignored"), count(3, 2));
        assert_eq!(counted("10 cases, 1 failed"), count(9, 1));
        assert_eq!(counted("10 seeds, 1 failed, 0.1 years simulated"), count(9, 1));
        assert_eq!(counted("test a_case ... ok"), Count::default());
    }
}
