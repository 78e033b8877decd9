//! The parser by its edges; each message in full stands in the golden tests.

use super::{Mode, Policy, Problem, Site, parse};
use crate::fault::{Fault, Kill};
use crate::pick::Pick;
use crate::scope::{Port, Protocol};
use crate::wire::{API_VERSION, ChaosRun, Metadata, RUN_KIND, RunSpec};
use std::time::Duration;

const HEAD: &str = "apiVersion: rumpus.dev/v1alpha1\nkind: ChaosPolicy\nmetadata: {name: a}\nspec:\n  experiment:\n";

fn experiment(body: &str) -> Result<Policy, Vec<Problem>> {
    let indented: String = body.lines().map(|l| format!("    {l}\n")).collect();
    parse(&format!("{HEAD}{indented}")).map(|mut all| all.remove(0))
}

fn with(faults: &str) -> Result<Policy, Vec<Problem>> {
    experiment(&format!(
        "targets: {{netns: {{names: [a]}}}}\npick: {{all: true}}\nfaults: [{faults}]\nduration: 5s\n\
         steadyState: {{none: {{reason: test}}}}\n"
    ))
}

fn network(faults: &str) -> crate::fault::Network {
    with(faults).unwrap().experiment.fault.network().unwrap().clone()
}

fn told(result: Result<Policy, Vec<Problem>>) -> Vec<String> {
    result.unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn a_whole_policy_is_read() {
    let policy = experiment(
        "targets: {processes: {name: web, user: 33, exclude: {user: root}}}\npick: {count: 2}\n\
         faults:\n- kill: {signal: SIGTERM, grace: 3s}\nsteadyState: {none: {reason: first trial}}\n",
    )
    .unwrap();
    assert_eq!((policy.name.as_str(), policy.mode, policy.experiment.pick), ("a", Mode::DryRun, Pick::Count(2)));
    assert_eq!(policy.experiment.fault, Fault::Kill(Kill::Process { signal: 15, grace: Duration::from_secs(3) }));
    assert_eq!(policy.experiment.duration, None);
    assert!(policy.unbuilt.is_empty());
}

#[test]
fn every_problem_is_told_with_its_field_and_line() {
    let text = told(experiment(
        "targets: {processes: {}}\npick: {count: \"2\"}\nfaults:\n- latency: {delay: 11s, direction: both}\n\
         duratoin: 5s\nsteadyState: {none: {}}\n",
    ));
    let expected = [
        "spec.experiment.targets.processes: an empty selector selects nothing (line 6)",
        "spec.experiment.pick.count: a whole number is meant here, not the text `2` (line 7)",
        "spec.experiment.faults[0].latency.delay: `11s` is not within 1ms and 10s (line 9)",
        "spec.experiment.faults[0].latency.direction: `both` is none of Egress, Ingress, Both (line 9)",
        "spec.experiment.duratoin: unknown field (line 10)",
        "spec.experiment.steadyState.none.reason: is missing (line 11)",
    ];
    assert_eq!(text, expected);
}

#[test]
fn several_documents_are_several_policies_with_lines_of_the_file() {
    let one = |name: &str, count: &str| {
        format!(
            "apiVersion: rumpus.dev/v1alpha1\nkind: ChaosPolicy\nmetadata: {{name: {name}}}\nspec:\n  experiment:\n    \
             targets: {{netns: {{names: [a]}}}}\n    pick: {{count: {count}}}\n    faults: [partition: {{direction: \
             Both}}]\n    duration: 5s\n    steadyState: {{none: {{reason: t}}}}\n"
        )
    };
    let two = format!("---\n{}---\n{}---\n", one("a", "1"), one("b", "1"));
    assert_eq!(parse(&two).unwrap().iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let same = format!("{}---\n{}", one("a", "1"), one("a", "1"));
    assert_eq!(parse(&same).unwrap_err()[0].path, "metadata.name");
    let bad = format!("{}---\n{}", one("a", "1"), one("b", "0"));
    assert_eq!(parse(&bad).unwrap_err()[0].line, Some(18));
}

#[test]
fn quoted_numbers_and_booleans_octals_and_empty_fields_are_refused() {
    for pick in ["{count: \"1\"}", "{all: \"true\"}", "{all: yes}", "{count: 010}", "{count: 1_0}", "{count: 1.0}"] {
        let body = format!("pick: {pick}\n");
        let problems = experiment(&body).unwrap_err();
        assert!(problems.iter().any(|p| p.path.starts_with("spec.experiment.pick.")), "{pick}: {problems:?}");
    }
    let text = told(with("partition: {direction: Both, peers: }"));
    assert_eq!(text.len(), 1, "{text:?}");
    assert!(text[0].contains("peers: a mapping is meant here, not nothing"), "{text:?}");
}

#[test]
fn ports_become_ranges_of_one_protocol_each() {
    let tcp = |from, to| Port { protocol: Protocol::Tcp, from, to };
    let udp = |from, to| Port { protocol: Protocol::Udp, from, to };
    let read = |ports: &str| network(&format!("loss: {{percent: 5, direction: Both, {ports}}}")).ports;
    assert_eq!(read("ports: [5432]"), [tcp(5432, 5432), udp(5432, 5432)]);
    assert_eq!(read("ports: ['5432/TCP', 8000-8100/UDP]"), [tcp(5432, 5432), udp(8000, 8100)]);
    assert_eq!(read("ports: [53, 60/UDP], protocols: [UDP]"), [udp(53, 53), udp(60, 60)]);
    assert_eq!(read("ports: [80-90/TCP, 85-95/TCP, 96/TCP, 65535/TCP]"), [tcp(80, 96), tcp(65535, 65535)]);
    assert_eq!(read("ports: [80], localPorts: [53/UDP]"), [udp(80, 80)]);
    for bad in ["ports: [0]", "ports: [65536]", "ports: ['80,443;flush ruleset']", "ports: [9-1]", "ports: ['+80']"] {
        assert!(with(&format!("loss: {{percent: 5, direction: Both, {bad}}}")).is_err(), "{bad}");
    }
    for bad in [
        "ports: [80/TCP], protocols: [UDP]",
        "ports: [80], protocols: [ICMP]",
        "ports: [80/TCP], protocols: [TCP, UDP]",
        "ports: [80/TCP], localPorts: [53/UDP]",
    ] {
        assert!(with(&format!("loss: {{percent: 5, direction: Both, {bad}}}")).is_err(), "{bad}");
    }
}

#[test]
fn peers_are_exact_networks() {
    let read = |peers: &str| network(&format!("partition: {{direction: Both, peers: {peers}}}"));
    let found =
        read("{addresses: ['::ffff:10.0.0.1', '::ffff:10.0.0.0/104', 'fd00::/8'], names: [DB.example, db.example]}");
    let peers = found.peers.unwrap();
    let text: Vec<String> = peers.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(text, ["10.0.0.1/32", "10.0.0.0/8", "fd00::/8"]);
    assert_eq!(peers.names, ["db.example"]);
    assert_eq!(read("{except: {addresses: [10.0.0.1]}}").peers, None);
    for bad in ["{}", "{addresses: [10.0.0.1/8]}", "{addresses: ['fe80::1%eth0']}", "{addresses: []}", "{names: [a_b]}"]
    {
        assert!(with(&format!("partition: {{direction: Both, peers: {bad}}}")).is_err(), "{bad}");
    }
    let hint = with("partition: {direction: Both, peers: {addresses: [10.0.0.1/8]}}").unwrap_err().remove(0).hint;
    assert_eq!(hint, "write 10.0.0.0/8 for the whole network, or 10.0.0.1 for the one address");
}

#[test]
fn bombs_are_refused_within_the_budget() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..12 {
        let uses = vec![format!("*a{}", n - 1); 10].join(", ");
        bomb += &format!("a{n}: &a{n} [{uses}]\n");
    }
    let deep = "[".repeat(10_000);
    let block: String = (0..10_000).map(|n| format!("{}-\n", " ".repeat(n % 90))).collect();
    let wide = format!("{HEAD}    targets: {{netns: {{names: [{}]}}}}\n", "a, ".repeat(100_000));
    for text in [bomb, deep, wide, "a".repeat((1 << 20) + 1)] {
        let problems = parse(&text).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
    }
    assert!(parse(&block).is_err());
}

/// What is wrong in a run with these fields beside its experiment.
fn wrong_in_a_run(fields: serde_json::Value) -> Vec<String> {
    let experiment = serde_json::json!({
        "targets": {"pods": {"selector": {"matchLabels": {"app": "web"}}}}, "pick": {"count": 1},
        "faults": [{"podDelete": {}}], "steadyState": {"none": {"reason": "a test"}},
    });
    let mut spec: RunSpec = serde_json::from_value(fields).unwrap();
    spec.experiment = serde_json::from_value(experiment).unwrap();
    let metadata = Metadata { name: Some("r".into()), namespace: Some("shop".into()), ..Metadata::default() };
    let run = ChaosRun {
        api_version: Some(API_VERSION.into()),
        kind: Some(RUN_KIND.into()),
        metadata: Some(metadata),
        spec: Some(spec),
    };
    let problems = Policy::from_run(&run, Site::Cluster).err().unwrap_or_default();
    problems.into_iter().map(|problem| problem.path).collect()
}

#[test]
fn a_slot_and_a_group_are_of_runs_that_a_schedule_begins() {
    let policy = serde_json::json!({"name": "p", "uid": "u"});
    let until = "2026-11-30T10:00:00Z";
    let whole = serde_json::json!({
        "policyRef": policy, "slot": "20261130", "startBy": until, "group": "web", "groupBy": "label:app",
    });
    assert_eq!(wrong_in_a_run(whole.clone()), [""; 0]);
    let without = |field: &str| {
        let mut other = whole.clone();
        other.as_object_mut().unwrap().remove(field);
        wrong_in_a_run(other)
    };
    assert_eq!(without("policyRef"), ["spec.slot"]);
    assert_eq!(without("slot"), ["spec.slot"]);
    assert_eq!(without("startBy"), ["spec.startBy"]);
    assert_eq!(without("groupBy"), ["spec.groupBy"]);
    assert_eq!(without("group"), ["spec.group"]);
    let mut other = whole;
    other["groupBy"] = "label:".into();
    assert_eq!(wrong_in_a_run(other), ["spec.groupBy"]);
}

#[test]
fn of_several_faults_each_is_looked_at_and_the_duration_is_of_those_that_last() {
    let several = |faults: &str, duration: &str| {
        experiment(&format!(
            "targets: {{processes: {{name: web}}}}\npick: {{count: 1}}\nfaults: [{faults}]\n{duration}\
             steadyState: {{none: {{reason: test}}}}\n"
        ))
    };
    let (kill, loss, lasts) =
        ("{kill: {signal: 9}}", "{loss: {percent: 5, direction: Both}, weight: 3}", "duration: 5s\n");
    let read = several(&format!("{kill}, {loss}"), lasts).unwrap().experiment;
    let faults = read.faults.clone().unwrap();
    assert_eq!(faults.list.iter().map(|(f, w)| (f.name(), *w)).collect::<Vec<_>>(), [("kill", 1), ("loss", 3)]);
    assert_eq!((read.fault.name(), read.duration, faults.duration), ("kill", None, Some(Duration::from_secs(5))));
    let one = several("{kill: {signal: 9}, weight: 7}", "").unwrap().experiment;
    assert!(one.faults.is_none() && one.drawn.is_none());
    let nine = [kill; 9].join(", ");
    for (faults, duration, expected) in [
        (format!("{kill}, {loss}"), "", "duration: is missing"),
        (format!("{kill}, {kill}"), lasts, "duration: each of the faults is done once and has no duration"),
        ("{kill: {signal: 9}, weight: 0}".into(), "", "faults: every weight is 0, so none is ever drawn"),
        (nine, "", "faults: 9 faults are more than 8"),
        (
            format!("{kill}, {{kill: {{signal: 9}}, weight: 1001}}"),
            "",
            "faults[1].weight: 1001 is not within 0 and 1000",
        ),
        (format!("{kill}, {{kill: {{signal: 99}}, weight: -1}}"), "", "faults[1].weight: -1 is not within 0 and 1000"),
        (
            format!("{kill}, {{kill: {{signal: 99}}}}"),
            "",
            "faults[1].kill.signal: `99` is no signal that ends a process",
        ),
        (format!("{kill}, {{kill: {{container: true}}}}"), "", "faults[1].kill.container: a whole container is killed"),
    ] {
        let told = told(several(&faults, duration));
        assert!(told.iter().any(|t| t.starts_with(&format!("spec.experiment.{expected}"))), "{faults}: {told:?}");
    }
    let alone = crate::wire::Fault { weight: Some(2), ..crate::cluster::written::fault(&faults.list[1].0) };
    assert!(super::fault(&alone, Site::Cluster).is_err());
}

#[test]
fn a_pick_is_weighted_by_a_label_or_sorted_by_age_and_on_a_host_only_sorted() {
    let with = |pick: &str| {
        let experiment = serde_json::json!({
            "targets": {"pods": {"selector": {"matchLabels": {"app": "web"}}}}, "faults": [{"podDelete": {}}],
            "pick": serde_json::from_str::<serde_json::Value>(pick).unwrap(),
            "steadyState": {"none": {"reason": "a test"}},
        });
        super::Policy::from_wire(
            &crate::wire::ChaosPolicy::by_hand("a", serde_json::from_value(experiment).unwrap()),
            Site::Cluster,
        )
    };
    let good = with(r#"{"count": 1, "order": "Random", "weightBy": {"label": "example.com/weight"}}"#).unwrap();
    assert_eq!(good.experiment.weight_by.as_deref(), Some("example.com/weight"));
    for (pick, expected) in [
        (r#"{"count": 1, "order": "Oldest", "weightBy": {"label": "w"}}"#, "weightBy: weightBy draws and order sorts"),
        (r#"{"count": 1, "weightBy": {}}"#, "weightBy: is missing"),
        (r#"{"count": 1, "weightBy": {"label": "a/b/c"}}"#, "weightBy.label: "),
    ] {
        let told = told(with(pick));
        let start = format!("spec.experiment.pick.{expected}");
        assert!(told.len() == 1 && told[0].starts_with(&start), "{pick}: {told:?}");
    }
    let host = experiment(
        "targets: {processes: {name: web}}\npick: {count: 1, weightBy: {label: w}}\nfaults: [kill: {signal: 9}]\n\
         steadyState: {none: {reason: test}}\n",
    )
    .unwrap();
    assert_eq!(host.unbuilt[0].field, "spec.experiment.pick.weightBy");
}
