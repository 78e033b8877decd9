//! Who is hit in a cluster must not depend on the order of a list, and little on the coming and going of others.

use proptest::prelude::*;
use rumpus_model::cluster::world::{Place, Radius, Reservation};
use rumpus_model::cluster::{ClusterPlan, Text, World, plan};
use rumpus_model::policy::{Policy, Site, parse_for};
use rumpus_tests::clusters::{NOW, cluster, run};
use std::collections::BTreeSet;

/// The one policy; empty, and so a failure of its user, where it is refused.
fn policy(pick: &str) -> Vec<Policy> {
    let text = format!(
        "apiVersion: rumpus.dev/v1alpha1\nkind: ChaosPolicy\nmetadata: {{name: a}}\nspec:\n  experiment: {{targets: \
         {{pods: {{selector: {{matchLabels: {{app: web}}}}}}}}, pick: {{{pick}}}, faults: [loss: {{percent: 1, \
         direction: Both}}], duration: 5s, steadyState: {{none: {{reason: t}}}}}}\n"
    );
    parse_for(&text, Site::Cluster).unwrap_or_default()
}

fn planned(world: &World, pick: &str, seed: &str) -> ClusterPlan {
    plan(world, &run(policy(pick)[0].clone(), seed), NOW)
}

fn hit(plan: &ClusterPlan) -> BTreeSet<String> {
    plan.targets().map(|t| t.uid.clone()).collect()
}

proptest! {
    #[test]
    fn the_order_of_the_list_changes_nothing(pods in 1usize..60, count in 1u32..70, seed in "[0-9]{1,5}", by in 0usize..60) {
        let world = cluster(pods, 3, 4);
        let first = planned(&world, &format!("count: {count}"), &seed);
        let mut turned = world;
        if let Ok(list) = &mut turned.pods {
            list.rotate_left(by % pods);
            list.reverse();
        }
        let second = planned(&turned, &format!("count: {count}"), &seed);
        prop_assert_eq!(&first, &second);
        prop_assert_eq!(hit(&first).len(), pods.min(usize::try_from(count).unwrap_or(0)));
        let left: usize = first.left_out.iter().map(|l| l.count).sum();
        prop_assert_eq!(first.targets().count() + left, first.matched);
    }

    #[test]
    fn whoever_was_picked_stays_picked_when_others_go(pods in 2usize..60, count in 1u32..30, seed in "[0-9]{1,5}", gone in any::<prop::sample::Index>()) {
        let world = cluster(pods, 3, 4);
        let pick = format!("count: {count}");
        let first = hit(&planned(&world, &pick, &seed));
        let mut fewer = world;
        let mut left = String::new();
        if let Ok(list) = &mut fewer.pods {
            left = list.remove(gone.index(pods)).uid.to_string();
        }
        let second = hit(&planned(&fewer, &pick, &seed));
        prop_assert!(first.iter().filter(|uid| **uid != left).all(|uid| second.contains(uid)));
        prop_assert!(second.difference(&first).count() <= 1);
    }

    #[test]
    fn no_owner_gives_more_than_it_may(pods in 1usize..60, each in 1usize..6, most in 1u32..4, count in 1u32..60) {
        let plan = planned(&cluster(pods, each, 3), &format!("count: {count}, perOwner: {most}"), "s");
        let mut owners: Vec<&str> = plan.targets().filter_map(|t| t.owner.as_deref()).collect();
        owners.sort_unstable();
        let most = usize::try_from(most).unwrap_or(0);
        prop_assert!(owners.chunk_by(|a, b| a == b).all(|group| group.len() <= most));
        let possible: usize = (0..pods.div_ceil(each)).map(|o| each.min(pods - o * each).min(most)).sum();
        prop_assert_eq!(owners.len(), possible.min(usize::try_from(count).unwrap_or(0)));
    }

    #[test]
    fn no_plan_that_is_not_refused_exceeds_a_budget_beside_what_is_held(
        pods in 1usize..40, each in 1usize..6, count in 1u32..40, most in prop::array::uniform3(prop::option::of(0u32..20)),
        held in prop::collection::vec(prop::collection::btree_set(0usize..40, 1..10), 0..4),
    ) {
        let mut world = cluster(pods, each, 3);
        let [all, per_namespace, per_owner] = most;
        world.rules.radius =
            Radius { pods: all, pods_per_namespace: per_namespace, pods_per_owner: per_owner, runs_per_namespace: None };
        let uid = |n: usize| format!("00000000-0000-4000-8000-{n:012}");
        let run = |(n, pods): (usize, &BTreeSet<usize>)| holds(n, pods.iter().map(|n| uid(*n)));
        world.active = Ok(held.iter().enumerate().map(run).collect());
        let plan = planned(&world, &format!("count: {count}"), "s");
        let mut hit: BTreeSet<usize> = held.into_iter().flatten().collect();
        hit.extend((0..pods).filter(|n| plan.targets().any(|t| t.uid == uid(*n))));
        // Held pods beyond those that are there are gone: they may be anybody's.
        let of_owner = |owner: usize| hit.iter().filter(|n| **n >= pods || **n / each == owner).count();
        let picked: BTreeSet<usize> = (0..pods).filter(|n| plan.targets().any(|t| t.uid == uid(*n))).map(|n| n / each).collect();
        let worst = picked.into_iter().map(of_owner).max().unwrap_or(0);
        let within = |count: usize, most: Option<u32>| most.is_none_or(|most| count <= usize::try_from(most).unwrap_or(0));
        let fits = within(hit.len(), all) && within(hit.len(), per_namespace) && within(worst, per_owner);
        prop_assert_eq!(plan.acts(), fits, "{:?}", plan.refusals);
    }
}

fn holds(number: usize, pods: impl Iterator<Item = String>) -> Reservation {
    let run: Text = format!("run-{number}-beside").into();
    Reservation {
        run: run.clone(),
        run_uid: run,
        namespace: "elsewhere".into(),
        policy_uid: None,
        pods: pods.map(|uid| (uid.into(), Place::default())).collect(),
        takes_down: false,
        owners: std::collections::BTreeSet::new(),
        delay: None,
    }
}
