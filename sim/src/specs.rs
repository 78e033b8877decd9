//! What people ask for: one run in ten is of a kind that has to be refused.

use crate::rng::Rng;
use serde_json::{Value, json};

/// What makes a good run a bad one: where, and what is put there.
fn bad() -> Vec<(&'static str, Value)> {
    vec![
        ("duration", json!("0s")),
        ("duration", json!("-5s")),
        ("duration", json!("5")),
        ("duration", json!("9999h")),
        ("pick", json!({"count": 0})),
        ("pick", json!({"percent": 101})),
        ("pick", json!({"percent": 10, "count": 1})),
        ("pick", json!({})),
        ("faults", json!([])),
        ("faults", json!([{"latency": {}}])),
        ("faults", json!([{"latency": {"delay": "-1ms"}}])),
        ("faults", json!([{"loss": {"percent": 101, "direction": "Egress"}}])),
        ("faults", json!([{"partition": {}}, {"podDelete": {}}])),
        ("faults", json!([{"explode": {}}])),
        ("targets", json!({})),
        ("targets", json!({"pods": {}})),
        ("steadyState", json!({})),
        ("surprise", json!(1)),
    ]
}

/// Draws the spec of a policy that runs by itself, each minute.
pub fn policy(rng: &mut Rng) -> Value {
    let mut spec = good(rng);
    let concurrency = ["Forbid", "Allow", "Replace"];
    let concurrency = concurrency.get(rng.index(concurrency.len())).copied().unwrap_or("Forbid");
    let group = if rng.chance(500) { "Owner" } else { "Policy" };
    let late = 1 + rng.below(40);
    spec["schedule"] = json!({
        "every": "1m", "groupBy": group, "concurrency": concurrency, "startingDeadline": format!("{late}s"),
    });
    spec
}

/// Draws the spec of a run, and whether it has to be refused.
pub fn draw(rng: &mut Rng) -> (Value, bool) {
    let mut spec = good(rng);
    let invalid = rng.chance(100);
    let bad = bad();
    let (place, value) = bad.get(rng.index(bad.len())).cloned().unwrap_or_default();
    if invalid && let Some(fields) = spec.pointer_mut("/experiment").and_then(Value::as_object_mut) {
        fields.insert(place.into(), value);
    }
    (spec, invalid)
}

fn good(rng: &mut Rng) -> Value {
    let faults = match rng.below(8) {
        0 | 1 => json!([{"latency": {"delay": "100ms", "direction": "Both"}}]),
        2 => json!([{"kill": {"container": true}}]),
        3 => json!([{"podDelete": {}}]),
        4 | 5 => json!([{"loss": {"percent": 30, "direction": "Egress"}}]),
        _ => json!([{"partition": {"direction": "Both"}}]),
    };
    let once = faults.pointer("/0/kill").or(faults.pointer("/0/podDelete")).is_some();
    let mut experiment = json!({
        "targets": {"pods": {"selector": {"matchLabels": {"app": "web"}}}},
        "pick": {"count": 1 + rng.below(3)},
        "faults": faults,
        "steadyState": {"none": {"reason": "a simulation"}},
    });
    let seconds = 1 + rng.below(60);
    if !once && let Some(fields) = experiment.as_object_mut() {
        fields.insert("duration".into(), json!(format!("{seconds}s")));
    }
    let mode = if rng.chance(900) { "Armed" } else { "DryRun" };
    json!({"mode": mode, "experiment": experiment})
}
