//! `rumpus simulate` on a cluster as it is now: one snapshot, read as the caller, and nothing is written.

use super::connect::Reached;
use super::installed::{self, Installed};
use super::{enter, place::ClusterFlags};
use crate::args::Global;
use crate::commands::simulate::{self, Args};
use crate::failure::Failure;
use jiff::Timestamp;
use rumpus_controller::cluster::core::event::Now;
use rumpus_controller::cluster::observe::look;
use rumpus_model::cluster::world::Rules;
use std::time::Duration;

/// Simulates.
///
/// # Errors
/// The policy makes no sense, or the cluster cannot be reached.
pub fn run(global: &Global, which: &ClusterFlags, args: &Args) -> Result<u8, Failure> {
    if args.groups.is_some() || args.world.is_some() {
        return simulate::run(global, args);
    }
    let policy = simulate::load(args)?;
    enter(which, global, async |reached: &Reached| {
        let Installed { rules, .. } = installed::look(reached).await;
        let now = Now { boot: Duration::ZERO, wall: Timestamp::now() };
        // Runs that go on now say nothing about a year.
        let rules = Rules { max_active_runs: u32::MAX, ..rules };
        let world = look::world(&reached.cluster, &rules, Vec::new(), now).await;
        let namespace = policy.namespace.clone().unwrap_or_else(|| reached.namespace.clone());
        simulate::show(global, args, &policy, &world, &namespace)
    })
}
