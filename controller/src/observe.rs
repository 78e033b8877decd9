//! From policies to plans: take a snapshot, resolve the names that the picked targets need, and plan. A second policy
//! of the same file is planned beside the first.

use crate::ports::Observe;
use rumpus_model::plan::{self, Plan};
use rumpus_model::policy::Policy;
use rumpus_model::world::World;

/// Makes a plan for each policy. `run` names the run.
///
/// # Errors
/// The world could not be seen.
pub fn plans(observe: &impl Observe, policies: &[Policy], seed: &str, run: &str) -> Result<Vec<Plan>, String> {
    plans_beside(observe, policies, (seed, run), &[])
}

/// Makes a plan for each policy beside plans that are being carried out, and of which the host may show nothing yet.
///
/// # Errors
/// The world could not be seen.
pub fn plans_beside(
    observe: &impl Observe,
    policies: &[Policy],
    (seed, run): (&str, &str),
    beside: &[Plan],
) -> Result<Vec<Plan>, String> {
    let mut world = observe.world(policies)?;
    beside.iter().for_each(|plan| plan::occupy(&mut world, plan));
    let mut plans = Vec::new();
    for policy in policies {
        for lookup in plan::lookups(&world, policy, seed) {
            let key = World::name_key(&lookup.netns.id, &lookup.name);
            world.names.insert(key, observe.lookup(&lookup));
        }
        let plan = plan::plan(&world, policy, seed, &format!("{run}/{}", policy.name));
        plan::occupy(&mut world, &plan);
        plans.push(plan);
    }
    Ok(plans)
}
