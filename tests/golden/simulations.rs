//! What a simulated year looks like, for people and for programs.

use insta::assert_snapshot;
use rumpus_cli::render::simulate::{page, report, svg};
use rumpus_model::policy::{Policy, Site, parse_for};
use rumpus_model::schedule::simulate::{Input, Simulated, simulate};
use rumpus_model::schedule::synthetic;

fn policy() -> Option<Policy> {
    let text = "apiVersion: rumpus.dev/v1alpha1\nkind: ChaosPolicy\nmetadata: {name: monkey, namespace: shop}\nspec:\n  \
                schedule: {random: {meanWorkDays: 3, minWorkDays: 2, maxWorkDays: 6}, groupBy: Owner, timeZone: \
                Europe/Berlin}\n  experiment:\n    targets: {pods: {selector: {matchLabels: {app: web}}}}\n    pick: {count: \
                1}\n    faults: [{podDelete: {}}]\n    steadyState: {none: {reason: a test}}\n";
    parse_for(text, Site::Cluster).ok()?.pop()
}

fn simulated<T>(show: impl FnOnce(&Policy, &Input<'_>, &Simulated) -> T) -> Option<T> {
    let policy = policy()?;
    let world = synthetic::world(&policy, "shop", 4).ok()?;
    let from = "2026-06-01T00:00:00Z".parse().ok()?;
    let schedule = policy.schedule.as_ref()?;
    let input = Input { policy: &policy, schedule, namespace: "shop", seed: "7", from, days: 90 };
    let out = simulate(&world, &input);
    Some(show(&policy, &input, &out))
}

#[test]
fn for_people() {
    let page = simulated(page).unwrap();
    assert!(page.lines().all(|line| line.chars().count() <= 100 && line == line.trim_end()), "{page}");
    assert_snapshot!(page);
}

#[test]
fn for_programs() {
    let text = simulated(|policy, input, out| serde_json::to_string_pretty(&report(policy, input, out)).unwrap());
    assert_snapshot!(text.unwrap());
}

#[test]
fn as_a_picture() {
    assert_snapshot!(simulated(svg).unwrap());
}
