//! Rates: how many runs of schedules begin within any stretch of time, of a group, of a namespace and altogether.

use super::fake::Fake;
use jiff::SignedDuration;
use rumpus_model::schedule::rate::Rates;
use rumpus_model::wire::{Mode, PolicyStatus};
use serde_json::json;

/// It is 22:31:40.
fn world(rates: Rates) -> Fake {
    let mut world = Fake::new();
    world.skew = SignedDuration::from_secs(100);
    world.rates = rates;
    world.start();
    world
}

fn skipped(status: Option<&PolicyStatus>) -> Vec<(String, String)> {
    status.iter().flat_map(|s| &s.skipped).map(|s| (s.reason.clone(), s.message.clone())).collect()
}

#[test]
fn of_a_group_no_more_begin_than_its_policy_says_and_the_window_rolls() {
    let mut world = world(Rates::default());
    world.policy(&json!({"every": "10m", "rate": {"runs": 2, "per": "1h"}}), Mode::Armed, "partition");
    world.seconds(4000);
    // From 22:40 and 22:50 on an hour passes; what began counts from when it really began.
    assert_eq!(world.begun(), ["20231114t224000", "20231114t225000"]);
    let told = skipped(world.policy_status.as_ref());
    assert_eq!(told[0].0, "RateExhausted", "{told:?}");
    assert!(told[0].1.starts_with("2/1h runs of this group are on record: the next may begin at 2023-11-14T23:40:00"));
    assert_eq!(world.record().recent.len(), 2);
    world.seconds(1200);
    assert_eq!(world.begun().len(), 4, "{:?}", world.begun());
}

#[test]
fn a_restart_forgets_nothing_of_it() {
    let mut world = world(Rates::default());
    world.policy(&json!({"every": "10m", "rate": {"runs": 1, "per": "1d"}}), Mode::Armed, "partition");
    for _ in 0..50 {
        world.seconds(100);
        world.start();
    }
    assert_eq!(world.begun().len(), 1, "{:?}", world.begun());
}

#[test]
fn of_a_namespace_and_of_all_no_more_begin_than_the_administrator_says() {
    let some = || Some("3/1h".parse().unwrap());
    let all = [
        (Rates { namespace: some(), cluster: None }, "namespace shop"),
        (Rates { namespace: None, cluster: some() }, "all namespaces"),
    ];
    for (rates, whose) in all {
        let mut world = world(rates);
        world.max_active = 100;
        world.owners = 8;
        world.policy(&json!({"every": "10m", "groupBy": "Owner"}), Mode::Armed, "partition");
        world.seconds(2000);
        assert_eq!(world.begun(), ["20231114t224000"; 3]);
        let told = skipped(world.policy_status.as_ref());
        assert_eq!(told[0].0, "RateExhausted");
        assert!(told[0].1.contains(whose), "{told:?}");
    }
}

#[test]
fn what_did_nothing_does_not_count_and_a_dry_run_takes_nothing_of_what_is_armed() {
    let mut refused = world(Rates::default());
    refused.guard = vec!["one that is missing".into()];
    refused.start();
    refused.policy(&json!({"every": "10m", "rate": {"runs": 1, "per": "1d"}}), Mode::Armed, "partition");
    refused.seconds(1300);
    assert_eq!(refused.begun().len(), 2, "{:?}", refused.begun());
    assert_eq!(refused.record().recent.len(), 0, "{:?}", refused.record());

    let mut both = world(Rates { namespace: Some("1/1d".parse().unwrap()), cluster: None });
    both.policy(&json!({"every": "10m"}), Mode::DryRun, "partition");
    both.seconds(1300);
    assert_eq!(both.begun().len(), 1);
    both.policy(&json!({"every": "10m"}), Mode::Armed, "partition");
    both.seconds(1300);
    assert_eq!(both.begun().len(), 2, "{:?}", both.begun());
}
