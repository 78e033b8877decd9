//! Who is hit in a cluster must not depend on the order of a list, and little on the coming and going of others.

use proptest::prelude::*;
use rumpus_model::cluster::{ClusterPlan, World, plan};
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
}
