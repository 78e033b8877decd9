//! minHealthy: so many ready pods of each owner are left alone, after the pick and beside every active run.

use super::{Case, owners};
use crate::cluster::refusal::ClusterRefusal;
use crate::policy::Amount;

pub(crate) fn check(case: &Case<'_>) -> Vec<ClusterRefusal> {
    let Some(least) = case.input.policy.experiment.limits.min_healthy else { return Vec::new() };
    let stands = match owners::stand(case) {
        Ok(stands) => stands,
        Err(refusals) => return refusals,
    };
    let mut refusals = Vec::new();
    for stand in stands {
        let required = match (least, &stand.desired) {
            (Amount::Count(count), _) => usize::try_from(count).unwrap_or(usize::MAX),
            (Amount::Percent(percent), Ok(desired)) => (desired.saturating_mul(percent.into())).div_ceil(100),
            (Amount::Percent(_), Err(why)) => {
                refusals.push(ClusterRefusal::DesiredUnknown { owner: stand.owner, why: why.clone() });
                continue;
            }
        };
        if stand.healthy < required {
            let healthy = stand.healthy;
            refusals.push(ClusterRefusal::TooFewHealthy { owner: stand.owner, healthy, required });
        }
    }
    refusals
}
