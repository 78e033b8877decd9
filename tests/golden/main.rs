//! Golden tests: a policy and a World give this plan, a bad policy gives this text. A change of any of them is read
//! before it is accepted (`INSTA_UPDATE=always cargo test -p rumpus-tests --test golden`, then `git diff`).

mod clusters;
mod errors;
mod flags;
mod plans;
mod simulations;
mod ready;

use rumpus_model::plan::{Lookup, lookups, plan};
use rumpus_model::policy::{Policy, parse};
use rumpus_model::world::World;

/// Wraps an experiment in flow or block style, its lines beginning at column 1.
fn document(experiment: &str) -> String {
    let body: String = experiment.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "apiVersion: rumpus.dev/v1alpha1\nkind: ChaosPolicy\nmetadata: {{name: trial}}\nspec:\n  experiment:\n{body}"
    )
}

/// Parses one policy that must be good.
fn policy(text: &str) -> Policy {
    let parsed = parse(text);
    assert!(matches!(parsed.as_deref(), Ok([_])), "one good policy is meant here: {parsed:#?}\n{text}");
    parsed.into_iter().flatten().next().unwrap_or_else(|| unreachable!("asserted above"))
}

/// Plans and renders; every line keeps within the page.
fn page(world: &World, policy: &Policy) -> String {
    let plan = plan(world, policy, "42", "run-1");
    let page = rumpus_cli::render::plan(&plan);
    for line in page.lines() {
        assert!(line.chars().count() <= 100, "wider than 100 columns: {line}");
        assert!(!line.chars().any(char::is_control), "control characters in {line:?}");
        assert_eq!(line, line.trim_end(), "blanks at the end");
    }
    page
}

fn wanted(world: &World, policy: &Policy) -> Vec<Lookup> {
    lookups(world, policy, "42")
}
