//! `cargo xtask`: builds, tests, and keeps the workspace tidy. Run it without arguments for a list.
//!
//! Every task runs other programs by argument vector, never through a shell, and fails when one of
//! them fails. Nothing here is part of what is shipped.
#![expect(clippy::print_stdout, reason = "a task's output is its report to a person or a CI log")]

mod command;
mod guest;
mod place;
mod qemu;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Tasks of the workspace
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run a program in the QEMU guest by hand
    Qemu(qemu::Flags),
}

fn main() -> Result<ExitCode> {
    match Arguments::parse().task {
        Task::Qemu(flags) => qemu::run(flags),
    }
}
