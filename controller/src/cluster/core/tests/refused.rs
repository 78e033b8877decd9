//! Runs that are not carried out: each with its reason, and nothing written but the status.

use super::fake::{Fake, Wrong, key};
use crate::cluster::core::event::{Event, PolicySeen};
use rumpus_model::wire::{PolicyRef, PolicySpec, Verdict};

fn reason(world: &Fake, name: &str) -> String {
    assert_eq!(world.status(name).verdict, Some(Verdict::Refused), "{:?}", world.status(name));
    world.status(name).refusals[0].reason.clone()
}

#[test]
fn a_second_run_over_the_budget_is_refused_with_the_reason() {
    let mut world = Fake::new();
    world.run("a", "partition", true);
    world.run("b", "partition", true);
    world.seconds(2);
    assert_eq!(reason(&world, "b"), "Busy");
    assert_eq!(world.hits.len(), 2);
    world.seconds(20);
    world.run("c", "partition", true);
    world.seconds(20);
    assert_eq!(world.status("c").verdict, Some(Verdict::NotApplicable), "the first one has given its place back");
}

#[test]
fn a_policy_by_name_must_own_the_run_and_say_the_same() {
    let mut world = Fake::new();
    let policy = |world: &mut Fake, name: &str, owned: bool| {
        let mut seen = world.written(name, "partition", true);
        seen.spec.policy_ref = Some(PolicyRef { name: Some("p".into()), uid: Some("uid-p".into()) });
        seen.owners = if owned { vec!["uid-p".into()] } else { Vec::new() };
        world.runs.insert(seen.uid.clone(), seen.clone());
        world.tell(Event::Run(Box::new(seen)));
        world.seconds(3);
    };
    let experiment = world.written("x", "partition", true).spec.experiment;
    let spec = PolicySpec { experiment, ..PolicySpec::default() };
    let good = PolicySeen { key: key("p"), uid: "uid-p".into(), generation: 1, deleting: false, spec, ready: None };
    policy(&mut world, "a", false);
    assert_eq!(reason(&world, "a"), "OwnerMissing");
    policy(&mut world, "b", true);
    assert_eq!(reason(&world, "b"), "PolicyMissing");
    world.policy = Some(PolicySeen { uid: "uid-other".into(), ..good.clone() });
    policy(&mut world, "c", true);
    assert_eq!(reason(&world, "c"), "PolicyMissing");
    world.policy = Some(PolicySeen { spec: PolicySpec::default(), ..good.clone() });
    policy(&mut world, "d", true);
    assert_eq!(reason(&world, "d"), "PolicyMismatch");
    let spec = PolicySpec { service_account_name: Some("robot".into()), ..good.spec.clone() };
    world.policy = Some(PolicySeen { spec, ..good.clone() });
    world.denied = vec!["shop".into()];
    policy(&mut world, "e", true);
    assert_eq!(reason(&world, "e"), "ServiceAccountDenied");
    assert!(world.hits.is_empty());
    world.denied = Vec::new();
    policy(&mut world, "f", true);
    assert_eq!(world.hits.len(), 2);
}

#[test]
fn a_policy_needs_an_account_only_where_it_leaves_its_own_namespace() {
    for (namespaces, refused) in [(None, false), (Some("shop"), false), (Some("data"), true)] {
        let mut world = Fake::new();
        let mut seen = world.written("a", "partition", true);
        seen.spec.policy_ref = Some(PolicyRef { name: Some("p".into()), uid: Some("uid-p".into()) });
        seen.owners = vec!["uid-p".into()];
        let pods = seen.spec.experiment.as_mut().and_then(|e| e.targets.as_mut()).and_then(|t| t.pods.as_mut());
        pods.unwrap().namespaces = namespaces.map(|name: &str| vec![name.into()]);
        let experiment = seen.spec.experiment.clone();
        let spec = PolicySpec { experiment, ..PolicySpec::default() };
        world.policy =
            Some(PolicySeen { key: key("p"), uid: "uid-p".into(), generation: 1, deleting: false, spec, ready: None });
        world.runs.insert(seen.uid.clone(), seen.clone());
        world.tell(Event::Run(Box::new(seen)));
        world.seconds(3);
        if refused {
            assert_eq!(reason(&world, "a"), "ServiceAccountMissing");
        }
        assert_eq!(world.hits.is_empty(), refused, "{namespaces:?}");
    }
}

#[test]
fn what_lasts_longer_than_the_administrator_allows_is_refused() {
    for (duration, refused) in [("1h", false), ("3601s", true)] {
        let mut world = Fake::new();
        let mut seen = world.written("a", "partition", true);
        seen.spec.experiment.as_mut().unwrap().duration = Some(duration.into());
        world.runs.insert(seen.uid.clone(), seen.clone());
        world.tell(Event::Run(Box::new(seen)));
        world.seconds(3);
        if refused {
            assert_eq!(reason(&world, "a"), "TooLong");
        }
        assert_eq!(world.hits.is_empty(), refused, "{duration}");
    }
}

#[test]
fn nothing_is_armed_while_an_admission_policy_is_missing() {
    let mut world = Fake::new();
    world.tell(Event::Guard(Ok(vec!["rumpus-injections-by-controller".into()])));
    world.run("a", "partition", true);
    world.seconds(2);
    assert_eq!(reason(&world, "a"), "AdmissionGuardMissing");
    world.tell(Event::Guard(Err("forbidden".into())));
    world.run("b", "partition", true);
    world.seconds(2);
    assert_eq!(reason(&world, "b"), "AdmissionGuardMissing");
    world.run("c", "partition", false);
    world.seconds(2);
    assert_eq!(world.status("c").verdict, Some(Verdict::NotApplicable), "a dry run needs no guard");
    assert_eq!(world.count("create"), 0);
}

#[test]
fn nothing_is_armed_while_the_halts_are_not_known() {
    let mut world = Fake::new();
    world.tell(Event::Halts(Err("no answer".into())));
    world.run("a", "partition", true);
    world.seconds(10);
    assert!(world.log.is_empty(), "{:?}", world.log);
    world.tell(Event::Halts(Ok(Vec::new())));
    world.seconds(5);
    assert_eq!(world.hits.len(), 2);
}

#[test]
fn nothing_is_done_by_who_does_not_lead() {
    let mut world = Fake::new();
    world.tell(Event::Term(None));
    world.run("a", "partition", true);
    world.seconds(10);
    assert!(world.log.is_empty(), "{:?}", world.log);
}

#[test]
fn nothing_is_armed_before_everything_was_listed() {
    let mut world = Fake::new();
    world.wrongs.insert("recover", [Wrong::Lost, Wrong::Busy, Wrong::Lost].into());
    world.start();
    world.run("a", "partition", true);
    world.pass(std::time::Duration::from_millis(300));
    assert!(world.log.is_empty(), "{:?}", world.log);
    world.seconds(5);
    assert_eq!(world.hits.len(), 2);
}

#[test]
fn what_is_wrong_with_the_experiment_is_told_with_its_field() {
    let mut world = Fake::new();
    let mut seen = world.written("a", "partition", true);
    seen.spec.experiment.as_mut().unwrap().duration = Some("0.5s".into());
    world.runs.insert(seen.uid.clone(), seen.clone());
    world.tell(Event::Run(Box::new(seen)));
    world.seconds(1);
    assert_eq!(reason(&world, "a"), "Invalid");
    assert!(world.status("a").refusals[0].message.contains("spec.experiment.duration"));
}

#[test]
fn a_drained_controller_begins_nothing_and_still_ends_things() {
    let mut world = Fake::new();
    world.max_active = 2;
    world.run("a", "partition", true);
    world.seconds(2);
    world.tell(Event::Drain);
    world.run("b", "partition", true);
    world.seconds(2);
    assert_eq!(world.hits.len(), 2);
    assert_eq!(world.count("Cancelled"), 0, "nothing live is let go of");
    world.change_run("a", |run| run.spec.stop = Some(true));
    world.seconds(1);
    assert_eq!(world.count("Cancelled"), 2);
}
