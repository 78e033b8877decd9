//! Runs seeds on all cores until one breaks something, or all are done, or the time is over; or one schedule again.

mod batch;
mod every_order;
mod replay;
mod sometimes;

use batch::{Batch, Sum};
use clap::{Parser, ValueEnum};
use rumpus_sim::plant::Plant;
use rumpus_sim::shrink;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Runs the production cores in worlds that seeds decide.
#[derive(Debug, Parser)]
#[command(
    about = "Runs the controller's and the agents' own code in worlds that seeds decide",
    after_help = "Examples:\n  \
        cargo xtask sim                         a minute of seeds\n  \
        cargo xtask sim --seeds 50000 --all     so many, and how many fail\n  \
        cargo xtask sim --seed 4496 --trace     one seed, one line for each event\n  \
        cargo xtask sim --seed 4496 --shrink    one seed that fails, as the smallest schedule that still does\n  \
        cargo xtask sim --replay FILE           a schedule, one line for each event\n  \
        cargo xtask sim --exhaustive            the smallest world, in every order\n  \
        cargo xtask sim --planted               whether each planted fault is found"
)]
struct Arguments {
    /// The first seed
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many seeds; with --trace one
    #[arg(long)]
    seeds: Option<u64>,
    /// Begin no seed after so many seconds; a minute where neither this nor --seeds is given
    #[arg(long)]
    seconds: Option<u64>,
    /// How long anything may go wrong in each world, in simulated seconds
    #[arg(long, default_value_t = 240)]
    length: u64,
    /// How many at a time; all cores by default
    #[arg(long)]
    jobs: Option<usize>,
    /// Print every event
    #[arg(long)]
    trace: bool,
    /// Put this fault into the glue
    #[arg(long)]
    plant: Option<Plant>,
    /// Put each fault into the glue, one after another, and print how many seeds it took to find it
    #[arg(long)]
    planted: bool,
    /// Go on after a failure, and count
    #[arg(long)]
    all: bool,
    /// Fail where something that has to happen sometimes never did
    #[arg(long)]
    sometimes: bool,
    /// Run the smallest world in every order, with one death at every place
    #[arg(long)]
    exhaustive: bool,
    /// Run the world of this file
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    /// Make the first failing seed, or the schedule of --replay, as small as it can be
    #[arg(long)]
    shrink: bool,
    /// Where a schedule is written; target/sim/ by default
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Within so many seeds each planted fault has to be found.
const MOST: u64 = 10_000;
/// How long it runs where nobody says.
const MINUTE: u64 = 60;

fn main() -> io::Result<ExitCode> {
    let arguments = Arguments::parse();
    // Not locked: the story is printed by the workers.
    let mut out = io::stdout();
    let jobs = arguments.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).max(1);
    if let Some(file) = &arguments.replay {
        return replay::again(&mut out, file, arguments.plant, arguments.shrink, arguments.out.as_deref());
    }
    if arguments.exhaustive {
        return every_order::run(&mut out, arguments.plant, arguments.seeds.unwrap_or(u64::MAX), jobs);
    }
    if arguments.planted {
        return planted(&mut out, &arguments, jobs);
    }
    let (seeds, seconds) = match (arguments.seeds, arguments.seconds) {
        (None, None) if arguments.trace || arguments.shrink => (1, None),
        (None, None) => (u64::MAX, Some(MINUTE)),
        (seeds, seconds) => (seeds.unwrap_or(u64::MAX), seconds),
    };
    let began = Instant::now();
    let mut batch = Batch::new(&arguments, arguments.seed.saturating_add(seeds), arguments.plant);
    batch.until = seconds.map(|seconds| began + Duration::from_secs(seconds));
    (batch.trace, batch.all) = (arguments.trace, arguments.all);
    let sum = batch.run(if arguments.trace { 1 } else { jobs });
    for line in &sum.lines {
        writeln!(out, "{line}")?;
    }
    if let Some((seed, end)) = sum.first.as_ref().filter(|_| !arguments.all) {
        for line in &end.lines {
            writeln!(out, "{line}")?;
        }
        writeln!(out, "seed {seed} of commit {} broke {}", commit(), end.broken.as_deref().unwrap_or_default())?;
        replay::written(&mut out, *seed, end, arguments.plant, arguments.shrink, arguments.out.as_deref())?;
    }
    told(&mut out, &sum, began, jobs)?;
    let never = if arguments.sometimes { sometimes::judge(&mut out, &sum.sometimes)? } else { 0 };
    Ok(if sum.failures == 0 && sum.seeds > 0 && never == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn commit() -> String {
    std::env::var("RUMPUS_COMMIT").unwrap_or_else(|_| "not known".into())
}

fn told(out: &mut impl Write, sum: &Sum, began: Instant, jobs: usize) -> io::Result<()> {
    let seconds = began.elapsed().as_secs_f64();
    let rate = f64::from(u32::try_from(sum.seeds).unwrap_or(u32::MAX)) / seconds;
    let years = sum.simulated.as_secs_f64() / (365.25 * 86_400.0);
    writeln!(
        out,
        "{} seeds, {} failed, {years:.3} years simulated, {} faults, {} events, {rate:.1} seeds/s by {jobs} at a time",
        sum.seeds, sum.failures, sum.faults, sum.happenings
    )
}

fn planted(out: &mut impl Write, arguments: &Arguments, jobs: usize) -> io::Result<ExitCode> {
    writeln!(out, "| planted | found by | seeds |\n|---|---|---|")?;
    let mut missed = 0_u32;
    for plant in Plant::value_variants() {
        let name = plant.to_possible_value().map(|v| v.get_name().to_owned()).unwrap_or_default();
        let batch = Batch::new(arguments, arguments.seed + MOST, Some(*plant));
        if let Some((seed, end)) = batch.run(jobs).first {
            let broken = end.broken.unwrap_or_default();
            writeln!(out, "| {name} | {} | {} |", shrink::name(&broken), seed - arguments.seed + 1)?;
        } else {
            missed += 1;
            writeln!(out, "| {name} | not found | {MOST} |")?;
        }
        out.flush()?;
    }
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
