//! How long planning takes: 10,000 of 100,000 pods. Never a test: it prints what it measured.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement prints, and reads the clock")]

use rumpus_model::cluster::labels::Labels;
use rumpus_model::cluster::pod::{Container, OwnerRef, Phase, Pod, Role};
use rumpus_model::cluster::world::{Namespace, Node, NodeAgent, Owner, Rules};
use rumpus_model::cluster::{RunInput, Text, World, plan};
use rumpus_model::engine::Engine;
use rumpus_model::policy::{Policy, Site, parse_for};
use std::sync::Arc;
use std::time::{Duration, Instant};

const PODS: usize = 100_000;
const NODES: usize = 1_000;
const EACH: usize = 20;
const ROUNDS: usize = 21;

fn main() {
    let world = world();
    for (name, pick, fault, limits) in [
        ("loss, 10 %", "percent: 10, rounding: Down", "loss: {percent: 10, direction: Both}", ""),
        ("kill, 10 %", "percent: 10, rounding: Down", "kill: {signal: TERM}", ""),
        (
            "loss, 10 %, minHealthy",
            "percent: 10, rounding: Down",
            "loss: {percent: 10, direction: Both}",
            "limits: {minHealthy: 1}",
        ),
        ("loss, one", "count: 1", "loss: {percent: 10, direction: Both}", ""),
        ("podDelete, one", "count: 1", "podDelete: {}", ""),
    ] {
        let policies = policy(pick, fault, limits);
        let Some(policy) = policies.first() else { return println!("{name}: the policy is refused") };
        let input = RunInput {
            policy: policy.clone(),
            namespace: "shop".into(),
            name: "bench".into(),
            run_uid: "run".into(),
            seed: "42".into(),
            policy_uid: None,
        };
        let mut times: Vec<Duration> = Vec::new();
        let mut targets = 0;
        for _ in 0..ROUNDS {
            let begin = Instant::now();
            let made = plan(&world, &input, 3_600);
            times.push(begin.elapsed());
            targets = made.targets().count();
        }
        times.sort();
        let at = |index: usize| times.get(index).copied().unwrap_or_default();
        println!("{name}: {targets} of {PODS} pods, best {:?}, median {:?}", at(0), at(ROUNDS / 2));
    }
}

fn policy(pick: &str, fault: &str, limits: &str) -> Vec<Policy> {
    let lasts = if fault.starts_with("loss") { "    duration: 30s\n" } else { "" };
    let text = format!(
        "apiVersion: rumpus.dev/v1alpha1\nkind: ChaosPolicy\nmetadata: {{name: bench}}\nspec:\n  experiment:\n    \
         targets: {{pods: {{selector: {{matchLabels: {{app: web}}}}}}}}\n    pick: {{{pick}}}\n    faults: [{{{fault}}}]\n\
         {lasts}    steadyState: {{none: {{reason: bench}}}}\n    {limits}\n"
    );
    parse_for(&text, Site::Cluster).unwrap_or_default()
}

fn world() -> World {
    let names: Vec<Text> = (0..NODES).map(|n| format!("node-{n}").into()).collect();
    let engines = [("kill", Engine::Signal), ("loss", Engine::Nft)].map(|(n, e)| (n.to_owned(), e)).into();
    let agent = NodeAgent { present: Ok(()), engines, missing: [].into(), admission: Ok(()), unrestored: Vec::new() };
    let (shop, kind): (Text, Text) = ("shop".into(), "Deployment".into());
    let labels: Vec<(Text, Text)> = [("app", "web"), ("pod-template-hash", "5d4f8c7b9d"), ("tier", "front")]
        .map(|(k, v)| (k.into(), v.into()))
        .into();
    let pod = |n: usize| Pod {
        uid: format!("00000000-0000-4000-8000-{n:012}").into(),
        namespace: shop.clone(),
        name: format!("web-{}-{n}", n / EACH).into(),
        labels: Labels::new(labels.clone()),
        node: names.get(n % NODES).cloned(),
        phase: Phase::Running,
        ready: true,
        terminating: false,
        created: 0,
        host_network: false,
        addresses: Vec::new(),
        runtime_class: None,
        owner: Some(OwnerRef {
            kind: kind.clone(),
            name: format!("web-{}", n / EACH).into(),
            uid: format!("owner-{}", n / EACH).into(),
        }),
        containers: vec![Container {
            name: "app".into(),
            role: Role::App,
            id: Some(format!("containerd://{n:064x}").into()),
            running: true,
        }],
        probes: Vec::new(),
        readiness_probe: false,
        spread: false,
    };
    let owner = |n: usize| Owner {
        kind: kind.clone(),
        namespace: shop.clone(),
        name: format!("web-{n}").into(),
        desired: Some(20),
        ..Owner::default()
    };
    let opted = Labels::new([("rumpus.dev/chaos".into(), "enabled".into())]);
    let node = Node { ready: true, agent: Some(agent), ..Node::default() };
    World {
        pods: Ok((0..PODS).map(|n| Arc::new(pod(n))).collect()),
        owners: Ok((0..PODS / EACH).map(|n| (format!("owner-{n}").into(), owner(n))).collect()),
        namespaces: Ok([(shop.clone(), Namespace::new(opted, None))].into()),
        nodes: Ok(names.iter().map(|n| (n.clone(), node.clone())).collect()),
        services: Ok(Vec::new()),
        budgets: Ok(Vec::new()),
        halts: Ok(Vec::new()),
        active: Ok(Vec::new()),
        hits: Ok(Arc::default()),
        rules: Rules::default(),
    }
}
