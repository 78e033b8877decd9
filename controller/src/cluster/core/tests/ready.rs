//! The condition of a policy that tells whether what it means is ready for chaos.

use super::fake::Fake;
use crate::cluster::core::event::PolicySeen;
use jiff::SignedDuration;
use rumpus_model::wire::{Condition, ConditionType, Mode, Truth};
use serde_json::json;

fn ready(world: &Fake) -> Option<Condition> {
    world.policy_status.as_ref().and_then(|status| status.conditions.first()).cloned()
}

#[test]
fn it_says_what_lint_says_and_since_when() {
    let mut world = Fake::new();
    world.skew = SignedDuration::from_secs(100);
    let policy = world.policy(&json!({"every": "10m"}), Mode::DryRun, "partition");
    world.seconds(20);
    let first = ready(&world).unwrap();
    assert_eq!(
        (first.type_, first.status, first.reason.as_str()),
        (ConditionType::ReadyForChaos, Truth::False, "NotReady")
    );
    assert!(first.message.contains("lacks ReadinessProbe, DisruptionBudget, Spread"), "{}", first.message);
    // What the controller wrote comes back to it, and to the next one: it is no change of the policy.
    let seen = PolicySeen { ready: Some(first.clone()), ..policy };
    world.change(&seen);
    world.seconds(700);
    assert_eq!(ready(&world), Some(first.clone()));
    assert_eq!(world.begun().len(), 1, "what is due is not asked for anew");
    world.start();
    world.seconds(20);
    assert_eq!(ready(&world), Some(first), "another controller says the same");
}
