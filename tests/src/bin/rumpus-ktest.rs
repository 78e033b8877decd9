//! The kernel tests as one static binary, so that the same cases run on this machine and in a guest.
//!
//! ```text
//! rumpus-ktest run --kernel host      every case of this kernel, each in a process of its own
//! rumpus-ktest list | cells | sabotages | sabotaged-cells
//! rumpus-ktest scenarios | scenario NAME   what `cargo xtask instructions` counts
//! rumpus-ktest bench --toxiproxy PATH   the numbers, beside peers; a release build
//! rumpus-ktest cluster-bench --audit LOG   the numbers of a cluster that runs on this machine; a release build
//! ```
//! It needs root, makes only namespaces of its own, and exits 0 only if all cases passed and at
//! least one ran.
#![expect(clippy::print_stdout, reason = "the lists are this program's output")]

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Parser, Subcommand};
use rumpus_tests::kernel::case::{Case, Settings};
use rumpus_tests::kernel::matrix::{CELLS, KERNELS, Kernel};
use rumpus_tests::kernel::report::Report;
use rumpus_tests::kernel::{cases, lab, runner, sabotage, victim};
use rumpus_tests::{bench, instructions};

/// Kernel tests
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Measure, beside peers
    Bench(bench::Options),
    /// Measure a cluster that runs on this machine
    ClusterBench(bench::cluster::Options),
    /// List the cases, with the kernels that each is for
    List,
    /// List the cells of the matrix as fault, engine, kernel
    Cells,
    /// List the defects that a run can plant
    Sabotages,
    /// List the cells in which each defect has to be noticed, as defect, fault, engine
    SabotagedCells,
    /// List the scenarios whose instructions are counted
    Scenarios,
    /// Run one of them
    Scenario {
        /// As it is listed
        name: String,
    },
    /// Run cases
    Run(Run),
    /// Run one case in this process; `run` uses it
    #[command(hide = true)]
    Case {
        /// Name part of the lab
        #[arg(long)]
        id: String,
        #[command(flatten)]
        asked: Asked,
        /// The case's full name
        name: String,
    },
}

#[derive(Debug, Args)]
struct Run {
    #[command(flatten)]
    asked: Asked,
    /// Cases at a time
    #[arg(long, default_value_t = 16)]
    jobs: usize,
    /// Write a JSON line per case here
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
    /// Run only cases whose name contains this
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
}

#[derive(Debug, Args)]
struct Asked {
    /// The kernel this runs on: host or qemu
    #[arg(long)]
    kernel: Kernel,
    /// Lease of the agents under test, as 1s or 500ms
    #[arg(long, default_value = "1s", value_parser = duration)]
    lease: Duration,
    /// Seed of everything random; the clock chooses one if absent
    #[arg(long)]
    seed: Option<u64>,
    /// Let cases repeat themselves many times
    #[arg(long)]
    soak: bool,
    /// Plant this defect in the code under test
    #[arg(long, value_name = "NAME")]
    sabotage: Option<String>,
}

fn main() -> Result<ExitCode> {
    // This binary is also the command that it tests, and that command's worker.
    let words: Vec<OsString> = std::env::args_os().collect();
    match words.get(1).and_then(|word| word.to_str()) {
        Some("rumpus") => return Ok(rumpus_cli::main(words.into_iter().skip(1))),
        Some("victim") => {
            let words = words.iter().skip(2).map(|word| word.to_string_lossy().into_owned());
            return Ok(victim::main(words));
        }
        Some("worker") => return Ok(rumpus_cli::main(words)),
        Some(_) | None => {}
    }
    match Arguments::parse().order {
        Order::Bench(options) => Ok(code(bench::run(&options)?)),
        Order::ClusterBench(options) => Ok(code(bench::cluster::run(&options)?)),
        Order::List => {
            for case in cases::all() {
                let kernels: Vec<&str> = case.kernels.iter().map(|kernel| kernel.name()).collect();
                println!("{} [{}]", case.id(), kernels.join(" "));
            }
            Ok(ExitCode::SUCCESS)
        }
        Order::Cells => {
            for (fault, engine) in CELLS {
                for kernel in KERNELS {
                    println!("{fault} {engine} {kernel}");
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        Order::Sabotages => {
            for name in sabotage::names() {
                println!("{name}");
            }
            Ok(ExitCode::SUCCESS)
        }
        Order::SabotagedCells => {
            for name in sabotage::names() {
                for (fault, engine) in sabotage::cells(name) {
                    println!("{name} {fault} {engine}");
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        Order::Scenarios => {
            for name in instructions::names() {
                println!("{name}");
            }
            Ok(ExitCode::SUCCESS)
        }
        Order::Scenario { name } => instructions::run(&name).map(|()| ExitCode::SUCCESS),
        Order::Run(run) => run_all(run),
        Order::Case { id, asked, name } => {
            let case = cases::all().into_iter().find(|case| case.id() == name).context("no case has this name")?;
            runner::run_here(&case, &id, settings(asked)?)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn run_all(run: Run) -> Result<ExitCode> {
    let settings = settings(run.asked)?;
    let wanted = |case: &Case| {
        case.kernels.contains(&settings.kernel) && run.filter.as_deref().is_none_or(|text| case.id().contains(text))
    };
    let cases: Vec<Case> = cases::all().into_iter().filter(wanted).collect();
    let report = Report::new(run.results.as_deref(), settings.kernel)?;
    match lab::sweep_orphans().context("take away what a killed run left")? {
        0 => {}
        cases => report.note(&format!("took away what a killed run left of {cases} cases")),
    }
    let report = runner::run(&cases, run.jobs, &settings, report)?;
    Ok(code(report.finish(settings.seed)))
}

fn code(well: bool) -> ExitCode {
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn settings(asked: Asked) -> Result<Settings> {
    if let Some(name) = &asked.sabotage {
        ensure!(sabotage::names().contains(&name.as_str()), "no sabotage is named {name}");
    }
    let seed = match asked.seed {
        Some(seed) => seed,
        None => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock stands before 1970")?;
            now.as_secs()
        }
    };
    let Asked { kernel, lease, soak, sabotage, .. } = asked;
    Ok(Settings { kernel, lease, seed, soak, sabotage })
}

fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 = number.parse().map_err(|error| format!("{text}: {error}"))?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        _ => Err(format!("{text}: expected a number and ms or s")),
    }
}
