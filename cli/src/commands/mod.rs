//! One file per verb.

use crate::args::{Cli, Command, Global};
use crate::failure::Failure;
use std::io::Write;

pub mod active;
pub mod agent;
pub mod completions;
pub mod controller;
pub mod demo;
pub mod doctor;
pub mod halt;
pub mod plan;
pub mod residue;
pub mod resume;
pub mod run;

/// Carries a command out and returns the exit code.
///
/// # Errors
/// What went wrong, with a hint.
pub fn run(cli: &Cli) -> Result<u8, Failure> {
    let global = &cli.global;
    match &cli.command {
        Command::Plan(args) => plan::run(global, args),
        Command::Run(args) => run::run(global, args),
        Command::Active => active::run(global),
        Command::Halt(args) => halt::run(global, args),
        Command::Resume => resume::run(global),
        Command::Residue(args) => residue::run(global, args),
        Command::Doctor => doctor::run(global),
        Command::Demo => demo::run(global),
        Command::Agent(args) => agent::run(global, args),
        Command::Controller(args) => controller::run(global, args),
        Command::Completions { shell } => completions::run(*shell),
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
