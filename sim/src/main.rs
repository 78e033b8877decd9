//! Runs seeds on all cores until one breaks something, or all are done, or the time is over.

use clap::{Parser, ValueEnum};
use rumpus_sim::plant::Plant;
use rumpus_sim::world::{self, End};
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Runs the production cores in worlds that seeds decide.
#[derive(Debug, Parser)]
#[command(
    about = "Runs the controller's and the agents' own code in worlds that seeds decide",
    after_help = "Examples:\n  \
        cargo xtask sim                         a minute of seeds\n  \
        cargo xtask sim --seeds 50000 --all     so many, and how many fail\n  \
        cargo xtask sim --seed 4496 --trace     one seed, one line for each event\n  \
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
}

/// Of so many seeds one is run twice.
const TWICE: u64 = 100;
/// Within so many seeds each planted fault has to be found.
const MOST: u64 = 10_000;
/// How long it runs where nobody says.
const MINUTE: u64 = 60;

/// What all workers add to.
#[derive(Debug, Default)]
struct Sum {
    seeds: u64,
    failures: u64,
    simulated: Duration,
    faults: u64,
    happenings: u64,
    /// The failing seed that was found first.
    first: Option<(u64, End)>,
    lines: Vec<String>,
}

/// What is to be run.
#[derive(Clone, Copy, Debug)]
struct Plan {
    first: u64,
    end: u64,
    until: Option<Instant>,
    length: Duration,
    trace: bool,
    plant: Option<Plant>,
    all: bool,
}

fn main() -> io::Result<ExitCode> {
    let arguments = Arguments::parse();
    // Not locked: the story is printed by the workers.
    let mut out = io::stdout();
    let length = Duration::from_secs(arguments.length);
    let jobs = arguments.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).max(1);
    let began = Instant::now();
    let plan = |first, end, plant| Plan { first, end, until: None, length, trace: arguments.trace, plant, all: false };
    if arguments.planted {
        return planted(&mut out, jobs, |plant| plan(arguments.seed, arguments.seed + MOST, Some(plant)));
    }
    let (seeds, seconds) = match (arguments.seeds, arguments.seconds) {
        (None, None) if arguments.trace => (1, None),
        (None, None) => (u64::MAX, Some(MINUTE)),
        (seeds, seconds) => (seeds.unwrap_or(u64::MAX), seconds),
    };
    let end = arguments.seed.saturating_add(seeds);
    let plan = Plan {
        until: seconds.map(|seconds| began + Duration::from_secs(seconds)),
        all: arguments.all,
        ..plan(arguments.seed, end, arguments.plant)
    };
    let sum = run(&plan, if arguments.trace { 1 } else { jobs });
    for line in &sum.lines {
        writeln!(out, "{line}")?;
    }
    if let Some((seed, end)) = sum.first.as_ref().filter(|_| !arguments.all) {
        for line in &end.lines {
            writeln!(out, "{line}")?;
        }
        let commit = std::env::var("RUMPUS_COMMIT").unwrap_or_else(|_| "not known".into());
        writeln!(out, "seed {seed} of commit {commit} broke {}", end.broken.as_deref().unwrap_or_default())?;
        writeln!(out, "again, event by event: cargo xtask sim --seed {seed} --trace")?;
    }
    let seconds = began.elapsed().as_secs_f64();
    let rate = f64::from(u32::try_from(sum.seeds).unwrap_or(u32::MAX)) / seconds;
    let years = sum.simulated.as_secs_f64() / (365.25 * 86_400.0);
    writeln!(
        out,
        "{} seeds, {} failed, {years:.3} years simulated, {} faults, {} events, {rate:.1} seeds/s by {jobs} at a time",
        sum.seeds, sum.failures, sum.faults, sum.happenings
    )?;
    Ok(if sum.failures == 0 && sum.seeds > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run(plan: &Plan, jobs: usize) -> Sum {
    let next = AtomicU64::new(plan.first);
    let sum = Mutex::new(Sum::default());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| work(plan, &next, &sum));
        }
    });
    sum.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn work(plan: &Plan, next: &AtomicU64, sum: &Mutex<Sum>) {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= plan.end || plan.until.is_some_and(|until| Instant::now() >= until) {
            return;
        }
        let end = world::run(seed, plan.length, plan.trace, plan.plant);
        let again = seed.is_multiple_of(TWICE) && !plan.trace;
        let same = !again || world::run(seed, plan.length, false, plan.plant).hash == end.hash;
        let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
        (sum.seeds, sum.simulated) = (sum.seeds + 1, sum.simulated + end.time);
        (sum.faults, sum.happenings) = (sum.faults + end.faults, sum.happenings + end.happenings);
        if !same {
            sum.failures += 1;
            sum.lines.push(format!("seed {seed} is not the same twice"));
        }
        if let Some(broken) = &end.broken {
            sum.failures += 1;
            if plan.all {
                sum.lines.push(format!("seed {seed}: {broken}"));
            } else {
                // Nothing new is begun.
                next.store(plan.end, Ordering::Relaxed);
                if sum.first.as_ref().is_none_or(|(before, _)| seed < *before) {
                    sum.first = Some((seed, end));
                }
            }
        }
    }
}

fn planted(out: &mut impl Write, jobs: usize, plan: impl Fn(Plant) -> Plan) -> io::Result<ExitCode> {
    writeln!(out, "| planted | found by | seeds |\n|---|---|---|")?;
    let mut missed = 0_u32;
    for plant in Plant::value_variants() {
        let name = plant.to_possible_value().map(|v| v.get_name().to_owned()).unwrap_or_default();
        let plan = plan(*plant);
        if let Some((seed, end)) = run(&plan, jobs).first {
            let broken = end.broken.unwrap_or_default();
            let invariant = broken.split(':').next().unwrap_or_default();
            writeln!(out, "| {name} | {invariant} | {} |", seed - plan.first + 1)?;
        } else {
            missed += 1;
            writeln!(out, "| {name} | not found | {MOST} |")?;
        }
        out.flush()?;
    }
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
