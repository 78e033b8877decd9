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
    let mut world = observe.world(policies)?;
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
