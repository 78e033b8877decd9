//! Gates over the network: asked right before the plan, and only before anything has begun.

use super::fake::{Fake, Wrong};
use crate::cluster::core::event::{ClosedGate, Event};
use rumpus_model::wire::Verdict;
use serde_json::json;

fn run(world: &mut Fake, armed: bool) {
    let mut seen = world.written("a", "partition", armed);
    let checks = json!({"checks": [{"name": "up", "role": "Gate", "http": {"url": "http://status/ok"}}]});
    seen.spec.experiment.as_mut().unwrap().steady_state = serde_json::from_value(checks).unwrap();
    world.runs.insert(seen.uid.clone(), seen.clone());
    world.tell(Event::Run(Box::new(seen)));
}

fn closed() -> Vec<ClosedGate> {
    vec![ClosedGate { name: "up".into(), why: "status 503".into() }]
}

#[test]
fn a_closed_gate_refuses_the_run_with_its_reason_whether_it_is_armed_or_not() {
    for armed in [true, false] {
        let mut world = Fake::new();
        world.closed = closed();
        run(&mut world, armed);
        world.seconds(20);
        let status = world.status("a");
        assert_eq!(status.verdict, Some(Verdict::Refused));
        assert_eq!(status.refusals[0].reason, "GateClosed");
        assert_eq!(status.refusals[0].message, "the check up says no: status 503");
        assert!(world.hits.is_empty());
        assert_eq!((world.count("gates"), world.count("create")), (1, 0), "{:?}", world.log);
    }
}

#[test]
fn an_open_gate_lets_it_begin_and_is_asked_before_anything_is_written() {
    let mut world = Fake::new();
    run(&mut world, true);
    world.seconds(20);
    assert_eq!(world.hits.len(), 2);
    assert!(world.log[0].starts_with("gates"), "{:?}", world.log);
    assert_eq!(world.count("gates"), 1);
}

#[test]
fn no_answer_about_a_gate_begins_nothing_and_is_asked_for_again() {
    let mut world = Fake::new();
    world.wrongs.insert("gates", [Wrong::Lost, Wrong::Busy].into());
    run(&mut world, true);
    world.pass(std::time::Duration::from_millis(50));
    assert!(world.hits.is_empty());
    world.seconds(20);
    assert_eq!(world.hits.len(), 2);
}

#[test]
fn an_answer_counts_for_ten_seconds() {
    let mut world = Fake::new();
    // No plan comes of it, ever more slowly, for more than ten seconds.
    world.wrongs.insert("plan", std::iter::repeat_n(Wrong::Lost, 9).collect());
    run(&mut world, true);
    world.seconds(80);
    assert!(world.count("gates") >= 2, "{:?}", world.log);
    assert_eq!(world.hits.len(), 2);
}

#[test]
fn what_is_in_effect_stays_when_another_controller_takes_over_and_the_gate_is_closed() {
    let mut world = Fake::new();
    run(&mut world, true);
    world.seconds(3);
    assert_eq!(world.hits.len(), 2);
    world.closed = closed();
    world.start();
    world.seconds(20);
    assert_eq!(world.status("a").verdict, Some(Verdict::NotApplicable), "{:?}", world.status("a"));
    assert_eq!(world.count("gates"), 1, "{:?}", world.log);
}
