//! Who was hit lately, so that what comes in the place of a victim is left alone for a while.
//!
//! By name and not by UID: to its users an owner that is applied anew is the same one.

use super::pod::Pod;
use super::select::Reason;
use super::world::{Seconds, Text, World};
use crate::policy::Experiment;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The longest that a policy may ask for: what is older is forgotten.
pub const LONGEST: Duration = Duration::from_secs(31 * 24 * 3600);
/// How many owners are known at most.
pub const MOST: usize = 2000;

/// When which owner was hit last, by whatever run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// By [`owner`].
    last: BTreeMap<Text, Seconds>,
    /// Up to then any owner may have been hit of which nothing is known.
    unknown_until: Option<Seconds>,
}

impl Hits {
    /// Takes over what was written.
    pub fn new(last: BTreeMap<Text, Seconds>, unknown_until: Option<Seconds>) -> Self {
        Self { last, unknown_until }
    }

    /// Returns every owner, and when it was hit last.
    pub fn all(&self) -> impl Iterator<Item = (&Text, Seconds)> {
        self.last.iter().map(|(owner, at)| (owner, *at))
    }

    pub fn unknown_until(&self) -> Option<Seconds> {
        self.unknown_until
    }

    /// Returns until when, as far as is known, an owner was hit.
    pub fn last(&self, owner: &str) -> Option<Seconds> {
        self.last.get(owner).copied().max(self.unknown_until)
    }

    /// Owners were hit; `more`: and others, of which nobody knows which.
    pub fn note(&mut self, owners: impl IntoIterator<Item = Text>, more: bool, at: Seconds) {
        for owner in owners {
            let last = self.last.entry(owner).or_insert(at);
            *last = at.max(*last);
        }
        if more {
            self.unknown_until = self.unknown_until.max(Some(at));
        }
        let oldest = at.saturating_sub(i64::try_from(LONGEST.as_secs()).unwrap_or(i64::MAX));
        self.last.retain(|_, last| *last > oldest);
        self.unknown_until = self.unknown_until.filter(|until| *until > oldest);
        while self.last.len() > MOST {
            let first = self.last.iter().min_by_key(|(_, at)| **at).map(|(owner, at)| (Text::clone(owner), *at));
            let Some((owner, at)) = first else { break };
            self.last.remove(&owner);
            self.unknown_until = self.unknown_until.max(Some(at));
        }
    }

    /// Takes in what somebody else knows.
    pub fn merge(&mut self, other: &Self) {
        for (owner, at) in &other.last {
            let last = self.last.entry(Text::clone(owner)).or_insert(*at);
            *last = (*at).max(*last);
        }
        self.unknown_until = self.unknown_until.max(other.unknown_until);
    }
}

/// Returns the name of a pod's owner as hits know it: `Deployment/shop/web`. A pod without one has nobody in its place.
pub fn owner(pod: &Pod) -> Option<String> {
    let owner = pod.owner.as_ref()?;
    Some(name(&owner.kind, &pod.namespace, &owner.name))
}

/// Returns the name of an owner.
pub fn name(kind: &str, namespace: &str, name: &str) -> String {
    format!("{kind}/{namespace}/{name}")
}

/// Returns owners that runs hold at this moment.
pub(crate) fn held(world: &World) -> BTreeSet<&str> {
    world.active.iter().flatten().flat_map(|run| &run.owners).map(|owner| &**owner).collect()
}

/// Judges a pod by when its owner was hit last.
///
/// # Errors
/// It was hit within the policy's cooldown, or is being hit.
pub(crate) fn ask(
    world: &World,
    held: &BTreeSet<&str>,
    experiment: &Experiment,
    pod: &Pod,
    now: Seconds,
) -> Result<(), Reason> {
    let Some(cooldown) = experiment.cooldown else { return Ok(()) };
    let Some(owner) = owner(pod) else { return Ok(()) };
    if held.contains(&*owner) {
        return Err(Reason::CoolingDown);
    }
    // What could not be read was refused before.
    let Some(last) = world.hits.iter().find_map(|hits| hits.last(&owner)) else { return Ok(()) };
    let over = last.saturating_add(i64::try_from(cooldown.as_secs()).unwrap_or(i64::MAX));
    if now < over { Err(Reason::CoolingDown) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(names: &[&str]) -> Vec<Text> {
        names.iter().map(|name| Text::from(*name)).collect()
    }

    #[test]
    fn the_last_hit_of_each_owner_counts_and_what_is_old_is_forgotten() {
        let mut hits = Hits::default();
        hits.note(texts(&["a", "b"]), false, 100);
        hits.note(texts(&["a"]), false, 200);
        hits.note(texts(&["b"]), false, 50);
        assert_eq!((hits.last("a"), hits.last("b"), hits.last("c")), (Some(200), Some(100), None));
        let month = i64::try_from(LONGEST.as_secs()).unwrap();
        hits.note(texts(&["c"]), false, 150 + month);
        assert_eq!((hits.last("a"), hits.last("b")), (Some(200), None));
    }

    #[test]
    fn of_whom_nothing_is_known_any_more_a_hit_is_possible() {
        let mut hits = Hits::default();
        for n in 0..MOST + 2 {
            hits.note([n.to_string().into()], false, 1000 + i64::try_from(n).unwrap());
        }
        assert_eq!((hits.all().count(), hits.unknown_until()), (MOST, Some(1001)));
        assert_eq!((hits.last("1"), hits.last("never"), hits.last("2")), (Some(1001), Some(1001), Some(1002)));
        hits.note([], true, 5000);
        assert_eq!(hits.last("never"), Some(5000));
    }

    #[test]
    fn of_two_sights_the_later_hit_counts() {
        let mut one = Hits::new(BTreeMap::from([("a".into(), 5), ("b".into(), 9)]), None);
        one.merge(&Hits::new(BTreeMap::from([("a".into(), 7), ("b".into(), 2)]), Some(1)));
        assert_eq!((one.last("a"), one.last("b"), one.last("c")), (Some(7), Some(9), Some(1)));
    }
}
