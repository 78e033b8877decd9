//! What may be armed right now, and by whom: looked at once more after everything is there.

use super::fake::{Fake, Wrong};
use crate::cluster::core::event::Event;
use rumpus_model::wire::{ConditionType, Phase, RunState, Verdict};
use std::time::Duration;

/// A run whose injections are there; its reservation is still to be written.
fn created() -> Fake {
    let mut world = Fake::new();
    world.seconds(1);
    world.wrongs.insert("ledger", vec![Wrong::Busy; 100].into());
    world.run("a", "partition", true);
    world.pass(Duration::from_millis(100));
    assert_eq!((world.count("create"), world.status("a").state), (2, Some(RunState::Injecting)), "{:?}", world.log);
    world.wrongs.clear();
    world
}

#[test]
fn nothing_is_armed_while_the_admission_policies_or_the_halts_are_not_known() {
    let guard = |why: &str| Event::Guard(if why.is_empty() { Ok(vec![]) } else { Ok(vec![why.into()]) });
    let unread = || Event::Guard(Err("403".into()));
    let halts = |known: bool| Event::Halts(if known { Ok(vec![]) } else { Err("403".into()) });
    for (gone, back) in [(guard("runs"), guard("")), (unread(), guard("")), (halts(false), halts(true))] {
        let mut world = created();
        world.tell(gone);
        world.seconds(10);
        assert!(world.hits.is_empty(), "{:?}", world.log);
        world.tell(back);
        world.seconds(5);
        assert_eq!(world.hits.len(), 2, "{:?}", world.log);
    }
}

#[test]
fn what_a_predecessor_created_and_did_not_arm_is_armed_in_our_epoch_alone() {
    let mut world = created();
    world.start();
    world.seconds(5);
    let armed: Vec<i64> =
        world.injections.values().filter(|i| i.spec.phase == Phase::Armed).map(|i| i.spec.epoch).collect();
    assert_eq!(armed, [2, 2], "{:?}", world.log);
    assert_eq!(world.hits.len(), 2);
}

#[test]
fn a_status_says_of_which_spec_it_is() {
    let mut world = Fake::new();
    world.run("a", "partition", true);
    world.seconds(20);
    assert_eq!((world.status("a").state, world.status("a").observed_generation), (Some(RunState::Finished), Some(1)));
}

#[test]
fn a_run_that_is_being_deleted_ends_before_it_is_gone() {
    let mut world = Fake::new();
    world.run("a", "partition", true);
    world.seconds(3);
    world.change_run("a", |run| run.deleting = true);
    world.seconds(3);
    assert_eq!((world.count("Cancelled"), world.status("a").verdict), (2, Some(Verdict::Aborted)), "{:?}", world.log);
}

#[test]
fn a_status_says_what_was_hit_and_who_attests_the_end() {
    let says = |world: &Fake, kind: ConditionType| {
        let found = world.status("a").conditions.iter().find(|c| c.type_ == kind);
        found.map(|c| c.message.clone()).unwrap_or_default()
    };
    let mut world = Fake::new();
    world.run("a", "partition", true);
    world.seconds(20);
    assert_eq!(says(&world, ConditionType::Injected), "partition on 2 pods of 2 nodes");
    assert_eq!(says(&world, ConditionType::Restored), "every node attests the end");
    assert_eq!(says(&world, ConditionType::Finished), "its time was over; every node attests the end");
    let mut world = Fake::new();
    world.run("a", "podDelete", true);
    world.seconds(20);
    assert_eq!(says(&world, ConditionType::Finished), "carried out; every node attests the end");
    let mut world = Fake::new();
    world.pods.pop_last();
    world.dead.insert("node-0".into());
    world.run("a", "partition", true);
    world.seconds(120);
    assert_eq!(says(&world, ConditionType::Restored), "no attestation by node-0");
    assert!(says(&world, ConditionType::Finished).ends_with("; not confirmed by node-0"));
    assert_eq!(world.count("create"), 1);
}
