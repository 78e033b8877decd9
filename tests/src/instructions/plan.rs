//! The plan of a run over a big snapshot.

use super::counted_part;
use crate::clusters::{NOW, cluster, run, service};
use anyhow::{Context as _, Result, ensure};
use rumpus_model::cluster::labels::{LabelSelector, Requirement};
use rumpus_model::cluster::plan;
use rumpus_model::cluster::world::{Pdb, Place, Radius, Reservation, World};
use rumpus_model::policy::{Policy, Site, parse_for};

/// Pods of one Deployment, and pods on one node.
const EACH: usize = 10;
const PER_NODE: usize = 20;
/// Runs that hold pods already, and how many each.
const ACTIVE: usize = 4;
const HELD: usize = 50;

/// A partition of 100 of 1,000 pods.
pub(super) fn thousand() -> Result<()> {
    planned(1_000, "count: 100")
}

/// A partition of 100 of 10,000 pods.
pub(super) fn ten_thousand() -> Result<()> {
    planned(10_000, "count: 100")
}

/// A partition of 1,000 of 10,000 pods, one of each owner.
pub(super) fn of_owners() -> Result<()> {
    planned(10_000, "all: true, perOwner: 1")
}

fn planned(pods: usize, pick: &str) -> Result<()> {
    let world = world(pods)?;
    let input = run(policy(pick)?, "7");
    let plan = counted_part(|| plan(&world, &input, NOW));
    ensure!(plan.acts(), "refused: {:?}", plan.refusals);
    ensure!(plan.matched == pods && plan.targets().count() >= 100, "{} of {}", plan.targets().count(), plan.matched);
    Ok(())
}

/// A cluster in which every guard has something to look at, and none refuses.
fn world(pods: usize) -> Result<World> {
    let mut world = cluster(pods, EACH, pods / PER_NODE);
    world.services = Ok((0..20_u8)
        .map(|n| {
            let behind: Vec<String> = (0..EACH).map(|at| format!("web-{}", usize::from(n) * EACH + at)).collect();
            let behind: Vec<&str> = behind.iter().map(String::as_str).collect();
            service(&world, &format!("db-{n}"), [10, 96, 0, n], &behind)
        })
        .collect());
    let app = Requirement::In("app".into(), vec!["web".into()]);
    world.budgets = Ok(vec![Pdb {
        namespace: "shop".into(),
        name: "web".into(),
        selector: Some(LabelSelector { requirements: vec![app] }),
        current_healthy: i32::try_from(pods).context("too many pods")?,
        desired_healthy: 1,
        disruptions_allowed: i32::try_from(pods).context("too many pods")?,
        observed: true,
    }]);
    world.active = Ok((0..ACTIVE).map(held).collect());
    let most = Some(u32::try_from(pods).context("too many pods")?);
    world.rules.radius =
        Radius { pods: most, pods_per_namespace: most, pods_per_owner: most, runs_per_namespace: Some(8) };
    Ok(world)
}

/// Another run, with pods that are in no list any more.
fn held(n: usize) -> Reservation {
    let place = Place { namespace: Some("team".into()), owner: Some(format!("team-{n}").into()) };
    Reservation {
        run: format!("beside-{n}").into(),
        run_uid: format!("run-beside-{n}").into(),
        namespace: "team".into(),
        policy_uid: None,
        pods: (0..HELD).map(|pod| (format!("gone-{n}-{pod}").into(), place.clone())).collect(),
        takes_down: false,
        owners: std::collections::BTreeSet::new(),
        delay: None,
    }
}

/// The one policy, from the text that a person would write.
fn policy(pick: &str) -> Result<Policy> {
    let text = format!(
        "apiVersion: rumpus.dev/v1alpha1\nkind: ChaosPolicy\nmetadata: {{name: a}}\nspec:\n  experiment: {{targets: \
         {{pods: {{selector: {{matchLabels: {{app: web}}}}}}}}, pick: {{{pick}}}, faults: [partition: {{direction: \
         Both, peers: {{services: [db-1]}}}}], duration: 5m, steadyState: {{none: {{reason: counted}}}}}}\n"
    );
    match parse_for(&text, Site::Cluster) {
        Ok(policies) => policies.into_iter().next().context("the policy is missing"),
        Err(problems) => anyhow::bail!("the policy is refused: {problems:?}"),
    }
}
