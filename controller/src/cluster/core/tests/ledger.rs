//! The Ledger: nothing is armed that is not in it, and what is in it is counted until it has ended.

use super::fake::{Fake, L, Wrong};
use crate::cluster::core::event::{Event, LedgerSeen, Outcome};
use rumpus_model::wire::ledger::{LedgerSpec, Reservation};
use rumpus_model::wire::{Confirmation, InjectionState, RunState, Verdict};

impl Fake {
    pub(super) fn write_ledger(&mut self, version: Option<String>, spec: LedgerSpec) -> Outcome {
        match (&self.ledger, version) {
            (Some(_), None) => return Outcome::Exists,
            (None, Some(_)) => return Outcome::Missing,
            (Some(old), Some(version)) if old.resource_version != version => return Outcome::Conflict,
            // The schema's rule.
            (Some(old), _) if old.spec.epoch > spec.epoch => return Outcome::Refused { why: "epoch".into() },
            (_, _) => {}
        }
        if self.ledger.as_ref().map_or(0, |l| l.spec.reservations.len()) != spec.reservations.len() {
            self.log.push(format!("ledger {}", spec.reservations.len()));
        }
        let seen = LedgerSeen { resource_version: self.next_version(), spec };
        self.ledger = Some(seen.clone());
        Outcome::Ledger(Box::new(seen))
    }
}

fn entry(uid: &str, injections: &[&str]) -> Reservation {
    Reservation {
        namespace: "shop".into(),
        name: uid.trim_start_matches("uid-").into(),
        uid: uid.into(),
        policy: None,
        takes_down: false,
        delays: None,
        lasts_seconds: 40,
        injections: injections.iter().map(|&i| i.into()).collect(),
        pods: vec!["uid-web-0".into()],
        owners: Vec::new(),
        more_owners: false,
    }
}

/// A world in which a predecessor had written this.
fn after(epoch: i64, reservations: Vec<Reservation>) -> Fake {
    let mut world = Fake::new();
    let spec = LedgerSpec { epoch, holder: "another".into(), reservations, ..LedgerSpec::default() };
    world.ledger = Some(LedgerSeen { resource_version: "1".into(), spec });
    world.start();
    world
}

#[test]
fn a_run_is_in_the_ledger_before_its_first_share_is_armed_and_until_its_last_has_ended() {
    let mut world = Fake::new();
    world.run("a", "partition", true);
    world.seconds(5);
    let held = world.ledger.clone().unwrap().spec;
    assert_eq!((held.epoch, held.holder.as_str(), held.reservations.len()), (1, "us", 1));
    assert_eq!(held.reservations[0].injections.len(), 2);
    assert_eq!(held.reservations[0].pods, ["uid-web-0", "uid-web-1"]);
    world.seconds(15);
    let at = |word: &str| world.log.iter().position(|l| l.starts_with(word)).unwrap();
    let created = world.log.iter().rposition(|l| l.starts_with("create")).unwrap();
    assert!(created < at("ledger 1") && at("ledger 1") < at("Armed"), "{:?}", world.log);
    assert!(world.ledger.unwrap().spec.reservations.is_empty());
}

#[test]
fn pods_are_deleted_only_by_a_run_that_is_in_the_ledger() {
    let mut world = Fake::new();
    world.run("a", "podDelete", true);
    world.seconds(20);
    let at = |word: &str| world.log.iter().position(|l| l.starts_with(word)).unwrap();
    assert!(at("ledger 1") < at("remove"), "{:?}", world.log);
}

#[test]
fn nothing_is_armed_while_the_ledger_cannot_be_written_and_the_run_says_why() {
    for wrong in [Wrong::Refused, Wrong::Busy, Wrong::Lost] {
        let mut world = Fake::new();
        world.seconds(1);
        world.wrongs.insert("ledger", vec![wrong; 100].into());
        world.run("a", "partition", true);
        world.seconds(60);
        assert!(world.hits.is_empty(), "{wrong:?}: {:?}", world.log);
        let status = world.status("a");
        assert_eq!(status.verdict, Some(Verdict::Refused));
        assert!(status.refusals[0].message.contains("the Ledger could not be written"), "{:?}", status.refusals);
    }
}

#[test]
fn nothing_is_planned_before_the_ledger_carries_our_epoch() {
    let mut world = Fake::new();
    world.wrongs.insert("read ledger", vec![Wrong::Lost; 8].into());
    world.start();
    world.run("a", "partition", true);
    world.seconds(3);
    assert_eq!(world.log, [""; 0]);
    world.seconds(30);
    assert_eq!(world.hits.len(), 2, "{:?}", world.log);
}

#[test]
fn a_write_without_an_answer_is_read_back_before_anything_is_armed() {
    for wrong in [Wrong::Unseen, Wrong::Lost, Wrong::Conflict] {
        let mut world = Fake::new();
        world.seconds(1);
        world.wrongs.insert("ledger", vec![wrong].into());
        world.run("a", "partition", true);
        world.seconds(20);
        assert_eq!(world.hits.len(), 2, "{wrong:?}: {:?}", world.log);
        assert_eq!(world.status("a").confirmation, Some(Confirmation::Confirmed), "{wrong:?}");
        assert!(world.ledger.unwrap().spec.reservations.is_empty());
    }
}

#[test]
fn whoever_was_overtaken_arms_nothing_and_says_by_which_epoch() {
    let mut world = Fake::new();
    world.seconds(1);
    let spec = LedgerSpec { epoch: 7, holder: "another".into(), ..LedgerSpec::default() };
    world.ledger = Some(LedgerSeen { resource_version: world.next_version(), spec });
    world.run("a", "partition", true);
    world.seconds(5);
    assert!(world.hits.is_empty(), "{:?}", world.log);
    assert_eq!(world.core.overtaken(), Some(7));
    assert_eq!(world.ledger.as_ref().map(|l| l.spec.epoch), Some(7));
    // With a term above it all goes on.
    world.tell(Event::Term(Some(8)));
    world.seconds(20);
    assert_eq!(world.hits.values().max(), Some(&1));
    assert_eq!(world.status("a").state, Some(RunState::Finished));
}

#[test]
fn what_only_the_ledger_tells_of_is_counted_until_its_node_says_that_it_has_ended() {
    let mut world = after(0, vec![entry("uid-gone", &["i-1"])]);
    world.run("a", "partition", true);
    world.seconds(5);
    assert_eq!(world.status("a").verdict, Some(Verdict::Refused), "a run that is gone may still be in effect");
    world.tell(Event::Ended { node: "node-1".into(), injections: ["i-1".to_owned()].into() });
    world.seconds(1);
    assert!(world.ledger.as_ref().unwrap().spec.reservations.is_empty());
    world.run("b", "partition", true);
    world.seconds(5);
    assert_eq!(world.hits.len(), 2, "{:?}", world.log);
}

#[test]
fn what_nobody_attests_is_freed_once_it_cannot_be_in_effect_any_more() {
    let mut world = after(0, vec![entry("uid-gone", &["i-1"])]);
    world.pass(std::time::Duration::from_secs(40) + L + std::time::Duration::from_secs(28));
    assert_eq!(world.ledger.as_ref().unwrap().spec.reservations.len(), 1);
    world.seconds(4);
    assert!(world.ledger.as_ref().unwrap().spec.reservations.is_empty());
}

#[test]
fn an_injection_that_was_deleted_while_nobody_was_there_is_not_created_anew() {
    let mut world = Fake::new();
    world.dead.insert("node-1".into());
    world.run("a", "partition", true);
    world.seconds(3);
    assert_eq!(world.hits.len(), 2);
    // One has ended and is taken away by hand; the other one is still to come.
    let gone = world.injections.values().find(|i| i.spec.node_name == "node-0").unwrap().clone();
    world.injections.remove(&gone.key.name);
    world.start();
    world.seconds(120);
    assert!(world.hits.values().all(|n| *n == 1), "{:?}", world.hits);
    let status = world.status("a");
    assert_eq!((status.state, status.verdict), (Some(RunState::Finished), Some(Verdict::Aborted)));
    assert_eq!(status.confirmation, Some(Confirmation::Unconfirmed));
    // It stays unconfirmed, which is said once.
    let writes = |world: &Fake| world.log.iter().filter(|line| line.starts_with("status")).count();
    let before = writes(&world);
    world.seconds(60);
    assert_eq!(writes(&world), before);
}

#[test]
fn a_run_whose_injections_are_all_gone_is_held_until_their_nodes_or_time_say_that_they_ended() {
    for told in [0, 1, 2] {
        let mut world = Fake::new();
        world.dead.extend(["node-0".to_owned(), "node-1".to_owned()]);
        world.run("a", "partition", true);
        world.seconds(3);
        let gone: Vec<_> = std::mem::take(&mut world.injections).into_values().collect();
        assert_eq!((gone.len(), world.hits.len()), (2, 2));
        world.start();
        for injection in gone.iter().take(told) {
            let node = injection.spec.node_name.clone();
            world.tell(Event::Ended { node, injections: [injection.uid.clone()].into() });
        }
        let held = |world: &Fake| world.ledger.as_ref().unwrap().spec.reservations.len();
        world.seconds(60);
        let over = told == 2;
        assert_eq!((held(&world), world.status("a").state == Some(RunState::Finished)), (usize::from(!over), over));
        world.seconds(60);
        assert_eq!((held(&world), world.status("a").state), (0, Some(RunState::Finished)), "{told}");
        assert_eq!(world.hits.len(), 2, "{:?}", world.log);
    }
}

#[test]
fn what_a_predecessor_reserved_stays_in_the_ledger_through_a_second_take_over() {
    let mut world = Fake::new();
    world.dead.extend(["node-0".to_owned(), "node-1".to_owned()]);
    world.run("a", "partition", true);
    world.seconds(3);
    let gone = world.injections.values().find(|i| i.spec.node_name == "node-0").unwrap().clone();
    world.injections.remove(&gone.key.name);
    for _ in 0..2 {
        world.start();
        world.seconds(2);
        let held = world.ledger.clone().unwrap().spec.reservations;
        assert!(held[0].injections.contains(&gone.uid), "{held:?}");
        assert_eq!(held[0].pods.len(), 2);
    }
}

#[test]
fn a_run_is_held_until_its_end_is_on_record() {
    let mut world = Fake::new();
    world.run("a", "partition", true);
    world.seconds(5);
    world.wrongs.insert("status", vec![Wrong::Lost; 100].into());
    world.seconds(20);
    // It is over, and nobody else knows: who comes after us must not begin it anew.
    assert_eq!(world.ledger.as_ref().unwrap().spec.reservations.len(), 1, "{:?}", world.log);
    world.injections.clear();
    world.wrongs.clear();
    world.start();
    world.seconds(100);
    assert!(world.hits.values().all(|n| *n == 1), "{:?}", world.hits);
    assert_eq!(world.status("a").state, Some(RunState::Finished));
    assert!(world.ledger.unwrap().spec.reservations.is_empty());
}

#[test]
fn a_run_of_which_neither_injections_nor_the_ledger_tell_is_not_begun_anew() {
    let mut world = Fake::new();
    world.run("a", "partition", true);
    world.seconds(5);
    world.injections.clear();
    world.ledger = None;
    world.start();
    world.seconds(100);
    assert!(world.hits.values().all(|n| *n == 1), "{:?}", world.hits);
    let status = world.status("a");
    assert_eq!((status.verdict, status.confirmation), (Some(Verdict::Aborted), Some(Confirmation::Unconfirmed)));
}

#[test]
fn two_runs_beside_each_other_are_both_in_the_ledger_and_a_third_one_waits_for_neither() {
    let mut world = Fake::new();
    world.max_active = 2;
    world.run("a", "partition", true);
    world.run("b", "partition", true);
    world.seconds(3);
    let held = world.ledger.clone().unwrap().spec;
    assert_eq!(held.reservations.len(), 2, "{:?}", world.log);
    world.run("c", "partition", true);
    world.seconds(1);
    assert_eq!(world.status("c").verdict, Some(Verdict::Refused));
    world.seconds(20);
    assert!(world.ledger.unwrap().spec.reservations.is_empty());
}

#[test]
fn what_could_not_be_restored_is_never_freed_by_time_although_its_run_is_gone() {
    let mut world = Fake::new();
    world.dead.insert("node-1".into());
    world.run("a", "partition", true);
    world.seconds(3);
    let name = world.injections.values().find(|i| i.spec.node_name == "node-1").unwrap().key.name.clone();
    world.attest(&name, InjectionState::RestoreFailed);
    world.delete_run("a");
    world.start();
    world.seconds(600);
    assert_eq!(world.ledger.as_ref().unwrap().spec.reservations.len(), 1);
    world.run("b", "partition", true);
    world.seconds(5);
    assert_eq!(world.status("b").verdict, Some(Verdict::Refused));
    world.attest(&name, InjectionState::Restored);
    world.seconds(5);
    assert!(world.ledger.unwrap().spec.reservations.is_empty());
}
