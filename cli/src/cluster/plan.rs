//! `rumpus plan` in a cluster: the controller's own snapshot and decision, made here from plain lists as the caller, and
//! nothing is written. What the caller may not read is unknown: the plan says so, and the exit code is 4.

use super::connect::Reached;
use super::held;
use super::installed::{self, Installed};
use super::written::{self, Written};
use super::{enter, place::ClusterFlags};
use crate::args::{Global, Plan as Args};
use crate::commands::{plan, print};
use crate::failure::Failure;
use crate::render;
use jiff::Timestamp;
use rumpus_cluster::{ChaosInjection, ChaosLedger, Error};
use rumpus_controller::cluster::core::event::Now;
use rumpus_controller::cluster::core::hits;
use rumpus_controller::cluster::observe::look;
use rumpus_model::cluster::refusal::ClusterRefusal;
use rumpus_model::cluster::world::Seconds;
use rumpus_model::cluster::{ClusterPlan, RunInput, World};
use rumpus_model::refusal::Refusal;
use rumpus_model::run::Outcome;
use rumpus_model::wire::ledger::LEDGER;
use std::sync::Arc;
use std::time::Duration;

/// Shows the plan.
///
/// # Errors
/// The policy makes no sense, or the cluster cannot be reached.
pub fn run(global: &Global, which: &ClusterFlags, args: &Args) -> Result<u8, Failure> {
    enter(which, global, async |reached| show(global, reached, args).await)
}

pub(super) async fn show(global: &Global, reached: &Reached, args: &Args) -> Result<u8, Failure> {
    let written = written::read(reached, &args.what).await?;
    let seed = plan::seed(args.seed.as_deref(), std::slice::from_ref(&written.parsed));
    let Snapshot { world, notes, now } = snapshot(reached).await;
    let mut plan = rumpus_model::cluster::plan(&world, &input(&written, seed), now);
    plan.notes.extend(notes);
    print(global, &[&plan], || render::cluster_plan(&plan))?;
    Ok(outcome(&plan).exit_code())
}

/// A snapshot as the caller sees it.
pub(super) struct Snapshot {
    pub(super) world: World,
    /// What of the installation could not be read.
    pub(super) notes: Vec<String>,
    pub(super) now: Seconds,
}

/// Takes a snapshot, with what active runs hold.
pub(super) async fn snapshot(reached: &Reached) -> Snapshot {
    let Installed { rules, notes } = installed::look(reached).await;
    // Every instant that matters is the API server's; the boot clock only tells how old a heartbeat is, and this
    // process has seen none before.
    let now = Now { boot: Duration::ZERO, wall: Timestamp::now() };
    let injections = reached.list::<ChaosInjection>("", None).await;
    let held = injections.as_ref().map(|l| held::reservations(&l.items, reached.lease, now.wall)).unwrap_or_default();
    let mut world = look::world(&reached.cluster, &rules, held, now).await;
    if let Err(error) = injections {
        world.active = Err(rumpus_model::cluster::Unknown { why: rumpus_agent::resolve::chain(&error) });
    }
    world.hits = match reached.cluster.get::<ChaosLedger>("", LEDGER).await {
        Ok(ledger) => Ok(Arc::new(hits::read(&ledger.spec, now.wall))),
        Err(Error::NotFound { .. }) => Ok(Arc::default()),
        // Only a policy that asks for a cooldown needs to know.
        Err(error) => Err(rumpus_model::cluster::Unknown { why: rumpus_agent::resolve::chain(&error) }),
    };
    Snapshot { world, notes, now: now.wall.as_second() }
}

pub(super) fn input(written: &Written, seed: String) -> RunInput {
    RunInput {
        policy: written.parsed.clone(),
        namespace: written.namespace.clone(),
        name: written.name.clone(),
        run_uid: "dry-run".into(),
        seed,
        policy_uid: written.policy.as_ref().and_then(|p| p.uid.clone()),
    }
}

/// Judges a plan that is not carried out: one that stands on something unread says nothing, neither yes nor no.
fn outcome(plan: &ClusterPlan) -> Outcome {
    let unread = |refusal: &Refusal| matches!(refusal, Refusal::Cluster(ClusterRefusal::ListUnknown { .. }));
    match (plan.refusals.iter().any(unread), plan.refusals.is_empty(), plan.acts()) {
        (true, ..) | (false, true, false) => Outcome::Inconclusive,
        (false, false, _) => Outcome::Refused,
        (false, true, true) => Outcome::DryRun,
    }
}
