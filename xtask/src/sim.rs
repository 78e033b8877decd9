//! The simulator: the same seeds in each test run, many more in the soak.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::command::{capture, command, run as run_program};
use crate::steps::Count;
use crate::{place, test};

/// A minute here; they are the same each time, so that a run fails only by what was changed.
const SEEDS: &str = "2500";
/// Half an hour here.
const SOAK: &str = "50000";
/// How many orders of each small world are run in the soak, at most.
const ORDERS: &str = "1000000";

/// The command that builds the simulator as quick as the kernel tests' binary, which it shares a profile with, and runs it.
fn simulator() -> Result<Command> {
    let mut cargo = command("cargo", ["run", "--package", "rumpus-sim", "--profile", "ktest", "--"]);
    let commit = capture(command("git", ["describe", "--always", "--dirty"]).current_dir(place::root()?))?;
    cargo.current_dir(place::root()?).env("RUMPUS_COMMIT", commit.trim());
    Ok(cargo)
}

/// Runs it by hand.
pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    let status = simulator()?.args(args).status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the seeds of a test run, or of the soak, which also looks whether each planted fault is found.
pub(crate) fn seeds(soak: bool) -> Result<Count> {
    let count = test::counted_tests(simulator()?.args(["--sometimes", "--seeds", if soak { SOAK } else { SEEDS }]))?;
    if soak {
        run_program(simulator()?.arg("--planted"))?;
        run_program(simulator()?.args(["--exhaustive", "--seeds", ORDERS]))?;
    }
    Ok(count)
}
