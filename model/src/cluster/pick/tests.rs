//! Who is picked first.

use crate::cluster::fixture::{NOW, input, labels, pod, policy, reasons, shop, with};
use crate::cluster::plan::RunInput;
use crate::cluster::pod::OwnerRef;
use crate::cluster::world::{Owner, World};
use crate::cluster::{ClusterPlan, plan};
use std::sync::Arc;

const LOSS: &str = "loss: {percent: 10, direction: Both}";
const WEB: &str = "selector: {matchLabels: {app: web}}";

fn picked(world: &World, pick: &str, seed: &str) -> ClusterPlan {
    plan(world, &RunInput { seed: seed.into(), ..input(policy(WEB, pick, LOSS, "")) }, NOW)
}

fn hit(plan: &ClusterPlan) -> Vec<String> {
    plan.targets().map(|t| t.pod.clone()).collect()
}

#[test]
fn a_weight_says_how_often_a_pod_is_taken_and_0_or_nonsense_never() {
    let weight = |text: &str| labels(&[("app", "web"), ("weight", text)]);
    let pick = "count: 1, weightBy: {label: weight}";
    let world = with(with(shop(), "web-1", |p| p.labels = weight("3")), "web-2", |p| p.labels = weight("0"));
    let mut taken = [0, 0];
    for seed in 0..400 {
        let hit = hit(&picked(&world, pick, &seed.to_string()));
        taken[usize::from(hit == ["web-1"])] += 1;
        assert_ne!(hit, ["web-2"]);
    }
    // One to three: 100 and 300, give or take four standard deviations.
    assert!((65..=135).contains(&taken[0]), "{taken:?}");
    let odd = with(world, "web-0", |p| p.labels = weight("heavy"));
    let plan = picked(&odd, "percent: 100, rounding: Down, weightBy: {label: weight}", "7");
    let out: Vec<(&str, &str)> = plan.left_out.iter().map(|l| (l.reason.as_str(), l.examples[0].as_str())).collect();
    assert_eq!(
        (hit(&plan), out),
        (vec!["web-1".into()], vec![("WeightInvalid", "shop/web-0"), ("WeightZero", "shop/web-2")])
    );
    assert_eq!(plan.pick, "100 %, rounded down, by weight of label weight");
    let none = with(odd, "web-1", |p| p.labels = weight("-1"));
    assert_eq!(reasons(&picked(&none, pick, "7")), ["AllLeftOut"]);
}

#[test]
fn the_oldest_or_the_youngest_are_taken_and_the_seed_decides_among_those_of_one_age() {
    let world = with(with(shop(), "web-1", |p| p.created = 5), "web-2", |p| p.created = 5);
    let mut ties = [0, 0];
    for seed in 0..40 {
        let seed = seed.to_string();
        let oldest = picked(&world, "count: 1, order: Oldest", &seed);
        assert_eq!((hit(&oldest), oldest.pick.as_str()), (vec!["web-0".to_owned()], "1, the oldest first"));
        let youngest = hit(&picked(&world, "count: 1, order: Youngest", &seed));
        assert_eq!(youngest, hit(&picked(&world, "count: 1, order: Youngest", &seed)));
        ties[usize::from(youngest == ["web-2"])] += 1;
        assert_ne!(youngest, ["web-0"]);
        let two = picked(&world, "count: 2, perOwner: 2, order: Youngest", &seed);
        assert!(!hit(&two).contains(&"web-0".to_owned()), "{two:?}");
    }
    assert!(ties.iter().all(|times| *times > 8), "{ties:?}");
    assert_eq!(hit(&picked(&world, "count: 1, order: Random", "7")), hit(&picked(&world, "count: 1", "7")));
}

#[test]
fn an_owner_lets_so_many_go_and_nobody_is_taken_in_their_place() {
    let says = |percent: Result<u8, &str>| {
        let mut world = shop();
        let mut other = pod("db-0", 0);
        other.owner = Some(OwnerRef { kind: "StatefulSet".into(), name: "db".into(), uid: "u-db".into() });
        world.pods.as_mut().unwrap().push(Arc::new(other));
        let owners = world.owners.as_mut().unwrap();
        let db = Owner { kind: "StatefulSet".into(), name: "db".into(), desired: Some(1), ..Owner::default() };
        owners.insert("u-db".into(), db);
        owners.get_mut("u-web").unwrap().max_percent = Some(percent.map_err(Into::into));
        world
    };
    for (percent, most) in [(100, 3), (99, 2), (67, 2), (66, 1), (33, 0), (0, 0)] {
        for (seed, count) in (0..20).flat_map(|seed| (1..5).map(move |count| (seed.to_string(), count))) {
            let pick = format!("count: {count}");
            let free: Vec<String> = hit(&picked(&says(Ok(100)), &pick, &seed));
            let plan = picked(&says(Ok(percent)), &pick, &seed);
            let web = |pods: &[String]| pods.iter().filter(|p| p.starts_with("web")).count();
            let kept: Vec<String> = hit(&plan);
            assert_eq!(web(&kept), web(&free).min(most), "{percent} {count} {seed}");
            assert_eq!(kept.contains(&"db-0".to_owned()), free.contains(&"db-0".to_owned()), "nobody else is moved");
            let left = plan.left_out.iter().filter(|l| l.reason == "OwnerLimited").map(|l| l.count).sum::<usize>();
            assert_eq!(left, web(&free) - web(&kept));
        }
    }
    let odd = picked(&says(Err("half")), "all: true", "7");
    assert_eq!((hit(&odd), odd.left_out[0].reason.as_str()), (vec!["db-0".to_owned()], "OwnerLimitInvalid"));
    assert_eq!(odd.notes, ["shop/Deployment/web says rumpus.dev/max-percent: \"half\", which is no percentage"]);
    // Nobody is left to be hit: the plan does nothing, and refuses nothing.
    let none = picked(&says(Ok(0)), "all: true, perOwner: 1", "7");
    assert_eq!((hit(&none), none.refusals.len()), (vec!["db-0".to_owned()], 0));
}
