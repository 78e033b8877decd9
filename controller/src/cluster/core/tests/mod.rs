//! The reconciler by itself: scripted scenarios against a world in which every answer can go wrong.

mod arm;
mod book;
mod closed;
mod cooldown;
mod crash;
mod fake;
mod gates;
mod ledger;
mod nodes;
mod pods;
mod rates;
mod ready;
mod radius;
mod refused;
mod review;
mod slots;
mod timetable;
mod wrong;

use crate::cluster::core::event::Event;
use fake::{Fake, halt};
use rumpus_model::cluster::world::HaltScope;
use rumpus_model::wire::{Confirmation, InjectionState, Phase, RunState, Verdict};

#[test]
fn a_dry_run_writes_its_status_and_nothing_else() {
    let mut world = Fake::new();
    world.run("a", "partition", false);
    world.seconds(5);
    assert_eq!(world.log, ["status a Finished"]);
    assert!(world.told.is_empty(), "{:?}", world.told);
    let status = world.status("a");
    assert_eq!(status.verdict, Some(Verdict::NotApplicable));
    assert_eq!(status.targets, Some(2));
    assert_eq!(status.plan.as_ref().unwrap().nodes.len(), 2);
    assert_eq!(status.confirmation, None);
}

#[test]
fn an_armed_run_creates_everything_before_it_arms_anything_and_ends_confirmed() {
    let mut world = Fake::new();
    world.run("a", "partition", true);
    world.seconds(20);
    let first = |word: &str| world.log.iter().position(|l| l.starts_with(word)).unwrap();
    let last = |word: &str| world.log.iter().rposition(|l| l.starts_with(word)).unwrap();
    assert!(last("create") < first("Armed"), "{:?}", world.log);
    assert!(first("status a Injecting") < first("Armed"));
    assert_eq!((world.count("create"), world.count("Armed"), world.count("Cancelled")), (2, 2, 0));
    let status = world.status("a");
    assert_eq!(status.state, Some(RunState::Finished));
    assert_eq!(status.confirmation, Some(Confirmation::Confirmed));
    assert_eq!(status.verdict, Some(Verdict::NotApplicable));
    assert_eq!(status.effective_targets, Some(2));
    assert_eq!(world.told, ["Injected", "Finished"]);
}

#[test]
fn of_several_faults_the_run_does_the_one_that_its_seed_draws_and_says_so() {
    let mut done = std::collections::BTreeSet::new();
    for seed in 0..12 {
        let mut world = Fake::new();
        let mut seen = world.written("a", "partition", true);
        let delete: rumpus_model::wire::Fault = serde_json::from_value(serde_json::json!({"podDelete": {}})).unwrap();
        seen.spec.experiment.as_mut().unwrap().faults.as_mut().unwrap().insert(0, delete);
        seen.spec.seed = Some(seed.to_string());
        world.runs.insert(seen.uid.clone(), seen.clone());
        world.tell(Event::Run(Box::new(seen)));
        world.seconds(20);
        let status = world.status("a");
        let drawn = status.plan.as_ref().unwrap().drawn.clone().unwrap();
        assert_eq!((status.state, status.verdict), (Some(RunState::Finished), Some(Verdict::NotApplicable)), "{seed}");
        let (armed, deleted) = (world.count("Armed"), status.cluster.as_ref().map(|c| c.done));
        match (drawn.index, drawn.fault.as_str()) {
            (0, "podDelete") => assert_eq!((armed, deleted), (0, Some(2)), "{:?}", world.log),
            (1, "partition") => assert_eq!((armed, deleted), (2, None), "{:?}", world.log),
            other => panic!("{other:?}"),
        }
        done.insert(drawn.index);
    }
    assert_eq!(done.len(), 2);
}

#[test]
fn the_writes_of_a_run_do_not_depend_on_its_pods() {
    let mut world = Fake::new();
    world.run("a", "partition", true);
    world.seconds(20);
    // With the agents' three for each node and the run itself: at most 8 + 6 n.
    let writes = world.log.len() + world.told.len();
    assert!(writes <= 7 + 3 * 2, "{:?}", world.log);
}

#[test]
fn a_stop_cancels_every_share_and_the_verdict_is_aborted() {
    let mut world = Fake::new();
    world.run("a", "partition", true);
    world.seconds(3);
    world.change_run("a", |run| run.spec.stop = Some(true));
    world.seconds(3);
    assert_eq!(world.count("Cancelled"), 2);
    let status = world.status("a");
    assert_eq!((status.verdict, status.confirmation), (Some(Verdict::Aborted), Some(Confirmation::Confirmed)));
    assert_eq!(status.conditions.iter().find(|c| c.reason == "Stopped").map(|c| c.message.is_empty()), Some(false));
}

#[test]
fn a_deleted_run_is_cancelled_at_once_and_what_is_final_is_taken_away() {
    let mut world = Fake::new();
    world.run("a", "partition", true);
    world.seconds(3);
    world.delete_run("a");
    world.pass(std::time::Duration::from_millis(100));
    assert_eq!(world.count("Cancelled"), 2, "{:?}", world.log);
    world.seconds(2);
    assert!(world.injections.is_empty(), "{:?}", world.injections.keys());
}

#[test]
fn a_run_that_is_deleted_in_the_moment_it_is_created_arms_nothing() {
    let mut world = Fake::new();
    world.run("a", "partition", true);
    world.delete_run("a");
    world.seconds(30);
    assert!(world.hits.is_empty(), "{:?}", world.log);
}

#[test]
fn the_end_of_its_policy_is_the_end_of_a_run() {
    let mut world = Fake::new();
    let mut seen = world.written("a", "partition", true);
    seen.owners = vec!["uid-policy".into()];
    world.runs.insert(seen.uid.clone(), seen.clone());
    world.tell(Event::Run(Box::new(seen)));
    world.seconds(3);
    world.tell(Event::PolicyGone("uid-policy".into()));
    world.seconds(2);
    assert_eq!(world.status("a").verdict, Some(Verdict::Aborted));
}

#[test]
fn a_halt_before_anything_is_armed_arms_nothing() {
    for scope in [HaltScope::All, HaltScope::Namespaces(vec!["shop".into()]), HaltScope::Runs(vec!["shop/a".into()])] {
        let mut world = Fake::new();
        world.wrongs.insert("status", vec![fake::Wrong::Lost; 5].into());
        world.run("a", "partition", true);
        world.seconds(1);
        assert_eq!(world.count("create"), 2);
        world.tell(Event::Halts(Ok(vec![halt(scope.clone())])));
        world.seconds(40);
        assert!(world.hits.is_empty(), "{scope:?}: {:?}", world.log);
        assert_eq!(world.status("a").verdict, Some(Verdict::Aborted), "{scope:?}");
    }
}

#[test]
fn a_halt_in_mid_fault_cancels_for_good_what_is_in_its_scope() {
    let mut world = Fake::new();
    world.run("a", "partition", true);
    world.seconds(2);
    world.tell(Event::Halts(Ok(vec![halt(HaltScope::Nodes(vec!["node-0".into()]))])));
    world.seconds(1);
    assert_eq!(world.count("Cancelled"), 1, "{:?}", world.log);
    world.tell(Event::Halts(Ok(Vec::new())));
    world.seconds(20);
    assert_eq!(world.count("Cancelled"), 1);
    assert_eq!(world.status("a").verdict, Some(Verdict::Aborted));
    assert_eq!(world.hits.values().max(), Some(&1));
}

#[test]
fn a_node_that_attests_nothing_is_unconfirmed_after_the_release_time_and_not_before() {
    let mut world = Fake::new();
    world.dead.insert("node-1".into());
    world.run("a", "partition", true);
    world.seconds(50);
    assert_ne!(world.status("a").state, Some(RunState::Finished), "10 s + L + 30 s have not passed");
    assert_eq!(world.core.view().runs.values().sum::<usize>(), 1);
    world.seconds(10);
    let status = world.status("a").clone();
    assert_eq!(status.confirmation, Some(Confirmation::Unconfirmed));
    assert_eq!(status.unconfirmed_nodes, ["node-1"]);
    assert_eq!(status.verdict, Some(Verdict::Inconclusive));
    // What comes late is still the truth.
    let late = world.injections.values().find(|i| i.spec.node_name == "node-1").unwrap().key.name.clone();
    world.attest(&late, InjectionState::Restored);
    world.seconds(2);
    assert_eq!(world.status("a").confirmation, Some(Confirmation::Confirmed));
}

#[test]
fn a_failed_restore_is_never_released_by_time() {
    let mut world = Fake::new();
    world.dead.insert("node-1".into());
    world.run("a", "partition", true);
    world.seconds(3);
    let name = world.injections.values().find(|i| i.spec.node_name == "node-1").unwrap().key.name.clone();
    world.attest(&name, InjectionState::RestoreFailed);
    world.seconds(600);
    assert_eq!(world.status("a").state, Some(RunState::Ending));
    world.run("b", "partition", true);
    world.seconds(5);
    assert_eq!(world.status("b").verdict, Some(Verdict::Refused));
}

#[test]
fn an_injection_that_vanished_counts_only_if_its_node_says_that_it_ended() {
    let mut world = Fake::new();
    world.dead.insert("node-1".into());
    world.run("a", "partition", true);
    world.seconds(3);
    let gone = world.injections.values().find(|i| i.spec.node_name == "node-1").unwrap().clone();
    world.injections.remove(&gone.key.name);
    world.tell(Event::InjectionGone(gone.uid.clone()));
    world.seconds(15);
    assert_ne!(world.status("a").state, Some(RunState::Finished), "gone is not restored");
    world.tell(Event::Ended { node: "node-1".into(), injections: [gone.uid].into() });
    world.seconds(1);
    assert_eq!(world.status("a").confirmation, Some(Confirmation::Confirmed));
}

#[test]
fn a_node_that_is_quicker_than_its_injection_does_not_cut_the_story_short() {
    let mut world = Fake::new();
    world.run("a", "partition", true);
    world.seconds(3);
    let one = world.injections.values().next().unwrap().clone();
    world.tell(Event::Ended { node: one.spec.node_name.clone(), injections: [one.uid].into() });
    world.seconds(20);
    assert_eq!(world.status("a").effective_targets, Some(2));
    assert_eq!(world.status("a").verdict, Some(Verdict::NotApplicable));
}

#[test]
fn an_address_that_leaves_ends_the_fault_before_it_is_begun_anew_without_it() {
    let mut world = Fake::new();
    world.run("a", "partition", true);
    world.seconds(3);
    world.revised = Some(fake::peers(&["10.0.0.1/32"]));
    world.tell(Event::AddressesChanged);
    world.seconds(2);
    let second: Vec<_> = world.injections.values().filter(|i| i.spec.revision == 2).collect();
    assert_eq!(second.len(), 2);
    for new in second {
        let old = world.injections.values().find(|i| i.spec.revision == 1 && i.spec.node_name == new.spec.node_name);
        let old = old.unwrap();
        assert_eq!((old.spec.phase, new.spec.phase), (Phase::Cancelled, Phase::Armed));
        assert_eq!(old.spec.not_after, new.spec.not_after);
        assert_eq!(new.spec.peers.as_ref().unwrap()[0].addresses, Some(vec!["10.0.0.1/32".to_owned()]));
        let left = rumpus_model::duration::parse(new.spec.duration.as_ref().unwrap()).unwrap();
        assert!(left < std::time::Duration::from_secs(8), "{left:?}");
        let cancelled = world.log.iter().position(|l| *l == format!("Cancelled {}", old.key.name)).unwrap();
        let armed = world.log.iter().position(|l| *l == format!("Armed {}", new.key.name)).unwrap();
        assert!(cancelled < armed);
    }
    world.seconds(20);
    assert_eq!(world.status("a").confirmation, Some(Confirmation::Confirmed));
    assert_eq!(world.injections.len(), 4);
}
