//! `rumpus simulate`: a virtual stretch of time of one policy.

use crate::args::{Global, Output};
use crate::commands::print;
use crate::failure::Failure;
use crate::render;
use jiff::Timestamp;
use rumpus_controller::cluster::core::event::Now;
use rumpus_controller::cluster::observe::look::Saved;
use rumpus_model::cluster::World;
use rumpus_model::cluster::world::Rules;
use rumpus_model::policy::{self, Policy, Site};
use rumpus_model::schedule::simulate::{Input, simulate};
use rumpus_model::schedule::synthetic;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest stretch: ten years.
const MOST_DAYS: u32 = 3660;
/// The namespace of a policy that names none.
const NAMESPACE: &str = "default";
/// Exit code of a limit that was broken.
const BROKEN: u8 = 4;
/// Exit code where slots were due and none of them acted.
const REFUSED: u8 = 3;

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rumpus simulate policies/classic-monkey.yaml --groups 100                 a year of a hundred applications
  rumpus simulate FILE --groups 100 --days 30 --seed 7 --svg month.svg      the same month each time, as a picture
  kubectl rumpus simulate FILE -n shop                                      on the cluster as it is now
  kubectl get pods,nodes,namespaces,deployments,replicasets,statefulsets,daemonsets,jobs,services,\
    endpointslices,pdb,chaosnodes -A -o json >world.json
  rumpus simulate FILE --world world.json                                   on a cluster as it was then

Each run is planned as the controller would, on a world that is healthy again each time; nothing is
changed anywhere, and a policy that is a dry run is simulated as if it were armed.")]
pub struct Args {
    /// YAML with one policy that has a schedule
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How many days
    #[arg(long, default_value_t = 365, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_DAYS)))]
    pub days: u32,
    /// The same seed draws the same
    #[arg(long, default_value = "1")]
    pub seed: String,
    /// So many applications that the policy matches, instead of a cluster
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub groups: Option<u32>,
    /// JSON of a cluster's objects, as `kubectl get KINDS -A -o json` prints them, instead of a cluster
    #[arg(long, value_name = "FILE", conflicts_with = "groups")]
    pub world: Option<PathBuf>,
    /// When it begins: an instant as 2026-12-01T00:00:00Z (default: now, a whole day of UTC)
    #[arg(long, value_name = "TIME")]
    pub from: Option<Timestamp>,
    /// Also draw a picture
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// Simulates on applications that are made up, or on a cluster that somebody saved.
///
/// # Errors
/// The file holds no policy with a schedule, or one for which nothing can be made up.
pub fn run(global: &Global, args: &Args) -> Result<u8, Failure> {
    let policy = load(args)?;
    if let Some(file) = &args.world {
        let world = saved(file)?;
        let namespace = policy.namespace.clone().unwrap_or_else(|| NAMESPACE.to_owned());
        return show(global, args, &policy, &world, &namespace);
    }
    let Some(groups) = args.groups else {
        let hint = "add --groups 100 or --world FILE, or name a cluster with --context or -n";
        return Err(Failure::usage("a host has no applications to simulate on", hint));
    };
    let namespace = policy.namespace.clone().unwrap_or_else(|| NAMESPACE.to_owned());
    let world = synthetic::world(&policy, &namespace, groups).map_err(|why| {
        Failure::usage(
            format!("no applications can be made up for it: {why}"),
            "simulate it on a cluster, with --context",
        )
    })?;
    show(global, args, &policy, &world, &namespace)
}

/// Reads a cluster that somebody saved, as its heartbeats were then.
fn saved(file: &Path) -> Result<World, Failure> {
    let failed = |what: &dyn std::fmt::Display| {
        let hint = "save one: kubectl get pods,nodes,namespaces,... -A -o json (rumpus simulate --help has all kinds)";
        Failure::usage(format!("the world in {}: {what}", file.display()), hint)
    };
    let text = std::fs::read_to_string(file).map_err(|e| failed(&e))?;
    let saved = Saved::read(&text).map_err(|e| failed(&e))?;
    // Runs that went on then say nothing about a year.
    let rules = Rules { max_active_runs: u32::MAX, ..Rules::default() };
    let now = Now { boot: Duration::ZERO, wall: Timestamp::now() };
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|e| failed(&e))?;
    Ok(runtime.block_on(saved.world(&rules, now)))
}

/// Reads the policy.
///
/// # Errors
/// There is not exactly one, it makes no sense, or it has no schedule.
pub fn load(args: &Args) -> Result<Policy, Failure> {
    let file = args.file.display().to_string();
    let text = std::fs::read_to_string(&args.file).map_err(|e| {
        Failure::usage(format!("read {file}: {e}"), "name a file with a ChaosPolicy, like policies/*.yaml")
    })?;
    let found = policy::parse_for(&text, Site::Cluster);
    let mut policies = found.map_err(|problems| Failure::Problems { file: file.clone(), problems })?;
    match (policies.pop(), policies.is_empty()) {
        (Some(policy), true) if policy.schedule.is_some() => Ok(policy),
        (Some(_), true) => {
            let hint = "add one: schedule: {random: {meanWorkDays: 2}}";
            Err(Failure::usage(format!("{file}: the policy has no schedule"), hint))
        }
        (_, _) => {
            Err(Failure::usage(format!("{file}: exactly one policy can be simulated"), "put it into a file of its own"))
        }
    }
}

/// Simulates on a world and prints what came out.
///
/// # Errors
/// It names a calendar, or the picture cannot be written.
pub fn show(global: &Global, args: &Args, policy: &Policy, world: &World, namespace: &str) -> Result<u8, Failure> {
    let Some(schedule) = &policy.schedule else { return Err(Failure::usage("the policy has no schedule", "add one")) };
    if let Some(name) = schedule.calendars.first() {
        let hint = "calendars are the cluster's: write the dates into holidays.dates to simulate them";
        return Err(Failure::usage(format!("the calendar `{name}` is not known here"), hint));
    }
    let from = args.from.unwrap_or_else(today);
    let input = Input { policy, schedule, namespace, seed: &args.seed, from, days: args.days };
    let out = simulate(world, &input);
    if let Some(file) = &args.svg {
        let picture = render::simulate::svg(policy, &input, &out);
        std::fs::write(file, picture).map_err(|e| {
            Failure::usage(format!("write {}: {e}", file.display()), "name a file in a folder that you may write to")
        })?;
    }
    let report = render::simulate::report(policy, &input, &out);
    print(global, &report, || render::simulate::page(policy, &input, &out))?;
    if let (Output::Table, Some(file)) = (global.output, &args.svg) {
        anstream::eprintln!("the picture is in {}", file.display());
    }
    Ok(match (out.violations, out.actions.is_empty() && !out.refused.is_empty()) {
        (0, false) => 0,
        (0, true) => REFUSED,
        (_, _) => BROKEN,
    })
}

/// The day that has begun, by UTC.
fn today() -> Timestamp {
    let now = Timestamp::now().as_second();
    Timestamp::from_second(now - now.rem_euclid(86_400)).unwrap_or_default()
}
