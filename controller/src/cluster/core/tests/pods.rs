//! Pods deleted or evicted by the controller itself.

use super::fake::{Fake, Wrong, halt};
use rumpus_model::cluster::world::HaltScope;
use rumpus_model::wire::{Confirmation, Verdict};

#[test]
fn every_pod_is_asked_for_once_after_the_halts_were_listed() {
    for fault in ["podDelete", "podEvict"] {
        let mut world = Fake::new();
        world.run("a", fault, true);
        world.seconds(3);
        assert_eq!(world.count("remove"), 2, "{:?}", world.log);
        let status = world.status("a");
        assert_eq!(status.cluster.as_ref().map(|c| (c.done, c.unknown)), Some((2, 0)));
        assert_eq!(status.verdict, Some(Verdict::NotApplicable));
        assert_eq!(status.confirmation, Some(Confirmation::Confirmed));
        assert_eq!(world.count("create"), 0);
    }
}

#[test]
fn a_halt_that_the_watch_has_not_shown_stops_the_next_pod() {
    let mut world = Fake::new();
    world.halts = vec![halt(HaltScope::All)];
    world.run("a", "podDelete", true);
    world.seconds(3);
    assert!(world.hits.is_empty(), "{:?}", world.log);
    assert_eq!(world.status("a").verdict, Some(Verdict::Aborted));
    assert_eq!(world.status("a").cluster.as_ref().map(|c| c.refused), Some(2));
}

#[test]
fn nothing_is_deleted_while_the_halts_cannot_be_listed() {
    let mut world = Fake::new();
    // Two pods, each of which asks again by itself.
    world.wrongs.insert("halts", vec![Wrong::Lost; 10].into());
    world.run("a", "podDelete", true);
    world.pass(std::time::Duration::from_millis(1500));
    assert!(world.hits.is_empty());
    world.seconds(10);
    assert_eq!(world.hits.len(), 2);
}

#[test]
fn an_eviction_that_a_budget_forbids_is_tried_until_its_time_is_over() {
    let mut world = Fake::new();
    world.wrongs.insert("remove", vec![Wrong::Busy; 3].into());
    world.run("a", "podEvict", true);
    world.seconds(10);
    assert_eq!(world.hits.len(), 2, "{:?}", world.log);
    let mut world = Fake::new();
    world.wrongs.insert("remove", vec![Wrong::Busy; 10_000].into());
    world.run("a", "podEvict", true);
    world.seconds(300);
    assert_eq!(world.status("a").cluster.as_ref().map(|c| (c.done, c.failed)), Some((0, 2)));
}

#[test]
fn a_pod_that_is_not_seen_to_be_gone_is_unknown() {
    let mut world = Fake::new();
    world.wrongs.insert("remove", vec![Wrong::Lost; 10_000].into());
    world.run("a", "podDelete", true);
    world.seconds(300);
    let status = world.status("a");
    assert_eq!(status.cluster.as_ref().map(|c| (c.done, c.unknown)), Some((0, 2)));
    assert_eq!(status.confirmation, Some(Confirmation::Unconfirmed));
    assert_eq!(status.verdict, Some(Verdict::Inconclusive));
}

#[test]
fn another_uid_under_the_name_counts_as_done() {
    let mut world = Fake::new();
    world.wrongs.insert("remove", [Wrong::Conflict, Wrong::Unseen].into());
    world.run("a", "podDelete", true);
    world.seconds(100);
    assert_eq!(world.status("a").cluster.as_ref().map(|c| c.done), Some(2), "{:?}", world.log);
}

#[test]
fn a_pod_is_asked_for_once_more_where_there_was_no_answer() {
    let mut world = Fake::new();
    world.wrongs.insert("remove", vec![Wrong::Lost; 2].into());
    world.run("a", "podDelete", true);
    world.seconds(10);
    assert_eq!((world.hits.len(), world.status("a").cluster.as_ref().map(|c| c.done)), (2, Some(2)), "{:?}", world.log);
}

#[test]
fn a_pod_whose_request_may_have_been_carried_out_is_not_skipped_by_a_stop() {
    let mut world = Fake::new();
    world.wrongs.insert("remove", vec![Wrong::Lost; 10_000].into());
    world.run("a", "podDelete", true);
    world.seconds(2);
    world.change_run("a", |run| run.spec.stop = Some(true));
    world.seconds(300);
    let status = world.status("a");
    assert_eq!(status.cluster.as_ref().map(|c| (c.done, c.unknown)), Some((0, 2)), "{:?}", world.log);
    assert_eq!(status.confirmation, Some(Confirmation::Unconfirmed));
}
