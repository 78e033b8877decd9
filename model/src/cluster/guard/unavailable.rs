//! maxUnavailable: at most so many of an owner's desired pods are missing, not ready, or hit by this or an active run.

use super::{Case, owners};
use crate::cluster::refusal::ClusterRefusal;
use crate::policy::Amount;

pub(crate) fn check(case: &Case<'_>) -> Vec<ClusterRefusal> {
    let Some(most) = case.input.policy.experiment.limits.max_unavailable else { return Vec::new() };
    let stands = match owners::stand(case) {
        Ok(stands) => stands,
        Err(refusals) => return refusals,
    };
    let mut refusals = Vec::new();
    for stand in stands {
        let desired = match stand.desired {
            Ok(desired) => desired,
            Err(why) => {
                refusals.push(ClusterRefusal::DesiredUnknown { owner: stand.owner, why });
                continue;
            }
        };
        let most = match most {
            Amount::Count(count) => usize::try_from(count).unwrap_or(usize::MAX),
            Amount::Percent(percent) => desired.saturating_mul(percent.into()) / 100,
        };
        let unavailable = desired.saturating_sub(stand.healthy);
        if unavailable > most {
            refusals.push(ClusterRefusal::TooManyUnavailable { owner: stand.owner, unavailable, most });
        }
    }
    refusals
}
