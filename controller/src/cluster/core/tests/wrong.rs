//! Answers that go wrong, each at each effect: the end is the same, and nothing is done twice.

use super::fake::{Fake, Wrong};
use crate::cluster::core::event::{Event, InjectionSeen};
use rumpus_model::cluster::refusal::ClusterRefusal;
use rumpus_model::wire::{Confirmation, InjectionStatus, Phase, RunState, Verdict};

#[test]
fn busy_lost_and_unseen_answers_delay_and_change_nothing() {
    for effect in ["plan", "create", "arm", "status", "injection", "recover"] {
        for wrong in [Wrong::Busy, Wrong::Lost, Wrong::Unseen] {
            for times in [1, 3] {
                let mut world = Fake::new();
                world.wrongs.insert(effect, vec![wrong; times].into());
                world.run("a", "partition", true);
                world.seconds(30);
                let case = format!("{effect} {wrong:?} {times}: {:?}", world.log);
                let status = world.status("a");
                assert_eq!(status.state, Some(RunState::Finished), "{case}");
                assert_eq!(status.verdict, Some(Verdict::NotApplicable), "{case}");
                assert_eq!(status.confirmation, Some(Confirmation::Confirmed), "{case}");
                assert!(world.hits.len() == 2 && world.hits.values().all(|n| *n == 1), "{case}");
                assert_eq!(world.injections.len(), 2, "{case}");
            }
        }
    }
}

fn missing(namespace: &str) -> ClusterRefusal {
    ClusterRefusal::NamespaceMissing { namespace: namespace.into() }
}

fn unknown() -> ClusterRefusal {
    ClusterRefusal::ListUnknown { list: "pods".into(), why: "nothing was heard of it for 20 s".into() }
}

#[test]
fn a_view_that_is_behind_is_waited_for() {
    for view in [unknown(), missing("shop")] {
        let mut world = Fake::new();
        world.view = vec![view];
        world.run("a", "partition", true);
        world.seconds(20);
        assert!(world.hits.is_empty() && world.status("a").verdict.is_none(), "{:?}", world.log);
        world.view.clear();
        world.seconds(30);
        assert_eq!(world.status("a").verdict, Some(Verdict::NotApplicable), "{:?}", world.log);
        assert_eq!(world.hits.len(), 2);
    }
}

#[test]
fn a_view_that_stays_behind_is_told_and_another_namespace_may_be_missing() {
    for (view, seconds) in [(unknown(), 40), (missing("shop"), 40), (missing("other"), 2)] {
        let mut world = Fake::new();
        world.view = vec![view.clone()];
        world.run("a", "partition", true);
        world.seconds(seconds);
        assert_eq!(world.status("a").verdict, Some(Verdict::Refused), "{view}: {:?}", world.log);
        assert_eq!(world.status("a").refusals[0].reason, view.reason());
        assert!(world.hits.is_empty());
    }
}

#[test]
fn a_view_that_is_behind_after_a_restart_ends_no_run() {
    for after in 2..9 {
        let mut world = Fake::new();
        world.next_view = Some(vec![unknown()]);
        world.crash_after = Some(after);
        world.run("a", "partition", true);
        world.seconds(3);
        world.view.clear();
        world.seconds(100);
        assert_eq!(world.status("a").verdict, Some(Verdict::NotApplicable), "{after}: {:?}", world.log);
        assert!(world.hits.len() == 2 && world.hits.values().all(|hits| *hits == 1), "{after}: {:?}", world.hits);
    }
}

#[test]
fn a_cancellation_is_tried_until_it_is_there() {
    for wrong in [Wrong::Busy, Wrong::Lost, Wrong::Unseen, Wrong::Conflict, Wrong::Refused] {
        let mut world = Fake::new();
        world.run("a", "partition", true);
        world.seconds(2);
        world.wrongs.insert("cancel", vec![wrong; 5].into());
        world.change_run("a", |run| run.spec.stop = Some(true));
        world.seconds(8);
        assert_eq!(world.status("a").verdict, Some(Verdict::Aborted), "{wrong:?}: {:?}", world.log);
        let cancelled = world.injections.values().filter(|i| i.spec.phase == Phase::Cancelled).count();
        assert_eq!(cancelled, 2, "{wrong:?}: {:?}", world.log);
    }
}

#[test]
fn a_refused_creation_ends_the_run_and_what_was_created_is_never_armed() {
    let mut world = Fake::new();
    world.wrongs.insert("create", [Wrong::Refused].into());
    world.run("a", "partition", true);
    world.seconds(5);
    assert!(world.hits.is_empty());
    assert_eq!(world.status("a").refusals[0].reason, "NotCreated");
    assert_eq!(world.status("a").verdict, Some(Verdict::Refused));
    assert!(world.injections.values().all(|i| i.spec.phase == Phase::Cancelled && i.never_armed));
}

#[test]
fn a_name_that_is_taken_by_something_else_is_never_armed() {
    let mut world = Fake::new();
    world.run("a", "partition", true);
    world.seconds(1);
    let mut foreign: InjectionSeen = world.injections.values().next().unwrap().clone();
    let mut world = Fake::new();
    world.seconds(1);
    foreign.spec.phase = Phase::Planned;
    foreign.spec.targets[0].uid = "uid-of-another-pod".into();
    foreign.status = InjectionStatus::default();
    world.injections.insert(foreign.key.name.clone(), foreign);
    world.run("a", "partition", true);
    world.seconds(5);
    assert!(world.hits.is_empty(), "{:?}", world.log);
    assert_eq!(world.status("a").refusals[0].reason, "NameTaken");
}

#[test]
fn an_injection_whose_run_is_gone_is_cancelled_and_deleted_once_it_is_final() {
    let mut world = Fake::new();
    world.run("a", "partition", true);
    world.seconds(2);
    // The run is deleted, orphaning what it owned, while no controller is there.
    world.runs.clear();
    world.start();
    world.seconds(2);
    assert_eq!(world.count("Cancelled"), 2, "{:?}", world.log);
    assert!(world.injections.is_empty());
}

#[test]
fn an_injection_that_is_seen_before_its_run_is_left_alone() {
    let mut world = Fake::new();
    world.run("a", "partition", true);
    world.seconds(2);
    let (runs, injections) = (world.runs.clone(), world.injections.clone());
    let mut other = Fake::new();
    other.runs = runs.clone();
    other.injections = injections.clone();
    // This watch is ahead of the one of the runs.
    for injection in injections.into_values() {
        other.tell(Event::Injection(Box::new(injection)));
    }
    other.pass(std::time::Duration::from_millis(500));
    assert_eq!(other.count("Cancelled"), 0, "{:?}", other.log);
}

#[test]
fn a_status_that_cannot_be_written_stops_no_end() {
    let mut world = Fake::new();
    world.run("a", "partition", true);
    world.seconds(2);
    world.wrongs.insert("status", vec![Wrong::Lost; 1000].into());
    world.change_run("a", |run| run.spec.stop = Some(true));
    world.seconds(2);
    assert_eq!(world.count("Cancelled"), 2);
}
