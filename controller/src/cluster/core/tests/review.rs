//! What the Ledger tells of after a plan was made: counted before anything of the run is reserved or armed.

use super::fake::{Fake, Wrong};
use super::radius::{each, world};
use crate::cluster::core::event::LedgerSeen;
use rumpus_model::cluster::world::Radius;
use rumpus_model::wire::ledger::{self, LedgerSpec};
use rumpus_model::wire::{RunState, Verdict};
use std::time::Duration;

/// A Ledger of another controller's, in which a run that nobody else tells of holds two pods.
fn stranger(world: &mut Fake, epoch: i64, pods: [&str; 2]) {
    let entry = ledger::Reservation {
        namespace: "shop".into(),
        name: "gone".into(),
        uid: "uid-gone".into(),
        policy: None,
        takes_down: false,
        delays: None,
        lasts_seconds: 40,
        injections: vec!["i-1".into()],
        pods: pods.map(|pod| format!("uid-{pod}")).into(),
        owners: Vec::new(),
        more_owners: false,
    };
    let spec = LedgerSpec { epoch, holder: "another".into(), reservations: vec![entry], ..LedgerSpec::default() };
    world.ledger = Some(LedgerSeen { resource_version: world.next_version(), spec });
}

/// A run on `web-0` and `web-1` that is planned and created; its reservation is still to be written.
fn unreserved(radius: Radius) -> Fake {
    let mut world = world(radius);
    world.seconds(1);
    world.wrongs.insert("ledger", vec![Wrong::Busy; 100].into());
    world.start_on("a", &["web-0", "web-1"], "partition");
    world.pass(Duration::from_millis(100));
    assert_eq!((world.count("create"), world.status("a").state), (2, Some(RunState::Injecting)), "{:?}", world.log);
    world
}

/// The UIDs of the runs that stand in the Ledger.
fn reserved(world: &Fake) -> Vec<String> {
    world.ledger.iter().flat_map(|l| &l.spec.reservations).map(|r| r.uid.clone()).collect()
}

#[test]
fn what_the_ledger_tells_of_after_the_plan_is_counted_before_anything_is_armed() {
    for (radius, reason) in each(3) {
        let mut world = unreserved(radius);
        // Somebody took the Ledger away, and a controller that was overtaken put its own there.
        stranger(&mut world, 0, ["web-2", "web-3"]);
        world.wrongs.clear();
        assert_eq!(world.watched(20, ""), 0, "{reason}: {:?}", world.log);
        assert_eq!((world.reason("a"), world.status("a").verdict), (reason, Some(Verdict::Refused)));
        let held = world.ledger.clone().unwrap().spec;
        assert_eq!((held.epoch, held.reservations.len()), (1, 1), "what is told of is kept, and nothing else");
    }
}

#[test]
fn a_run_that_is_not_judged_by_all_that_the_ledger_tells_of_stands_in_no_write_of_it() {
    let mut world = unreserved(Radius { pods: Some(9), ..Radius::default() });
    stranger(&mut world, 0, ["web-2", "web-3"]);
    world.wrongs.clear();
    // While the question is not answered; who takes over would hold it to be judged.
    world.wrongs.insert("plan", vec![Wrong::Busy; 100].into());
    assert_eq!(world.watched(10, ""), 0, "{:?}", world.log);
    assert_eq!((world.ledger.as_ref().unwrap().spec.epoch, reserved(&world)), (1, vec!["uid-gone".to_owned()]));
    world.wrongs.clear();
    assert_eq!(world.watched(15, ""), 2, "{:?}", world.log);
}

#[test]
fn what_has_begun_is_neither_judged_anew_nor_given_back() {
    let mut world = world(Radius { pods: Some(4), ..Radius::default() });
    world.wrongs.insert("remove", vec![Wrong::Lost; 2000].into());
    world.start_on("a", &["web-0", "web-1"], "podDelete");
    world.seconds(1);
    // The first pod was asked for, and there was no answer: beside it more is told of than the budget allows.
    assert_eq!(world.count("ledger 1"), 1, "{:?}", world.log);
    stranger(&mut world, 0, ["web-2", "web-3"]);
    world.start_on("b", &["db-0"], "partition");
    world.seconds(2);
    assert_eq!(world.reason("b"), "TooManyPods");
    assert_eq!((world.reason("a"), world.status("a").verdict), ("", None));
    assert_eq!(reserved(&world), ["uid-a", "uid-gone"]);
}

#[test]
fn what_the_ledger_tells_of_after_the_plan_and_fits_beside_it_ends_nothing() {
    let mut world = unreserved(Radius { pods: Some(3), ..Radius::default() });
    stranger(&mut world, 0, ["web-1", "web-2"]);
    world.wrongs.clear();
    assert_eq!(world.watched(30, ""), 2, "{:?}", world.log);
    assert_eq!(world.status("a").verdict, Some(Verdict::NotApplicable));
}

#[test]
fn a_run_that_a_predecessor_planned_and_did_not_reserve_is_judged_anew() {
    for (beside, hit) in [(["web-2", "web-3"], 0), (["web-1", "web-2"], 2)] {
        let mut world = unreserved(Radius { pods: Some(3), ..Radius::default() });
        world.wrongs.clear();
        // Another one led in between, and knew nothing of it.
        stranger(&mut world, 1, beside);
        world.start();
        assert_eq!(world.watched(30, ""), hit, "{:?}", world.log);
        assert_eq!(world.status("a").state, Some(RunState::Finished));
        assert_eq!(world.reason("a"), if hit == 0 { "TooManyPods" } else { "" });
    }
}

#[test]
fn a_plan_that_comes_to_something_else_than_what_was_created_ends_the_run() {
    let mut world = unreserved(Radius { pods: Some(9), ..Radius::default() });
    stranger(&mut world, 0, ["web-2", "web-3"]);
    world.pods.remove("uid-web-1");
    world.wrongs.clear();
    assert_eq!(world.watched(20, ""), 0, "{:?}", world.log);
    assert_eq!((world.reason("a"), world.status("a").verdict), ("PlanChanged", Some(Verdict::Refused)));
}
