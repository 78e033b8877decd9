//! The command line: verbs, flags, defaults, examples.

use crate::flags::FaultFlags;
use clap::{Args, Parser, Subcommand, ValueEnum};
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

Exit codes:
  0 proven and restored, or dry run   2 usage            3 refused          4 not effective, nothing selected
  5 not restored                      6 halted, stopped  130 Ctrl-C"
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
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
    /// Carry an experiment out (a dry run without --arm)
    Run(Box<Run>),
    /// Show what is live
    Active,
    /// End everything and block new runs until `resume`
    Halt(Halt),
    /// Lift the halt
    Resume,
    /// Look for leftovers of this and of other tools
    Residue(Residue),
    /// Show what this machine can do
    Doctor,
    /// Show the main job on services of its own, and put everything back
    Demo,
    /// Serve one node of a cluster: what the chart's DaemonSet runs
    Agent(Box<crate::commands::agent::Args>),
    /// Run the cluster's controller
    Controller(Box<crate::commands::controller::Controller>),
    /// Print completions for a shell
    Completions { shell: clap_complete::Shell },
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  rumpus plan policies/partition-one-way.yaml --seed 7")]
pub struct Plan {
    /// YAML with one or more policies
    pub file: PathBuf,
    /// The same seed picks the same targets
    #[arg(long)]
    pub seed: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rumpus run policies/kill-process.yaml                 dry run: the plan, and nothing else
  rumpus run policies/kill-process.yaml --arm --seed 7
  rumpus run partition --netns web --peer 10.0.0.7 --direction Both --for 20s --arm
  rumpus run kill --name worker --count 1 --signal TERM --grace 5s --arm")]
pub struct Run {
    /// YAML with one or more policies, or a fault: kill, latency, loss, partition
    #[arg(value_name = "FILE|FAULT")]
    pub what: String,
    /// Act; without this it is a dry run
    #[arg(long)]
    pub arm: bool,
    /// The same seed picks the same targets
    #[arg(long)]
    pub seed: Option<String>,
    /// How long the fault lasts; for a file it can only make it shorter
    #[arg(long = "for", value_name = "DURATION")]
    pub duration: Option<String>,
    #[command(flatten)]
    pub fault: FaultFlags,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  rumpus halt --reason 'checkout is down'")]
pub struct Halt {
    /// Why, for who reads it later
    #[arg(long, default_value = "halted by hand")]
    pub reason: String,
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
    Cli::try_parse_from(args).map_err(|error| {
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
