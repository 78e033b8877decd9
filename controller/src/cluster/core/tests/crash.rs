//! The process dies between any two effects and is started anew: the end is the same.

use super::fake::{Fake, Wrong};
use crate::cluster::core::event::Event;
use rumpus_model::wire::{Confirmation, Phase, RunState, Verdict};
use std::time::Duration;

fn ended(world: &Fake, case: &str) -> (Option<Verdict>, Option<Confirmation>) {
    let status = world.status("a");
    assert_eq!(status.state, Some(RunState::Finished), "{case}");
    assert!(world.hits.values().all(|n| *n == 1), "hit twice, {case}: {:?}", world.hits);
    (status.verdict, status.confirmation)
}

#[test]
fn a_crash_after_any_effect_of_a_run_changes_nothing_about_its_end() {
    let mut whole = Fake::new();
    whole.run("a", "partition", true);
    whole.seconds(20);
    let (effects, end) = (whole.done, ended(&whole, "no crash"));
    assert!(effects > 8);
    for after in 1..=effects {
        let mut world = Fake::new();
        world.crash_after = Some(after);
        world.run("a", "partition", true);
        world.seconds(100);
        let case = format!("crash after {after} of {effects}: {:?}", world.log);
        assert_eq!(ended(&world, &case), end, "{case}");
        assert_eq!(world.hits.len(), 2, "{case}");
    }
}

#[test]
fn a_crash_after_any_effect_of_a_stop_ends_everything_all_the_same() {
    for after in 1..16 {
        let mut world = Fake::new();
        world.run("a", "partition", true);
        world.seconds(2);
        world.done = 0;
        world.crash_after = Some(after);
        world.change_run("a", |run| run.spec.stop = Some(true));
        world.seconds(100);
        let case = format!("crash after {after}: {:?}", world.log);
        assert_eq!(ended(&world, &case).0, Some(Verdict::Aborted), "{case}");
        assert!(world.injections.values().all(|i| i.spec.phase == Phase::Cancelled), "{case}");
    }
}

#[test]
fn a_plan_that_is_another_one_after_a_crash_is_not_carried_out() {
    for after in 2..9 {
        let mut world = Fake::new();
        world.run("a", "partition", true);
        world.crash_after = Some(after);
        world.pass(Duration::from_millis(50));
        // While nobody was there a pod was replaced by another one.
        let pod = world.pods.remove("uid-web-0").unwrap();
        world.pods.insert("uid-new".into(), pod);
        world.start();
        world.seconds(100);
        let both =
            world.hits.keys().any(|k| k.starts_with("uid-new")) && world.hits.keys().any(|k| k.contains("web-0"));
        assert!(!both && world.hits.len() <= 2, "{after}: {:?}", world.hits);
        assert_eq!(world.status("a").state, Some(RunState::Finished), "{after}: {:?}", world.log);
    }
}

#[test]
fn pods_are_never_deleted_twice_nor_others_in_their_place() {
    let mut whole = Fake::new();
    whole.run("a", "podDelete", true);
    whole.seconds(20);
    let effects = whole.done;
    assert_eq!(whole.hits.len(), 2, "{:?}", whole.log);
    for after in 1..=effects {
        let mut world = Fake::new();
        world.pods.insert("uid-web-2".into(), super::fake::key("web-2"));
        world.crash_after = Some(after);
        world.run("a", "podDelete", true);
        world.seconds(200);
        let case = format!("crash after {after}: {:?}", world.log);
        ended(&world, &case);
        assert!(world.hits.len() <= 3, "{case}");
    }
}

#[test]
fn what_a_predecessor_armed_counts_from_the_take_over() {
    let mut world = Fake::new();
    world.dead.insert("node-1".into());
    world.run("a", "partition", true);
    world.seconds(40);
    world.start();
    world.seconds(50);
    assert_ne!(world.status("a").state, Some(RunState::Finished), "duration + L + 30 s begin anew");
    world.seconds(10);
    assert_eq!(world.status("a").unconfirmed_nodes, ["node-1"]);
}

#[test]
fn the_last_word_of_an_earlier_term_that_comes_late_stands_or_changes_nothing() {
    let mut whole = Fake::new();
    whole.run("a", "partition", true);
    whole.seconds(20);
    let end = ended(&whole, "nothing is late");
    let mut stood = 0;
    for later in 1..24 {
        let mut world = Fake::new();
        world.guard = vec!["a policy".into()];
        world.tell(Event::Guard(Ok(world.guard.clone())));
        world.wrongs.insert("status", [Wrong::Late(later)].into());
        world.run("a", "partition", true);
        world.pass(Duration::from_millis(1));
        // The next controller finds nothing to refuse it for.
        world.guard.clear();
        world.done = 0;
        world.start();
        world.seconds(60);
        let case = format!("after {later}: {:?}", world.log);
        let status = world.status("a");
        assert_eq!(status.state, Some(RunState::Finished), "{case}");
        if status.verdict == Some(Verdict::Refused) {
            stood += 1;
            assert!(world.hits.is_empty(), "{case}");
            assert!(world.injections.values().all(|i| i.spec.phase == Phase::Cancelled), "{case}");
        } else {
            assert_eq!(ended(&world, &case), end, "{case}");
            assert_eq!(world.hits.len(), 2, "{case}");
        }
    }
    assert!((1..12).contains(&stood), "{stood}");
}

#[test]
fn a_run_that_is_edited_in_the_midst_of_a_write_is_written_all_the_same() {
    for wrong in [Wrong::Conflict, Wrong::Unseen, Wrong::Lost] {
        for writes in 0..3 {
            let mut world = Fake::new();
            let fine = std::iter::repeat_n(Wrong::Busy, writes);
            world.wrongs.insert("status", fine.chain([wrong]).collect());
            world.run("a", "partition", true);
            world.seconds(4);
            world.change_run("a", |run| run.spec.reason = Some("edited".into()));
            world.seconds(60);
            let case = format!("{wrong:?} after {writes}: {:?}", world.log);
            assert_eq!(ended(&world, &case).1, Some(Confirmation::Confirmed), "{case}");
        }
    }
}

#[test]
fn what_neither_an_injection_nor_the_ledger_tells_of_any_more_is_never_said_to_have_ended() {
    let mut world = Fake::new();
    world.run("a", "partition", true);
    world.seconds(4);
    // While nobody is there an injection and the Ledger are deleted by hand; the node goes on for as long as it may.
    let (name, gone) = world.injections.pop_first().unwrap();
    world.ledger = None;
    world.start();
    world.seconds(30);
    assert_ne!(world.status("a").state, Some(RunState::Finished), "{name} may be in effect");
    world.seconds(100);
    let status = world.status("a");
    assert_eq!((status.state, status.confirmation), (Some(RunState::Finished), Some(Confirmation::Unconfirmed)));
    assert_eq!(status.unconfirmed_nodes, [gone.spec.node_name]);
    let written = world.count("status");
    world.seconds(100);
    assert_eq!(world.count("status"), written, "it is written again and again");
}

#[test]
fn a_run_of_which_nothing_is_left_ends_when_its_time_is_over() {
    let mut world = Fake::new();
    world.run("a", "partition", true);
    world.seconds(4);
    world.injections.clear();
    world.ledger = None;
    world.start();
    world.seconds(150);
    let status = world.status("a");
    assert_eq!((status.state, status.confirmation), (Some(RunState::Finished), Some(Confirmation::Unconfirmed)));
}
