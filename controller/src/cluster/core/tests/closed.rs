//! Whatever is missing, unreadable or says no: nothing is hit, and it is said why.

use super::fake::{Fake, Wrong, halt};
use crate::cluster::core::event::{ClosedGate, Event, PolicySeen};
use jiff::SignedDuration;
use rumpus_model::cluster::world::HaltScope;
use rumpus_model::wire::{Mode, PolicySpec, SteadyState};
use serde_json::{Value, json};

type Break = fn(&mut Fake, &mut PolicySeen);

/// Whether the policy's status, a run's or what the controller shows of itself tells of it.
fn tells(world: &Fake, word: &str) -> bool {
    let policy = format!("{:?}", world.policy_status);
    let runs = format!("{:?}", world.runs.values().map(|run| (&run.spec.mode, &run.status)).collect::<Vec<_>>());
    let view = format!("{:?}", world.core.view());
    [policy, runs, view].iter().any(|text| text.contains(word))
}

fn schedule(value: Value) -> Option<rumpus_model::wire::Schedule> {
    Some(serde_json::from_value(value).unwrap())
}

#[test]
fn nothing_is_hit_where_anything_is_missing() {
    let gated: Break = |world, policy| {
        let checks = json!({"checks": [{"name": "up", "role": "Gate", "http": {"url": "http://status"}}]});
        let steady: SteadyState = serde_json::from_value(checks).unwrap();
        policy.spec.experiment.as_mut().unwrap().steady_state = Some(steady);
        world.closed = vec![ClosedGate { name: "up".into(), why: "no answer within 2s".into() }];
    };
    let cases: [(&str, Break, &str); 12] = [
        ("an admission policy is missing", |w, _| w.guard = vec!["V1".into()], "AdmissionGuardMissing"),
        ("a Halt stands", |w, _| w.halts = vec![halt(HaltScope::All)], "Halted"),
        ("a gate does not answer", gated, "GateClosed"),
        ("it is suspended", |_, p| p.spec.suspend = Some(true), "Suspended"),
        ("it does not say that it is armed", |_, p| p.spec.mode = None, "DryRun"),
        ("its schedule makes no sense", |_, p| p.spec.schedule = schedule(json!({"every": "often"})), "Invalid"),
        ("its chance is no number", |_, p| p.spec.schedule = schedule(json!({"random": {}})), "Invalid"),
        (
            "its calendar is not mounted",
            |_, p| p.spec.schedule = schedule(json!({"every": "10m", "holidays": {"calendars": ["de"]}})),
            "there is no calendar `de`",
        ),
        (
            "the records cannot be read",
            |w, _| drop(w.wrongs.insert("read groups", vec![Wrong::Busy; 900].into())),
            "as told",
        ),
        (
            "the records cannot be written",
            |w, _| drop(w.wrongs.insert("groups", vec![Wrong::Refused; 900].into())),
            "as told",
        ),
        (
            "the Ledger cannot be written",
            |w, _| drop(w.wrongs.insert("ledger", vec![Wrong::Refused; 900].into())),
            "as told",
        ),
        ("nothing is due", |_, p| p.spec.schedule = schedule(json!({"at": "2030-01-01T00:00:00Z"})), "Scheduled"),
    ];
    for (case, broken, word) in cases {
        let mut world = Fake::new();
        world.skew = SignedDuration::from_secs(100);
        let experiment = world.written("x", "partition", true).spec.experiment;
        let spec = PolicySpec {
            mode: Some(Mode::Armed),
            schedule: schedule(json!({"every": "10m"})),
            experiment,
            ..PolicySpec::default()
        };
        let key = super::fake::key("monkey");
        let mut policy =
            PolicySeen { key, uid: "uid-monkey".into(), generation: 1, deleting: false, spec, ready: None };
        broken(&mut world, &mut policy);
        world.policy = Some(policy);
        world.start();
        world.seconds(700);
        assert!(world.hits.is_empty(), "{case}: {:?}", world.log);
        assert!(tells(&world, word), "{case}: `{word}` is told nowhere: {:?}", world.policy_status);
    }
}

/// The same with nothing broken: what the cases above miss is not there for another reason.
#[test]
fn with_nothing_broken_it_does_hit() {
    let mut world = Fake::new();
    world.skew = SignedDuration::from_secs(100);
    world.policy(&json!({"every": "10m"}), Mode::Armed, "partition");
    world.seconds(700);
    assert_eq!(world.hits.len(), 2);
    world.tell(Event::Wake);
}
