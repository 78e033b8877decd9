//! One file per verb.

use crate::args::{Cli, Command, Global};
use crate::cluster::{self, place::Place};
use crate::failure::Failure;
use std::io::Write;

pub mod active;
pub mod agent;
pub mod completions;
pub mod controller;
pub mod demo;
pub mod doctor;
pub mod explain;
pub mod halt;
pub mod lint;
pub mod plan;
pub mod residue;
pub mod resume;
pub mod run;
pub mod schedule;
pub mod simulate;
pub mod up;

/// Carries a command out and returns the exit code.
///
/// # Errors
/// What went wrong, with a hint.
pub fn run(cli: &Cli) -> Result<u8, Failure> {
    let global = &cli.global;
    match (&cli.command, &cli.place) {
        (Command::Plan(args), Place::Host) => plan::run(global, args),
        (Command::Plan(args), Place::Cluster(which)) => cluster::plan::run(global, which, args),
        (Command::Explain(_), Place::Host) => explain::run(),
        (Command::Explain(args), Place::Cluster(which)) => cluster::explain::run(global, which, args),
        (Command::Lint(_), Place::Host) => lint::run(),
        (Command::Lint(args), Place::Cluster(which)) => cluster::lint::run(global, which, args),
        (Command::Run(args), Place::Host) => run::run(global, args),
        (Command::Run(args), Place::Cluster(which)) => cluster::run::run(global, which, args),
        (Command::Simulate(args), Place::Host) => simulate::run(global, args),
        (Command::Simulate(args), Place::Cluster(which)) => cluster::simulate::run(global, which, args),
        (Command::Schedule(args), Place::Host) => schedule::on_host(global, args),
        (Command::Schedule(args), Place::Cluster(which)) => cluster::schedule::run(global, which, args),
        (Command::Active, Place::Host) => active::run(global),
        (Command::Active, Place::Cluster(which)) => cluster::active::run(global, which),
        (Command::Stop(args), Place::Cluster(which)) => cluster::stop::run(global, which, args),
        (Command::Halt(args), Place::Host) => halt::run(global, args),
        (Command::Halt(args), Place::Cluster(which)) => cluster::halt::run(global, which, args),
        (Command::Resume(args), Place::Host) => resume::run(global, args),
        (Command::Resume(args), Place::Cluster(which)) => cluster::resume::run(global, which, args),
        (Command::Residue(args), Place::Host) => residue::run(global, args),
        (Command::Residue(args), Place::Cluster(which)) => cluster::residue::run(global, which, args),
        (Command::Doctor, Place::Host) => doctor::run(global),
        (Command::Doctor, Place::Cluster(which)) => cluster::doctor::run(global, which),
        (Command::Demo, Place::Host) => demo::run(global),
        (Command::Up(args), Place::Host) => crate::up::run(global, args),
        // The parts of a cluster: a kubeconfig only says to which one they belong.
        (Command::Agent(args), _) => agent::run(global, args),
        (Command::Controller(args), _) => controller::run(global, args),
        (Command::Completions { shell }, _) => completions::run(*shell),
        (Command::Stop(_), Place::Host) => Err(cluster::only("stop", "on a host Ctrl-C or `rumpus halt` ends a run")),
        (Command::Up(_), Place::Cluster(_)) => Err(Failure::usage(
            "up serves this host; in a cluster the controller does that",
            "leave --context, --kubeconfig and -n out, or install the chart",
        )),
        (Command::Demo, Place::Cluster(_)) => Err(Failure::usage(
            "demo shows what happens on this host, not in a cluster",
            "leave --context, --kubeconfig and -n out: `rumpus demo`",
        )),
    }
}

/// Prints a value as JSON or YAML, as asked; `table` prints it for people.
///
/// # Errors
/// It cannot be written as such.
pub fn print<T: serde::Serialize>(global: &Global, value: &T, table: impl FnOnce() -> String) -> Result<(), Failure> {
    let text = match global.output {
        crate::args::Output::Json => serde_json::to_string_pretty(value).map(|t| t + "\n").map_err(|e| e.to_string()),
        crate::args::Output::Yaml => serde_saphyr::to_string(value).map_err(|e| e.to_string()),
        crate::args::Output::Table => Ok(table()),
    };
    let text = text.map_err(|why| Failure::refused(format!("print the result: {why}"), "use another -o"))?;
    // A reader that has gone away (`| head`) is no reason to fail.
    drop(anstream::stdout().write_all(text.as_bytes()));
    Ok(())
}
