//! The command line: verbs, flags, defaults, examples.

use crate::cluster::place::{self, ClusterFlags, Place};
use crate::flags::FaultFlags;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use rumpus_model::engine::Engine;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Where an agent keeps its state by default.
pub const STATE_DIR: &str = "/var/lib/rumpus";

/// Breaks things on purpose, and always puts them back
#[derive(Debug, Parser)]
#[command(
    name = "rumpus",
    version,
    propagate_version = true,
    max_term_width = 100,
    after_help = "\
Examples:
  rumpus demo                                   see it work, on services of its own
  rumpus plan policies/latency-to-address.yaml  who would be hit, and why
  rumpus run latency --netns web --delay 100ms --direction Egress --for 30s --arm
  rumpus halt --reason 'checkout is down'       end everything, from any terminal

Where it acts:
  on this host; with --context, --kubeconfig or -n, or started by kubectl (`kubectl rumpus`, by a
  link named kubectl-rumpus in the PATH), on the cluster of that kubeconfig context
  kubectl rumpus run policy/latency-to-service --arm -n shop
  rumpus halt ns/shop --context prod            end everything in a namespace of a cluster

Exit codes:
  0 proven and restored, or dry run   2 usage    3 refused            4 not effective, or not known
  5 not restored, or unconfirmed      6 halted   130 Ctrl-C"
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
    /// Where it acts.
    #[arg(skip)]
    pub place: Place,
}

#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Directory of the journal, the lock and the halt
    #[arg(long, global = true, env = "RUMPUS_STATE_DIR", default_value = STATE_DIR, value_name = "DIR")]
    pub state_dir: PathBuf,
    /// How to print
    #[arg(short, long, global = true, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    /// How long a fault may live without its agent
    #[arg(long, global = true, hide = true, env = "RUMPUS_LEASE", default_value = "15s", value_parser = lease)]
    pub lease: Duration,
    /// Act as if this node lacked an engine (netem, nfqueue, ...)
    #[arg(long, global = true, value_name = "ENGINE", value_parser = engine)]
    pub without_engine: Vec<Engine>,
    #[command(flatten)]
    pub cluster: ClusterFlags,
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Json,
    Table,
    Yaml,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show who would be hit, why, who not and why not; change nothing
    Plan(Plan),
    /// Show why the pods of one workload are hit, or not; change nothing
    Explain(crate::commands::explain::Args),
    /// Show whether what a policy aims at is ready for chaos; change nothing
    Lint(crate::commands::lint::Args),
    /// Carry an experiment out (a dry run without --arm)
    Run(Box<Run>),
    /// Show what a schedule would do in a year; change nothing
    Simulate(crate::commands::simulate::Args),
    /// Show what policies will do by themselves, in a cluster or by this host's daemon
    Schedule(crate::commands::schedule::Args),
    /// Show what is live
    Active,
    /// End one run of a cluster
    Stop(Stop),
    /// End everything and block new runs until `resume`
    Halt(Halt),
    /// Lift the halt
    Resume(Resume),
    /// Look for leftovers of this and of other tools
    Residue(Residue),
    /// Show what this machine, or this cluster, can do
    Doctor,
    /// Show the main job on services of its own, and put everything back
    Demo,
    /// Serve this host: policies from a folder, which act by their schedules
    Up(crate::commands::up::Args),
    /// Serve one node of a cluster: what the chart's DaemonSet runs
    Agent(Box<crate::commands::agent::Args>),
    /// Run the cluster's controller
    Controller(Box<crate::commands::controller::Controller>),
    /// Print completions for a shell
    Completions { shell: clap_complete::Shell },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rumpus plan policies/partition-one-way.yaml --seed 7
  kubectl rumpus plan policy/latency-to-service -n shop")]
pub struct Plan {
    /// YAML with one or more policies; in a cluster also the name of one that is there
    #[arg(value_name = "FILE|policy/NAME")]
    pub what: String,
    /// The same seed picks the same targets
    #[arg(long)]
    pub seed: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rumpus run policies/kill-process.yaml                 dry run: the plan, and nothing else
  rumpus run policies/kill-process.yaml --arm --seed 7
  rumpus run policies/kill-process.yaml --arm --seed 7 --plan-hash 1a2b3c4d    the plan that was shown, or none
  rumpus run partition --netns web --peer 10.0.0.7 --direction Both --for 20s --arm
  rumpus run kill --name worker --count 1 --signal TERM --grace 5s --arm
  kubectl rumpus run policy/latency-to-service -n shop --arm --reason 'game day'")]
pub struct Run {
    /// YAML with one or more policies, or a fault (kill, latency, loss, partition); in a cluster a file with one policy,
    /// or the name of one that is there
    #[arg(value_name = "FILE|FAULT|policy/NAME")]
    pub what: String,
    /// Act; without this it is a dry run
    #[arg(long)]
    pub arm: bool,
    /// The same seed picks the same targets
    #[arg(long)]
    pub seed: Option<String>,
    /// The plan that it has to come to, by the hash that a dry run with the same seed showed; another one is refused
    #[arg(long, value_name = "HASH")]
    pub plan_hash: Option<String>,
    /// How long the fault lasts; for a file it can only make it shorter
    #[arg(long = "for", value_name = "DURATION")]
    pub duration: Option<String>,
    /// Why, for who reads it later (cluster)
    #[arg(long, help_heading = "Cluster")]
    pub reason: Option<String>,
    /// Follow the run to its end; Ctrl-C stops it (cluster; the default)
    #[arg(long, help_heading = "Cluster")]
    pub wait: bool,
    /// Only start the run; `active` shows it, `stop` ends it (cluster)
    #[arg(long, help_heading = "Cluster", conflicts_with = "wait")]
    pub no_wait: bool,
    #[command(flatten)]
    pub socket: crate::up::call::SocketFlag,
    #[command(flatten)]
    pub fault: FaultFlags,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  kubectl rumpus stop checkout-monkey-1a2b3c4d -n shop")]
pub struct Stop {
    /// The run, as `active` shows it
    #[arg(value_name = "[NAMESPACE/]RUN")]
    pub run: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rumpus halt --reason 'checkout is down'       everything of this host
  kubectl rumpus halt                           everything of the cluster
  kubectl rumpus halt ns/shop node/worker-1     what has to do with one of these")]
pub struct Halt {
    /// In a cluster: ns/NAME, node/NAME, run/NAMESPACE/NAME; nothing means everything
    #[arg(value_name = "SCOPE")]
    pub scope: Vec<String>,
    /// Everything, which is the default
    #[arg(long)]
    pub all: bool,
    /// Why, for who reads it later
    #[arg(long, default_value = "halted by hand")]
    pub reason: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rumpus resume                  lifts the halt of this host
  kubectl rumpus resume          lifts the one halt of the cluster, if there is one only
  kubectl rumpus resume --all")]
pub struct Resume {
    /// In a cluster: the halt, as `active` shows it
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// In a cluster: every halt
    #[arg(long, conflicts_with = "name")]
    pub all: bool,
    /// In a cluster: also where a node with live faults has not attested that they ended
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct Residue {
    /// Take away what is ours and has no owner
    #[arg(long)]
    pub clean: bool,
}

/// Reads a command line; help, version and bad usage are printed here.
///
/// # Errors
/// The exit code: 0 after help, 2 after bad usage.
pub fn parse(args: &[OsString]) -> Result<Cli, ExitCode> {
    let program = args.first().map(OsString::as_os_str).unwrap_or_default();
    let command = Cli::command();
    let command = if place::is_plugin(program) { command.bin_name("kubectl rumpus") } else { command };
    let parsed = command.try_get_matches_from(args).and_then(|matches| Cli::from_arg_matches(&matches));
    let placed = parsed.map(|cli| Cli { place: Place::of(program, &cli.global.cluster), ..cli });
    placed.map_err(|error| {
        let usage = error.use_stderr();
        // A closed pipe is no reason to fail differently.
        drop(error.print());
        ExitCode::from(if usage { 2 } else { 0 })
    })
}

fn lease(text: &str) -> Result<Duration, String> {
    let lease = rumpus_model::duration::parse(text)?;
    let fit = (Duration::from_millis(500)..=Duration::from_secs(300)).contains(&lease);
    fit.then_some(lease).ok_or_else(|| "a lease is 500ms to 5m".to_owned())
}

fn engine(text: &str) -> Result<Engine, String> {
    let known = || Engine::ALL.map(Engine::name).join(", ");
    Engine::ALL.into_iter().find(|e| e.name() == text).ok_or_else(|| format!("engines are: {}", known()))
}
