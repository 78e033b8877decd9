//! How many runs are active at once: of all policies (maxActiveRuns), and of this one (maxConcurrent).
//!
//! The world holds what the controller has reserved; the reservation itself is made by the controller, not by a count.

use super::Case;
use crate::cluster::refusal::ClusterRefusal;

pub(crate) fn check(case: &Case<'_>) -> Vec<ClusterRefusal> {
    let active = match case.active() {
        Ok(active) => active,
        Err(refusal) => return vec![refusal],
    };
    let reached = |active: usize, most: u32| usize::try_from(most).is_ok_and(|most| active >= most);
    let mut refusals = Vec::new();
    let (all, most) = (active.len(), case.world.rules.max_active_runs);
    if reached(all, most) {
        refusals.push(ClusterRefusal::TooManyRuns { active: all, most });
    }
    if let Some(policy) = &case.input.policy_uid {
        let same = active.iter().filter(|run| run.policy_uid.as_deref() == Some(policy)).count();
        let most = case.input.policy.experiment.limits.max_concurrent;
        if reached(same, most) {
            refusals.push(ClusterRefusal::PolicyBusy { active: same, most });
        }
    }
    refusals
}
