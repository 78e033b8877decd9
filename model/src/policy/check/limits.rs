//! How much may be down at once.

use super::place::Place;
use crate::number::whole;
use crate::policy::{Amount, Limits, SingleReplica};
use crate::wire::{self, NumberOrText};

/// Outer `None`: a problem was noted.
pub(super) fn check(written: Option<&wire::Limits>, place: &Place<'_>) -> Option<Limits> {
    let Some(written) = written else { return Some(Limits::default()) };
    if !place.in_cluster() {
        host(written, place);
        return Some(Limits::default());
    }
    let min_healthy = amount(written.min_healthy.as_ref(), &place.field("minHealthy"));
    let max_unavailable = amount(written.max_unavailable.as_ref(), &place.field("maxUnavailable"));
    let max_concurrent = match written.max_concurrent.map(u32::try_from) {
        None => Some(1),
        Some(Ok(most)) if most >= 1 => Some(most),
        Some(Ok(_) | Err(_)) => {
            place.field("maxConcurrent").wrong("is a whole number from 1 on", "");
            None
        }
    };
    let single_replica = written.single_replica.map(|s| match s {
        wire::SingleReplica::Allow => SingleReplica::Allow,
        wire::SingleReplica::Refuse => SingleReplica::Refuse,
    });
    Some(Limits {
        min_healthy: min_healthy?,
        max_unavailable: max_unavailable?,
        max_concurrent: max_concurrent?,
        single_replica,
    })
}

fn host(limits: &wire::Limits, place: &Place<'_>) {
    let hint = "leave it out; `pick` bounds how many are hit";
    if limits.min_healthy.is_some() {
        place
            .field("minHealthy")
            .unbuilt("nobody owns what runs on a bare host, so nothing tells who is healthy", hint);
    }
    if limits.max_unavailable.is_some() {
        place.field("maxUnavailable").unbuilt("nothing on a bare host has a desired number of replicas", hint);
    }
    if limits.max_concurrent.is_some() {
        place.field("maxConcurrent").unbuilt("runs by hand are not counted", hint);
    }
    if limits.single_replica.is_some() {
        place.field("singleReplica").unbuilt("nothing on a bare host has a desired number of replicas", hint);
    }
}

/// Outer `None`: a problem was noted.
fn amount(written: Option<&NumberOrText>, place: &Place<'_>) -> Option<Option<Amount>> {
    let parsed = match written {
        None => return Some(None),
        Some(NumberOrText::Number(n)) => u32::try_from(*n).ok().map(Amount::Count),
        Some(NumberOrText::Text(text)) => {
            text.strip_suffix('%').and_then(whole).filter(|p| *p <= 100).map(Amount::Percent)
        }
    };
    if parsed.is_none() {
        place.wrong("is no number of pods and no percentage", "write 2, or 25%");
    }
    parsed.map(Some)
}
