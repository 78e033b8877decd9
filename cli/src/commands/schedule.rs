//! `rumpus schedule`: what policies will do by themselves. Of a cluster the look itself is in `cluster/schedule.rs`; on a host
//! the daemon is asked.

use crate::args::Global;
use crate::commands::print;
use crate::failure::Failure;
use crate::render;
use crate::up::call::{self, SocketFlag};

/// Exit code where not everything runs that was meant to: a script must not take that for "nothing will happen".
const UNKNOWN: u8 = 4;

/// Longest look ahead, in days.
const MOST_DAYS: u32 = 90;

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  rumpus schedule                             the next seven days and the last runs of this host's daemon
  kubectl rumpus schedule                     the next seven days of all policies
  kubectl rumpus schedule -n shop --days 1    one day of the policies of a namespace
  kubectl rumpus schedule monkey -n shop -o json

Each run is taken to act, so that what a minimum gap allows after it is shown; what really happens is
decided at its time, by every guard. Nothing is changed.")]
pub struct Args {
    /// Only this policy
    #[arg(value_name = "POLICY")]
    pub policy: Option<String>,
    /// How many days
    #[arg(long, default_value_t = 7, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_DAYS)))]
    pub days: u32,
    #[command(flatten)]
    pub socket: SocketFlag,
}

/// Shows what this host's daemon will do, and what it did.
///
/// # Errors
/// There is none, or it does not say.
pub fn on_host(global: &Global, args: &Args) -> Result<u8, Failure> {
    let Some(daemon) = args.socket.connect(global)? else {
        let hint = "start `rumpus up --policies DIR`, or name a cluster with --context or -n; \
                    `rumpus simulate FILE --groups 100` shows what a schedule would do";
        return Err(Failure::usage("no daemon serves this state directory, so nothing runs by itself", hint));
    };
    let report = call::schedule(daemon, args.days, args.policy.clone())?;
    if let (Some(name), true, true) = (&args.policy, report.policies.is_empty(), report.problems.is_empty()) {
        let hint = "`rumpus schedule` shows which there are";
        return Err(Failure::usage(format!("no policy {name}"), hint));
    }
    print(global, &report, || render::schedule::of_host(&report))?;
    Ok(if report.problems.is_empty() { 0 } else { UNKNOWN })
}
