//! Policies that come from elsewhere than a ChaosPolicy in a file: flags, runs, and very many peers.

use super::document;
use rumpus_model::fault::Fault;
use rumpus_model::policy::{Mode, Policy, Site, parse};
use rumpus_model::wire::scalar::word;
use rumpus_model::wire::targets::NetNs;
use rumpus_model::wire::{
    ChaosPolicy, Direction, Experiment, Latency, NoChecks, NumberOrText, Peers, Pick, SteadyState, Targets,
};

fn by_flags(delay: &str, port: &str, direction: &str) -> ChaosPolicy {
    let latency = Latency {
        delay: Some(delay.into()),
        direction: word::<Direction>(direction).ok(),
        peers: Some(Peers { names: Some(vec!["db".into()]), ..Peers::default() }),
        ports: Some(vec![NumberOrText::plain(port)]),
        ..Latency::default()
    };
    let fault = rumpus_model::wire::Fault { latency: Some(latency), ..Default::default() };
    let none = NoChecks { reason: Some("by hand".into()) };
    ChaosPolicy::by_hand(
        "by-hand",
        Experiment {
            targets: Some(Targets { netns: Some(NetNs { names: Some(vec!["web".into()]) }), ..Targets::default() }),
            pick: Some(Pick { all: Some(true), ..Pick::default() }),
            faults: Some(vec![fault]),
            duration: Some("5s".into()),
            limits: None,
            steady_state: Some(SteadyState { none: Some(none), checks: None }),
        },
    )
}

#[test]
fn flags_are_checked_by_the_rules_of_files_and_give_the_same_fault() {
    let flags = Policy::from_wire(&by_flags("100ms", "5432", "Egress"), Site::Host).unwrap();
    let file = document(
        "targets: {netns: {names: [web]}}\npick: {all: true}\nfaults: [latency: {delay: 100ms, direction: Egress, \
         peers: {names: [db]}, ports: [5432]}]\nduration: 5s\nsteadyState: {none: {reason: by hand}}\n",
    );
    let file = parse(&file).unwrap().remove(0);
    assert_eq!(flags.experiment.fault, file.experiment.fault);
    assert_eq!(format!("{:?}", flags.experiment), format!("{:?}", file.experiment));
}

#[test]
fn what_is_wrong_with_flags_has_a_field_and_no_line() {
    let problems = Policy::from_wire(&by_flags("11s", "0", "Out"), Site::Host).unwrap_err();
    let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        text,
        [
            "spec.experiment.faults[0].latency.delay: `11s` is not within 1ms and 10s",
            "spec.experiment.faults[0].latency.direction: is missing",
            "spec.experiment.faults[0].latency.ports[0]: `0` is no port",
        ]
    );
    assert!(word::<Direction>("Out").is_err());
}

#[test]
fn a_run_brings_its_seed_and_what_belongs_to_a_cluster_is_kept_by_name() {
    let text = document(
        "targets: {host: {}}\npick: {all: true}\nfaults: [loss: {percent: 1, direction: Both}]\nduration: 5s\n\
         steadyState: {none: {reason: t}}\n",
    );
    let text = text.replace("ChaosPolicy", "ChaosRun").replace(
        "spec:\n",
        "spec:\n  policyRef: {name: a, uid: b}\n  group: shop\n  mode: Armed\n  seed: '7'\n  reason: why not\n  requestedBy: me\n  \
         stop: false\n",
    );
    let run = parse(&text).unwrap().remove(0);
    assert_eq!((run.seed.as_deref(), run.mode), (Some("7"), Mode::Armed));
    let fields: Vec<&str> = run.unbuilt.iter().map(|u| u.field.as_str()).collect();
    assert_eq!(fields, ["spec.policyRef", "spec.group", "spec.requestedBy"]);
}

#[test]
fn ten_thousand_peers_are_read() {
    let list: Vec<String> = (0..10_000).map(|n| format!("10.{}.{}.0/24", n / 256, n % 256)).collect();
    let text = document(&format!(
        "targets: {{host: {{}}}}\npick: {{all: true}}\nfaults: [partition: {{direction: Both, peers: {{addresses: [{}]}}}}]\n\
         duration: 5s\nsteadyState: {{none: {{reason: t}}}}\n",
        list.join(", ")
    ));
    let Fault::Partition(partition) = parse(&text).unwrap().remove(0).experiment.fault else { unreachable!() };
    assert_eq!(partition.network.peers.map(|p| p.addresses.len()), Some(10_000));
}
