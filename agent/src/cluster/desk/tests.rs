//! The desk by itself: objects in, acts out.

use super::{Act, Assigned, ChaosInjection, Desk, EndCause, Event, Guard, Halt, Kept, Order, Refusal, Unwanted};
use crate::cluster::assemble::slot_id;
use crate::cluster::ceilings::Ceilings;
use crate::cluster::report::Wall;
use rumpus_model::evidence::{Counts, Effective, Filtered, Reading};
use rumpus_model::halt::HaltScope;
use rumpus_model::injection::{Attestation, Injection, State};
use rumpus_model::wire::{InjectionState, InjectionStatus, Truth};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

struct Still;

impl Wall for Still {
    fn show(&self, at: Duration) -> String {
        format!("at {}", at.as_secs())
    }
    fn now(&self) -> String {
        "now".into()
    }
}

fn object(change: impl FnOnce(&mut Value)) -> ChaosInjection {
    let mut object = json!({
        "metadata": {"name": "r-n-r1", "namespace": "shop", "uid": "u", "generation": 2,
                     "ownerReferences": [{"apiVersion": "x/v1", "kind": "ChaosRun", "name": "r", "uid": "r"}]},
        "spec": {"nodeName": "n1", "run": {"name": "r", "uid": "r"}, "phase": "Armed", "epoch": 3, "revision": 1,
                 "notAfter": "2026-11-24T20:00:10Z", "duration": "60s",
                 "fault": {"partition": {"direction": "Both"}},
                 "targets": [{"uid": "u1", "namespace": "shop", "pod": "a"}, {"uid": "u2", "namespace": "shop", "pod": "b"}],
                 "peers": [{"addresses": ["10.96.0.1"]}, {"addresses": ["10.0.0.1"]}]},
    });
    change(&mut object);
    serde_json::from_value(object).unwrap()
}

fn desk(kept: Kept) -> Desk {
    let ceilings =
        Ceilings { protected: BTreeSet::new(), own_pod: "own".into(), longest: Duration::from_secs(600), most: 8 };
    Desk::new("n1".into(), ceilings, kept)
}

/// The Lease was seen to move.
fn moved(kept: Kept) -> Desk {
    let mut desk = desk(kept);
    assert!(desk.lease_moved().is_empty());
    desk
}

fn proven() -> Desk {
    let mut desk = moved(Kept::default());
    desk.guarded(Guard::Proven);
    desk
}

/// The one order that is to be looked up.
fn order(acts: Vec<Act>) -> Order {
    match <[Act; 1]>::try_from(acts).unwrap() {
        [Act::Assemble(order)] => *order,
        other => panic!("{other:?}"),
    }
}

/// Looks the targets up: each is found, but for those of `refused`.
fn found(order: &Order, refused: &[usize]) -> (Injection, Vec<Assigned>) {
    let one = |(at, t): (usize, &rumpus_model::wire::InjectionTarget)| Assigned {
        uid: t.uid.clone(),
        container: None,
        slots: if refused.contains(&at) { vec![] } else { (0..2).map(|b| slot_id(order, t, b)).collect() },
        refused: refused.contains(&at).then(|| Refusal::HostNetwork { target: "pod".into() }),
    };
    let assigned: Vec<Assigned> = order.targets.iter().enumerate().map(one).collect();
    let injection = Injection {
        uid: order.uid.clone(),
        policy: order.run.clone(),
        fault: order.fault.clone(),
        duration: order.duration,
        targets: assigned.iter().flat_map(|a| a.slots.iter().map(|s| planned(s))).collect(),
        reach: order.reach.clone(),
        not_after: None,
    };
    (injection, assigned)
}

fn planned(id: &str) -> rumpus_model::plan::Planned {
    use rumpus_model::target::{NetNsId, NetNsTarget, Target, Via};
    let target = NetNsTarget {
        id: NetNsId { dev: 1, ino: 2, cookie: None },
        via: Via::Host,
        boot_id: "b".into(),
        host: false,
        processes: vec![],
    };
    let engine = rumpus_model::engine::Engine::Nft;
    rumpus_model::plan::Planned { id: id.into(), target: Target::NetNs(target), why: "x".into(), engine, scope: None }
}

fn attested(id: &str, state: State, hit: u64, passed: u64) -> Attestation {
    let effective = match (state.is_final(), hit, passed) {
        (true, 1.., 0) => Effective::True,
        (true, _, _) => Effective::False,
        (false, _, _) => Effective::Unknown,
    };
    let count = |egress| Counts { egress, ingress: 0 };
    let filtered = Filtered { armed_for: None, hit: count(hit), passed: count(passed) };
    let over = state.is_final().then_some(Duration::from_secs(9));
    Attestation {
        injection: "u".into(),
        id: id.into(),
        target: "netns".into(),
        state,
        effective,
        cause: state.is_final().then_some(EndCause::Deadline),
        in_effect: Some(Duration::from_secs(5)),
        effect_ended: over,
        clean: over,
        readings: vec![Reading::Filtered(filtered)],
        problems: vec![],
    }
}

fn status(desk: &mut Desk) -> (InjectionStatus, bool) {
    let (_, status, last) = desk.status("u", &Still).unwrap();
    (status, last)
}

/// What a refused injection says.
fn reason(desk: &mut Desk) -> String {
    let (status, last) = status(desk);
    assert!(last);
    assert_eq!(status.state, Some(InjectionState::Refused));
    assert_eq!(status.targets.len(), 2);
    status.targets[0].reason.clone().unwrap()
}

#[test]
fn an_armed_injection_is_looked_up_once_and_handed_over() {
    let mut desk = proven();
    let order = order(desk.seen(&object(|_| {})));
    assert!(desk.seen(&object(|_| {})).is_empty());
    let (injection, assigned) = found(&order, &[]);
    let acts = desk.assembled(injection, assigned);
    assert!(matches!(&acts[..], [Act::Tell(e)] if matches!(**e, Event::Submit(_))), "{acts:?}");
    assert!(desk.seen(&object(|_| {})).is_empty());
    assert_eq!(desk.live().len(), 1);
}

#[test]
fn what_is_planned_foreign_or_final_is_let_alone() {
    let mut desk = proven();
    assert!(desk.seen(&object(|o| o["spec"]["phase"] = json!("Planned"))).is_empty());
    assert!(desk.seen(&object(|o| o["spec"]["nodeName"] = json!("n2"))).is_empty());
    assert!(desk.seen(&object(|o| o["status"] = json!({"state": "Restored"}))).is_empty());
    assert!(desk.seen(&object(|o| o["metadata"]["ownerReferences"] = json!([]))).is_empty());
    assert!(desk.is_empty());
}

#[test]
fn nothing_begins_before_the_guard_is_proven_and_a_missing_one_refuses() {
    let mut desk = moved(Kept::default());
    assert!(desk.seen(&object(|_| {})).is_empty());
    let acts = desk.guarded(Guard::Missing("gone".into()));
    assert!(matches!(&acts[..], [Act::Report { now: true, .. }]));
    assert_eq!(reason(&mut desk), "AdmissionGuardMissing");
    let mut desk = moved(Kept::default());
    assert!(desk.seen(&object(|_| {})).is_empty());
    order(desk.guarded(Guard::Proven));
}

#[test]
fn an_agent_that_starts_waits_until_the_lease_moves() {
    let mut desk = desk(Kept::default());
    desk.guarded(Guard::Proven);
    assert!(desk.seen(&object(|_| {})).is_empty());
    assert!(desk.waits_for_lease());
    order(desk.lease_moved());
    assert!(!desk.waits_for_lease());
}

#[test]
fn a_cancelled_injection_that_never_began_is_final() {
    let mut desk = proven();
    let acts = desk.seen(&object(|o| o["spec"]["phase"] = json!("Cancelled")));
    assert!(matches!(&acts[..], [Act::Report { now: true, .. }]));
    assert_eq!(reason(&mut desk), "Cancelled");
}

#[test]
fn one_that_is_cancelled_while_it_is_looked_up_does_not_begin() {
    let mut desk = proven();
    let order = order(desk.seen(&object(|_| {})));
    assert!(desk.seen(&object(|o| o["spec"]["phase"] = json!("Cancelled"))).is_empty());
    let (injection, assigned) = found(&order, &[]);
    let acts = desk.assembled(injection, assigned);
    assert!(matches!(&acts[..], [Act::Report { .. }]), "{acts:?}");
    assert_eq!(reason(&mut desk), "Cancelled");
}

#[test]
fn what_lives_ends_for_each_reason_that_nobody_wants_it() {
    let begun = || {
        let mut desk = proven();
        let order = order(desk.seen(&object(|_| {})));
        let (injection, assigned) = found(&order, &[]);
        desk.assembled(injection, assigned);
        desk
    };
    let ends = |acts: Vec<Act>, wanted: EndCause| match <[Act; 1]>::try_from(acts).unwrap() {
        [Act::Tell(event)] => {
            let Event::End { injection, cause } = *event else { panic!("{event:?}") };
            assert_eq!((injection.as_str(), cause), ("u", wanted));
        }
        other => panic!("{other:?}"),
    };
    ends(begun().seen(&object(|o| o["spec"]["phase"] = json!("Cancelled"))), EndCause::Cancelled);
    ends(begun().gone("u"), EndCause::Unwanted(Unwanted::Absent));
    ends(begun().listed(&BTreeSet::new()), EndCause::Unwanted(Unwanted::Absent));
    let deleting = object(|o| o["metadata"]["deletionTimestamp"] = json!("2026-11-24T20:00:00Z"));
    ends(begun().seen(&deleting), EndCause::Unwanted(Unwanted::Deleting));
    let orphan = object(|o| o["metadata"]["ownerReferences"] = Value::Null);
    ends(begun().seen(&orphan), EndCause::Unwanted(Unwanted::Orphaned));
    let other = object(|o| {
        o["metadata"]["uid"] = json!("other");
        o["spec"]["phase"] = json!("Planned");
    });
    ends(begun().seen(&other), EndCause::Unwanted(Unwanted::Replaced));
}

#[test]
fn a_halt_in_scope_refuses_what_comes_under_it() {
    let mut desk = proven();
    let scope = HaltScope::Runs(BTreeSet::from(["shop/r".to_owned()]));
    desk.halted(vec![Halt { id: "h".into(), reason: "r".into(), scope }]);
    desk.seen(&object(|_| {}));
    assert_eq!(reason(&mut desk), "Halted");
}

#[test]
fn ceilings_count_what_is_live_and_what_is_looked_up() {
    let mut desk = proven();
    for uid in ["u-a", "u-b"] {
        order(desk.seen(&object(|o| {
            o["metadata"]["uid"] = json!(uid);
            o["metadata"]["name"] = json!(uid);
        })));
    }
    desk.seen(&object(|_| {}));
    assert_eq!(reason(&mut desk), "ConcurrencyLimit");
}

#[test]
fn targets_stand_alone_and_the_whole_is_the_least_finished() {
    let mut desk = proven();
    let order = order(desk.seen(&object(|_| {})));
    let (injection, assigned) = found(&order, &[1]);
    let slots = assigned[0].slots.clone();
    desk.assembled(injection, assigned);
    desk.attested(attested(&slots[0], State::InEffect, 0, 0));
    assert_eq!(status(&mut desk).0.state, Some(InjectionState::Accepted));
    desk.attested(attested(&slots[1], State::InEffect, 0, 0));
    let (now, last) = status(&mut desk);
    assert_eq!((now.state, last, now.effect_ended), (Some(InjectionState::InEffect), false, None));
    assert_eq!(now.targets[1].reason.as_deref(), Some("HostNetwork"));
    // A client used the Service's address only: the other side saw no packet, and that disproves nothing.
    desk.attested(attested(&slots[0], State::Restored, 3, 0));
    desk.attested(attested(&slots[1], State::Restored, 0, 0));
    let (now, last) = status(&mut desk);
    assert_eq!((now.state, now.effective, last), (Some(InjectionState::Restored), Some(Truth::True), true));
    assert_eq!((now.effect_ended.as_deref(), now.clean.as_deref()), (Some("at 9"), Some("at 9")));
    assert_eq!(now.targets[0].evidence.as_ref().and_then(|e| e.dropped), Some(3));
    let acts = desk.reported("u");
    assert!(matches!(&acts[..], [Act::Tell(e), Act::Reported(_)] if matches!(**e, Event::Forget { .. })));
    assert!(desk.is_empty());
    // The object is still there, with a status that is older than ours: it does not begin again.
    assert!(!matches!(&desk.seen(&object(|_| {}))[..], [Act::Assemble(_)]));
}

#[test]
fn a_packet_that_passed_disproves_it() {
    let mut desk = proven();
    let order = order(desk.seen(&object(|_| {})));
    let (injection, assigned) = found(&order, &[]);
    let slots: Vec<String> = assigned.iter().flat_map(|a| a.slots.clone()).collect();
    desk.assembled(injection, assigned);
    for slot in &slots {
        desk.attested(attested(slot, State::Restored, 3, u64::from(*slot == slots[3])));
    }
    assert_eq!(status(&mut desk).0.effective, Some(Truth::False));
}

#[test]
fn what_a_predecessor_began_is_reported_and_never_begun_again() {
    let order = crate::cluster::order::read("u", "shop", &object(|_| {}).spec).unwrap();
    let id = slot_id(&order, &order.targets[0], 0);
    let swept = |state| {
        let mut swept = attested(&id, state, 0, 0);
        swept.cause = Some(EndCause::Swept);
        swept
    };
    let slots = BTreeMap::from([(id.clone(), swept(State::Ending))]);
    let kept = Kept {
        begun: BTreeSet::from(["u".to_owned()]),
        recovered: BTreeMap::from([("u".to_owned(), slots)]),
        ..Kept::default()
    };
    let mut desk = moved(kept);
    desk.guarded(Guard::Proven);
    let acts = desk.seen(&object(|o| o["status"] = json!({"state": "InEffect"})));
    assert!(matches!(&acts[..], [Act::Report { .. }]), "{acts:?}");
    assert_eq!(status(&mut desk).0.state, Some(InjectionState::Ending));
    desk.attested(swept(State::Restored));
    let (now, last) = status(&mut desk);
    assert!(last);
    assert_eq!(now.targets[0].state, Some(InjectionState::Restored));
    assert_eq!(now.targets[0].reason.as_deref(), Some("Interrupted"));
}

#[test]
fn what_no_journal_knows_but_its_own_status_is_lost() {
    let mut desk = proven();
    desk.seen(&object(|o| o["status"] = json!({"state": "InEffect"})));
    let (now, last) = status(&mut desk);
    assert_eq!((now.state, last, now.effect_ended), (Some(InjectionState::Lost), true, None));
}

#[test]
fn an_event_from_before_ones_own_final_report_changes_nothing() {
    let mut desk = proven();
    let order = order(desk.seen(&object(|_| {})));
    let (injection, assigned) = found(&order, &[0, 1]);
    desk.assembled(injection, assigned);
    let (status, last) = status(&mut desk);
    assert!(last, "{status:?}");
    assert!(!desk.answered("u", true, false, true).is_empty());
    // The controller had cancelled it meanwhile, and its watch is behind.
    let cancelled = object(|o| {
        o["spec"]["phase"] = json!("Cancelled");
        o["status"] = json!({"state": "InEffect"});
    });
    assert!(desk.seen(&cancelled).is_empty());
    assert!(desk.is_empty(), "what is over is taken up again");
    // Another one of that name is another one.
    desk.listed(&BTreeSet::new());
    assert!(!desk.seen(&object(|o| o["metadata"]["uid"] = json!("v"))).is_empty());
}

#[test]
fn an_agent_whose_journal_is_new_begins_nothing_that_was_armed_before_it() {
    let mut desk = moved(Kept { fresh: true, ..Kept::default() });
    desk.guarded(Guard::Proven);
    let acts = desk.seen(&object(|_| {}));
    assert!(matches!(acts[..], [Act::Report { .. }]), "{acts:?}");
    desk.listed(&BTreeSet::from(["u".to_owned()]));
    assert_eq!(status(&mut desk).0.state, Some(InjectionState::Lost));
    // What comes later was armed while it was there.
    order(desk.seen(&object(|o| {
        o["metadata"]["uid"] = json!("v");
        o["metadata"]["name"] = json!("another");
    })));
}

#[test]
fn an_agent_that_ends_begins_nothing() {
    let mut desk = proven();
    desk.stop();
    desk.seen(&object(|_| {}));
    assert_eq!(reason(&mut desk), "Stopped");
}
