//! Which of the candidates are taken: by hash(UID, seed), so that neither the order of a list nor the coming and going
//! of others decides; where the policy says so, by their age first, or by weight.

use super::owner_limit;
use super::plan::RunInput;
use super::select::left_out::EXAMPLES;
use super::select::{Candidate, Found, Reason};
use super::weight::{self, Place};
use super::world::{Text, World};
use crate::pick::Order;
use crate::rank::Ranks;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Takes as many as the policy says and owners let go, in their order, and notes why the others were not taken.
pub(crate) fn take<'w>(world: &'w World, found: &mut Found<'w>, input: &RunInput) -> Vec<Candidate<'w>> {
    let mut taken = ordered(found, input);
    owner_limit::keep(world, &mut taken, found);
    taken
}

fn ordered<'w>(found: &mut Found<'w>, input: &RunInput) -> Vec<Candidate<'w>> {
    let ranks = Ranks::new(&input.seed);
    let rank = |c: &Candidate<'w>| ranks.of(&c.pod.uid);
    let experiment = &input.policy.experiment;
    match (experiment.order, &experiment.weight_by) {
        (Order::Random, None) => by(found, input, rank),
        // Those without a good weight are no candidates.
        (Order::Random, Some(key)) => {
            by(found, input, |c| Place::new(rank(c), weight::of(c.pod, key).unwrap_or_default()))
        }
        (Order::Oldest, _) => by(found, input, |c| (c.pod.created, rank(c))),
        (Order::Youngest, _) => by(found, input, |c| (Reverse(c.pod.created), rank(c))),
    }
}

/// Takes the lowest by `key`; of those with one key by UID.
fn by<'w, K: Ord>(found: &mut Found<'w>, input: &RunInput, key: impl Fn(&Candidate<'w>) -> K) -> Vec<Candidate<'w>> {
    let experiment = &input.policy.experiment;
    let count = experiment.pick.of(found.candidates.len());
    let mut ranked: Vec<(K, Candidate<'w>)> = found.candidates.iter().map(|c| (key(c), *c)).collect();
    let order = |a: &(K, Candidate<'_>), b: &(K, Candidate<'_>)| (&a.0, &a.1.pod.uid).cmp(&(&b.0, &b.1.pod.uid));
    let Some(most) = experiment.per_owner else {
        // Only those that are taken, and the next few for the examples, need their order.
        let ordered = count.saturating_add(EXAMPLES);
        if ordered < ranked.len() {
            ranked.select_nth_unstable_by(ordered, order);
            found.left_out.count(Reason::NotPicked, ranked.len() - ordered);
            ranked.truncate(ordered);
        }
        ranked.sort_unstable_by(order);
        for (_, left) in ranked.drain(count..) {
            found.left_out.add(Reason::NotPicked, left.pod);
        }
        return ranked.into_iter().map(|(_, c)| c).collect();
    };
    ranked.sort_unstable_by(order);
    let mut of_owner: BTreeMap<&Text, u32> = BTreeMap::new();
    let mut taken = Vec::new();
    for (_, candidate) in ranked {
        // A pod without an owner is its own.
        let owner = candidate.pod.owner.as_ref().map_or(&candidate.pod.uid, |o| &o.uid);
        let held = of_owner.entry(owner).or_default();
        if taken.len() >= count {
            found.left_out.add(Reason::NotPicked, candidate.pod);
        } else if *held >= most {
            found.left_out.add(Reason::OwnerFull, candidate.pod);
        } else {
            *held += 1;
            taken.push(candidate);
        }
    }
    taken
}

#[cfg(test)]
mod tests;
