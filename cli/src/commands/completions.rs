//! `rumpus completions SHELL`: what a shell needs to complete the command line.

use crate::args::Cli;
use crate::failure::Failure;
use clap::CommandFactory;
use clap_complete::{Shell, generate};
use std::io::Write;

/// Prints the completions.
///
/// # Errors
/// None: a reader that has gone away is no reason to fail.
pub fn run(shell: Shell) -> Result<u8, Failure> {
    let mut text = Vec::new();
    generate(shell, &mut Cli::command(), "rumpus", &mut text);
    drop(std::io::stdout().write_all(&text));
    Ok(0)
}
