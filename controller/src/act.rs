//! From plans to injections, handed to the agents. Nothing is chosen here.

use crate::ports::Agents;
use rumpus_model::halt::Reach;
use rumpus_model::injection::Injection;
use rumpus_model::plan::Plan;
use rumpus_model::rank::short_id;

/// Turns a plan that acts into the injection for this node; `run` names the run.
pub fn injection(plan: &Plan, run: &str) -> Injection {
    Injection {
        uid: short_id(&[run, &plan.policy, &plan.hash]),
        policy: plan.policy.clone(),
        fault: plan.fault.clone(),
        duration: plan.duration,
        targets: plan.targets.clone(),
        reach: Reach::default(),
        not_after: None,
    }
}

/// Hands over everything that acts, unless one of the plans is refused: a file is carried out whole or not at all.
pub fn submit(agents: &impl Agents, plans: &[Plan], run: &str) -> Vec<Injection> {
    if plans.iter().any(|p| !p.refusals.is_empty()) {
        return Vec::new();
    }
    let injections: Vec<Injection> = plans.iter().filter(|p| p.acts()).map(|p| injection(p, run)).collect();
    injections.iter().cloned().for_each(|i| agents.submit(i));
    injections
}
