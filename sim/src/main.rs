//! Runs seeds, one after another, until one breaks something or all are done.

use clap::{Parser, ValueEnum};
use rumpus_sim::plant::Plant;
use rumpus_sim::world::{self, End};
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Runs the production cores in worlds that seeds decide.
#[derive(Debug, Parser)]
struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// How long anything may go wrong in each, in simulated seconds.
    #[arg(long, default_value_t = 240)]
    seconds: u64,
    /// Print every event.
    #[arg(long)]
    trace: bool,
    /// Put this fault into the glue.
    #[arg(long)]
    plant: Option<Plant>,
    /// Put each fault into the glue, one after another, and print how many seeds it took to find it.
    #[arg(long)]
    planted: bool,
    /// Go on after a failure, and count.
    #[arg(long)]
    all: bool,
}

/// Of so many seeds one is run twice.
const TWICE: u64 = 100;

fn main() -> io::Result<ExitCode> {
    let arguments = Arguments::parse();
    let (began, mut out) = (Instant::now(), io::stdout().lock());
    let time = Duration::from_secs(arguments.seconds);
    if arguments.planted {
        return planted(&mut out, arguments.seed, time);
    }
    let (mut simulated, mut done, mut failures, mut faults, mut happenings) = (Duration::ZERO, 0_u64, 0_u64, 0, 0);
    for seed in arguments.seed..arguments.seed.saturating_add(arguments.seeds) {
        let end = world::run(seed, time, arguments.trace, arguments.plant);
        (simulated, done) = (simulated + end.time, done + 1);
        (faults, happenings) = (faults + end.faults, happenings + end.happenings);
        if seed % TWICE == 0 && !arguments.trace && world::run(seed, time, false, arguments.plant).hash != end.hash {
            writeln!(out, "seed {seed} is not the same twice")?;
            failures += 1;
        }
        if let Some(broken) = &end.broken {
            failures += 1;
            if arguments.all {
                writeln!(out, "seed {seed}: {broken}")?;
            } else {
                told(&mut out, seed, broken, &end)?;
                break;
            }
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let rate = f64::from(u32::try_from(done).unwrap_or(u32::MAX)) / seconds;
    writeln!(
        out,
        "{done} seeds, {failures} failed, {} h simulated, {faults} faults, {happenings} events, {rate:.1} seeds/s",
        simulated.as_secs() / 3600
    )?;
    Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Within so many seeds each planted fault has to be found.
const MOST: u64 = 10_000;

fn planted(out: &mut impl Write, first: u64, time: Duration) -> io::Result<ExitCode> {
    writeln!(out, "| planted | found by | seeds |\n|---|---|---|")?;
    let mut missed = 0_u32;
    for plant in Plant::value_variants() {
        let name = plant.to_possible_value().map(|v| v.get_name().to_owned()).unwrap_or_default();
        let find = |seed| world::run(seed, time, false, Some(*plant)).broken.map(|broken| (seed - first + 1, broken));
        match (first..first.saturating_add(MOST)).find_map(find) {
            Some((seeds, broken)) => {
                let invariant = broken.split(':').next().unwrap_or_default();
                writeln!(out, "| {name} | {invariant} | {seeds} |")?;
            }
            None => {
                missed += 1;
                writeln!(out, "| {name} | not found | {MOST} |")?;
            }
        }
    }
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn told(out: &mut impl Write, seed: u64, broken: &str, end: &End) -> io::Result<()> {
    for line in &end.lines {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "seed {seed}: {broken}")
}
