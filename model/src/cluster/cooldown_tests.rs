//! Whom a policy with a cooldown leaves alone, and for how long.

use super::cooldown::Hits;
use super::fixture::{NOW, held, input, policy, reasons, shop, unknown};
use super::world::{Reservation, World};
use super::{ClusterPlan, plan};
use crate::policy::{Site, parse_for};
use std::sync::Arc;

const WEB: &str = "Deployment/shop/web";

fn planned(world: &World, pick: &str) -> ClusterPlan {
    plan(world, &input(policy("selector: {matchLabels: {app: web}}", pick, "kill: {container: true}", "")), NOW)
}

fn hit(owner: &str, ago: i64) -> World {
    let mut hits = Hits::default();
    hits.note([owner.into()], false, NOW - ago);
    World { hits: Ok(Arc::new(hits)), ..shop() }
}

fn cools(world: &World) -> bool {
    let plan = planned(world, "count: 1, cooldown: 1h");
    let left = plan.left_out.iter().find(|left| left.reason == "CoolingDown");
    assert_eq!(left.is_some(), plan.targets().next().is_none(), "{plan:#?}");
    left.is_some_and(|left| left.count == 3)
}

#[test]
fn an_owner_is_left_alone_until_the_cooldown_is_over() {
    assert!(!cools(&shop()));
    assert!(cools(&hit(WEB, 0)) && cools(&hit(WEB, 3599)));
    assert!(!cools(&hit(WEB, 3600)));
    assert!(cools(&hit(WEB, -60)), "a clock that was put back does not end it");
    assert!(!cools(&hit("Deployment/shop/db", 10)) && !cools(&hit("StatefulSet/shop/web", 10)));
    assert!(planned(&hit(WEB, 10), "count: 1").acts(), "a policy that asks for none does not wait");
}

#[test]
fn an_owner_that_a_run_holds_is_being_hit() {
    let run = |owner: &str| Reservation { owners: [owner.into()].into(), ..held(&[]) };
    let beside = |owner| World { active: Ok(vec![run(owner)]), ..shop() };
    assert!(cools(&beside(WEB)));
    assert!(!cools(&beside("Deployment/shop/db")));
}

#[test]
fn of_whom_nothing_is_known_a_hit_is_possible_up_to_then() {
    let until = |ago: i64| {
        let mut hits = Hits::default();
        hits.note([], true, NOW - ago);
        World { hits: Ok(Arc::new(hits)), ..shop() }
    };
    assert!(cools(&until(10)));
    assert!(!cools(&until(3600)));
    let unread = World { hits: unknown(), ..shop() };
    assert_eq!(reasons(&planned(&unread, "count: 1, cooldown: 1h")), ["ListUnknown"]);
    assert!(planned(&unread, "count: 1").acts());
}

#[test]
fn a_cooldown_is_a_duration_of_a_cluster() {
    let text = |pick: &str, targets: &str| {
        format!(
            "apiVersion: rumpus.dev/v1alpha1\nkind: ChaosPolicy\nmetadata: {{name: a}}\nspec:\n  experiment: {{targets: \
             {targets}, pick: {{{pick}}}, faults: [{{kill: {{container: true}}}}], steadyState: {{none: {{reason: test}}}}}}\n"
        )
    };
    let pods = "{pods: {names: [a]}}";
    let problem = |pick: &str| {
        let problems = format!("{:?}", parse_for(&text(pick, pods), Site::Cluster).unwrap_err());
        assert!(problems.contains("pick.cooldown"), "{problems}");
        problems
    };
    assert!(problem("count: 1, cooldown: 0s").contains("not within"));
    assert!(problem("count: 1, cooldown: 745h").contains("not within"));
    problem("count: 1, cooldown: soon");
    let good = parse_for(&text("count: 1, cooldown: 31d", pods), Site::Cluster).unwrap();
    assert_eq!(good[0].experiment.cooldown, Some(super::cooldown::LONGEST));
    assert_eq!(good[0].experiment.pick_summary(), "1, none whose owner was hit within 31d");
    let host = text("count: 1, cooldown: 1h", "{processes: {name: web}}").replace("container: true", "signal: KILL");
    let host = parse_for(&host, Site::Host).unwrap();
    assert_eq!(host[0].unbuilt[0].field, "spec.experiment.pick.cooldown");
}
