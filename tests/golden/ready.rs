//! Each ready policy is parsed, planned on a world that fits, and does something; its first comment keeps its promise.

use super::{page, policy};
use insta::assert_snapshot;
use jiff::Timestamp;
use rumpus_model::cluster::world::{Backend, Service, ServicePort};
use rumpus_model::policy::parse::parse_for;
use rumpus_model::policy::{Policy, Site};
use rumpus_model::schedule::simulate::{Input, simulate};
use rumpus_model::schedule::synthetic;
use rumpus_model::scope::Protocol;
use rumpus_tests::builders::{WorldBuilder, netns, process, world};
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

const CONTAINERS: [&str; 2] = [
    "0123456789ab0123456789ab0123456789ab0123456789ab0123456789abcdef",
    "ba9876543210ba9876543210ba9876543210ba9876543210ba9876543210abcd",
];

/// Policies of a cluster; all others are of a host.
const OF_A_CLUSTER: [&str; 18] = [
    "careful-monkey",
    "ci-gate",
    "classic-monkey",
    "crash-loop",
    "game-day",
    "gated-monkey",
    "kill-pod-container",
    "kill-pod-process",
    "latency-to-service",
    "mixed-monkey",
    "night-shift",
    "partition-workloads",
    "pod-delete",
    "pod-evict",
    "recycle-oldest",
    "slow-dependency",
    "weekly-loss",
    "zone-failure",
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../policies")
}

/// A host on which every ready policy finds its targets.
fn host() -> WorldBuilder {
    let mut host = world().with_user("checkout", 1000);
    for name in ["rumpus-demo-client", "rumpus-demo-api", "rumpus-demo-store", "web", "own"] {
        host = host.with_netns(netns(name));
    }
    let service = |role: &str| {
        let process = process("demo-service").cmdline(&format!("rumpus-demo-service {role}"));
        process.in_netns(&format!("rumpus-demo-{role}"))
    };
    for _ in 0..3 {
        host = host.with(service("api"));
    }
    host = host.with(service("store")).with(service("client")).with(process("nginx").in_netns("web"));
    for _ in 0..5 {
        let checkout = process("checkout").exe("/usr/local/bin/checkout").user(1000).in_netns("own");
        host = host.with(checkout);
    }
    host = host.with_netns(netns("box").unnamed());
    for id in CONTAINERS {
        host = host.with_container(id).with(process("app").in_container(id).in_netns("box"));
    }
    host
}

/// What a year of a policy with a schedule comes to: forty applications with a database, and no limit is broken.
fn year(policy: &Policy) -> Result<Option<String>, String> {
    let Some(schedule) = &policy.schedule else { return Ok(None) };
    let mut world = synthetic::world(policy, "shop", 40)?;
    let backend = Backend { addresses: vec![IpAddr::from([10, 0, 0, 7])], ..Backend::default() };
    world.services = Ok(vec![Service {
        namespace: "shop".into(),
        name: "postgres".into(),
        cluster_ips: vec![IpAddr::from([10, 96, 0, 7])],
        external_name: None,
        ports: vec![ServicePort { protocol: Protocol::Tcp, port: 5432 }],
        backends: vec![backend],
    }]);
    // The first of December 2026.
    let from = Timestamp::from_second(1_796_083_200).unwrap_or_default();
    let input = Input { policy, schedule, namespace: "shop", seed: "1", from, days: 365 };
    let out = simulate(&world, &input);
    let name = &policy.name;
    assert_eq!((out.violations, out.outside_window), (0, 0), "{name}: {:?}", out.named);
    assert!(!out.actions.is_empty(), "{name}: {:?}", out.refused);
    assert!(out.refused.is_empty(), "{name}: {:?}", out.refused);
    let victims: usize = out.actions.iter().map(|action| action.victims.len()).sum();
    let (actions, groups) = (out.actions.len(), out.groups);
    let gap = out.mean_gap().map_or_else(String::new, |gap| format!(", a mean gap of {gap:.2} work days"));
    let faults: String = out.faults.iter().map(|((index, fault), n)| format!(", {n} of [{index}] {fault}")).collect();
    Ok(Some(format!("{name}: {actions} runs of {groups} groups on {victims} pods{gap}{faults}")))
}

#[test]
fn every_ready_policy_finds_targets_and_says_how_to_stop_it() {
    let mut names: Vec<PathBuf> = fs::read_dir(folder()).unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    assert!(names.len() >= 8, "{names:?}");
    let (mut pages, mut of_a_cluster, mut years) = (Vec::new(), Vec::new(), Vec::new());
    for path in names {
        let text = fs::read_to_string(&path).unwrap();
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        for promise in ["# Does: ", "# Needs: ", "# Stop: "] {
            assert!(text.lines().any(|l| l.starts_with(promise)), "{stem} does not say `{promise}`");
        }
        if OF_A_CLUSTER.contains(&stem.as_str()) {
            let parsed = parse_for(&text, Site::Cluster);
            assert!(matches!(parsed.as_deref(), Ok([policy]) if policy.name == stem), "{stem}: {parsed:#?}");
            years.extend(parsed.unwrap().iter().filter_map(|policy| year(policy).unwrap()));
            of_a_cluster.push(stem);
            continue;
        }
        let policy = policy(&text);
        assert_eq!(policy.name, stem);
        let plan = rumpus_model::plan::plan(&host().build(), &policy, "42", "run-1");
        assert!(plan.acts(), "{stem} does nothing: {plan:#?}");
        pages.push(page(&host().build(), &policy));
    }
    assert_eq!(of_a_cluster, OF_A_CLUSTER);
    assert_snapshot!(pages.join("\n"));
    assert_snapshot!("years_of_the_ready_policies", years.join("\n"));
}
