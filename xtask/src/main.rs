//! `cargo xtask`: builds, tests, and keeps the workspace tidy. Run it without arguments for a list.
//!
//! Every task runs other programs by argument vector, never through a shell, and fails when one of
//! them fails. Nothing here is part of what is shipped.
#![expect(clippy::print_stdout, reason = "a task's output is its report to a person or a CI log")]

mod bench;
mod chart;
mod command;
mod crd;
mod fuzz;
mod guest;
mod image;
mod instructions;
mod ktest;
mod matrix;
mod mutants;
mod place;
mod qemu;
mod residue;
mod sim;
mod soak;
mod steps;
mod test;
mod testbed;
mod tidy;
mod tools;

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
    /// Check sizes, names, first lines and links
    Tidy,
    /// Generate the CustomResourceDefinitions from the model's types
    Crd(crd::Flags),
    /// Install what the tests need
    Tools,
    /// Run every check and every test
    Test(test::Flags),
    /// Run the tests for hours, then plant every defect
    Soak,
    /// Plant every defect and show which cases notice
    Sabotages,
    /// Measure, with a peer in the same run
    Bench {
        /// Measure Rumpus in a cluster instead, on the testbed
        #[arg(long)]
        cluster: bool,
        /// What `rumpus-ktest bench` is given besides the peer, or `rumpus-ktest cluster-bench`
        #[arg(last = true, value_name = "ARGS")]
        args: Vec<String>,
    },
    /// Count the instructions of the hot pure paths, and compare with the baseline
    Instructions(instructions::Flags),
    /// Build the image as an archive, and print where it lies
    Image,
    /// Run a real Kubernetes on this machine
    Testbed {
        #[command(subcommand)]
        verb: testbed::Verb,
    },
    /// Run the production cores in worlds that seeds decide
    Sim {
        /// What `rumpus-sim` is given
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
        args: Vec<String>,
    },
    /// Run the fuzz targets, each for a while
    Fuzz(fuzz::Flags),
    /// Change what decides, one thing at a time, and look whether its unit tests notice
    Mutants(mutants::Flags),
    /// Run a program in the QEMU guest by hand
    Qemu(qemu::Flags),
}

fn main() -> Result<ExitCode> {
    match Arguments::parse().task {
        Task::Tidy => tidy::check().map(|_count| ExitCode::SUCCESS),
        Task::Crd(flags) => crd::run(flags).map(|()| ExitCode::SUCCESS),
        Task::Tools => {
            tools::install()?;
            tools::Deny::start()?.wait().map(|_program| ExitCode::SUCCESS)
        }
        Task::Test(flags) => test::run(&flags, false),
        Task::Soak => soak::run(),
        Task::Sabotages => {
            let count = soak::sabotages()?;
            Ok(if count.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Task::Bench { cluster: true, args } => bench::cluster(&args).map(|()| ExitCode::SUCCESS),
        Task::Bench { cluster: false, args } => bench::run(&args).map(|()| ExitCode::SUCCESS),
        Task::Instructions(flags) => {
            let count = instructions::run(flags)?;
            Ok(if count.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Task::Image => image::build().map(|archive| {
            println!("{}", archive.display());
            ExitCode::SUCCESS
        }),
        Task::Testbed { verb } => testbed::run(verb),
        Task::Sim { args } => sim::run(&args),
        Task::Fuzz(flags) => fuzz::run(&flags),
        Task::Mutants(flags) => mutants::run(&flags),
        Task::Qemu(flags) => qemu::run(flags),
    }
}
