//! `rumpus schedule`: what the policies of a cluster will do by themselves. The look itself is in `cluster/schedule.rs`.

use crate::failure::Failure;

/// Longest look ahead, in days.
const MOST_DAYS: u32 = 90;

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
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
}

/// Says why there is nothing to look at.
///
/// # Errors
/// Always: nothing runs by itself on a host.
pub fn on_host() -> Result<u8, Failure> {
    let hint =
        "name a cluster with --context or -n; `rumpus simulate FILE --groups 100` shows what a schedule would do";
    Err(Failure::usage("nothing runs by itself on a host", hint))
}
