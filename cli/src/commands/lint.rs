//! `rumpus lint`: its command line. A host has no workloads to judge.

use crate::cluster;
use crate::failure::Failure;

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kubectl rumpus lint -f policy.yaml -n shop             is what it aims at ready for chaos?
  kubectl rumpus lint -f policy/web-monkey -n shop -o json

It looks at every pod that the policy's selector means, also where a namespace has not opted in yet.
Nothing is changed, and no run is refused because of it.

Exit codes:
  0 ready   7 not ready   4 not known: something could not be read, or nothing is selected")]
pub struct Args {
    /// YAML with one policy, or the name of one that is in the cluster
    #[arg(short = 'f', long = "policy", value_name = "FILE|policy/NAME")]
    pub policy: String,
}

/// Says that this is only known in a cluster.
///
/// # Errors
/// Always.
pub fn run() -> Result<u8, Failure> {
    Err(cluster::only("lint", "a host has no workloads with replicas and budgets"))
}
