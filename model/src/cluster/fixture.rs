//! Worlds that read as sentences, for the tests of this room.

use super::labels::{LabelSelector, Labels, Requirement};
use super::plan::RunInput;
use super::pod::{Container, OwnerRef, Phase, Pod, Role};
use super::world::{
    Backend, Namespace, Node, NodeAgent, Owner, Pdb, Place, Reservation, Rules, Service, Unknown, World,
};
use super::{ClusterPlan, ClusterRefusal};
use crate::engine::Engine;
use crate::policy::{Policy, Site, parse_for};
use crate::refusal::Refusal;
use std::collections::BTreeMap;
use std::sync::Arc;

/// When every test happens.
pub(crate) const NOW: i64 = 1_000_000;

/// Two nodes with agents, the namespace `shop`, and three ready pods `web-0` to `web-2` of Deployment `web`.
pub(crate) fn shop() -> World {
    let engines: BTreeMap<String, Engine> = [
        ("kill", Engine::Signal),
        ("killContainer", Engine::Cgroup),
        ("latency", Engine::Netem),
        ("loss", Engine::Nft),
        ("partition", Engine::Nft),
    ]
    .map(|(name, engine)| (name.to_owned(), engine))
    .into();
    let agent = NodeAgent { present: Ok(()), engines, missing: BTreeMap::new(), admission: Ok(()), unrestored: vec![] };
    let node =
        |zone: &str| Node { zone: Some(zone.into()), ready: true, agent: Some(agent.clone()), ..Node::default() };
    let opted = Namespace::new(labels(&[("rumpus.dev/chaos", "enabled")]), None);
    let owner = Owner {
        kind: "Deployment".into(),
        namespace: "shop".into(),
        name: "web".into(),
        desired: Some(3),
        ..Owner::default()
    };
    World {
        pods: Ok((0..3).map(|n| Arc::new(pod(&format!("web-{n}"), n % 2))).collect()),
        owners: Ok([("u-web".into(), owner)].into()),
        namespaces: Ok([("shop".into(), opted), ("kube-system".into(), Namespace::default())].into()),
        nodes: Ok([("node-0".into(), node("a")), ("node-1".into(), node("b"))].into()),
        services: Ok(Vec::new()),
        budgets: Ok(Vec::new()),
        halts: Ok(Vec::new()),
        active: Ok(Vec::new()),
        hits: Ok(Arc::default()),
        rules: Rules { max_active_runs: 8, ..Rules::default() },
    }
}

/// A ready pod of Deployment `web` with one container.
pub(crate) fn pod(name: &str, node: usize) -> Pod {
    Pod {
        uid: format!("uid-{name}").into(),
        namespace: "shop".into(),
        name: name.into(),
        labels: labels(&[("app", "web")]),
        node: Some(format!("node-{node}").into()),
        phase: Phase::Running,
        ready: true,
        terminating: false,
        created: 0,
        host_network: false,
        addresses: vec![format!("10.0.{node}.{}", name.bytes().last().unwrap_or(0)).parse().unwrap()],
        runtime_class: None,
        owner: Some(OwnerRef { kind: "Deployment".into(), name: "web".into(), uid: "u-web".into() }),
        containers: vec![container("app", Role::App)],
        probes: Vec::new(),
        readiness_probe: false,
        spread: false,
    }
}

pub(crate) fn container(name: &str, role: Role) -> Container {
    Container { name: name.into(), role, id: Some(format!("containerd://{name}").into()), running: true }
}

pub(crate) fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::new(pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())))
}

pub(crate) fn unknown<T>() -> Result<T, Unknown> {
    Err(Unknown { why: "403 Forbidden".into() })
}

/// Changes one pod of a world.
pub(crate) fn with(mut world: World, name: &str, change: impl FnOnce(&mut Pod)) -> World {
    let pods = world.pods.as_mut().unwrap();
    let pod = pods.iter_mut().find(|p| *p.name == *name).unwrap();
    change(Arc::make_mut(pod));
    world
}

pub(crate) fn budget(allowed: i32) -> Pdb {
    let requirements = vec![Requirement::In("app".into(), vec!["web".into()])];
    Pdb {
        namespace: "shop".into(),
        name: "web".into(),
        selector: Some(LabelSelector { requirements }),
        current_healthy: 3,
        desired_healthy: 2,
        disruptions_allowed: allowed,
        observed: true,
    }
}

/// An active run that holds these pods.
pub(crate) fn held(pods: &[&str]) -> Reservation {
    Reservation {
        run: "other".into(),
        run_uid: "run-other".into(),
        namespace: "shop".into(),
        policy_uid: None,
        pods: pods.iter().map(|p| (format!("uid-{p}").into(), Place::default())).collect(),
        takes_down: true,
        owners: std::collections::BTreeSet::new(),
        delay: None,
    }
}

/// A Service before these pods, 80 to 8080.
pub(crate) fn service(name: &str, ip: &str, pods: &[&Pod]) -> Service {
    use super::world::{ServicePort, TargetPort};
    use crate::scope::Protocol::Tcp;
    let targets = vec![TargetPort { protocol: Tcp, port: 80, target: 8080 }];
    Service {
        namespace: "shop".into(),
        name: name.into(),
        cluster_ips: vec![ip.parse().unwrap()],
        external_name: None,
        ports: vec![ServicePort { protocol: Tcp, port: 80 }],
        backends: pods
            .iter()
            .map(|p| Backend { pod: Some(p.uid.clone()), addresses: p.addresses.clone(), targets: targets.clone() })
            .collect(),
    }
}

/// A policy of these targets, pick, fault and more lines of the experiment.
pub(crate) fn policy(targets: &str, pick: &str, fault: &str, more: &str) -> Policy {
    let once = ["kill", "podDelete", "podEvict"].iter().any(|f| fault.starts_with(f));
    let lasts = if once { "" } else { "    duration: 30s\n" };
    let text = format!(
        "apiVersion: rumpus.dev/v1alpha1\nkind: ChaosPolicy\nmetadata: {{name: trial, namespace: shop}}\nspec:\n  \
         experiment:\n    targets: {{pods: {{{targets}}}}}\n    pick: {{{pick}}}\n    faults: [{{{fault}}}]\n{lasts}    \
         steadyState: {{none: {{reason: test}}}}\n    {more}\n"
    );
    match parse_for(&text, Site::Cluster) {
        Ok(mut all) => all.remove(0),
        Err(problems) => panic!("{problems:#?}\n{text}"),
    }
}

pub(crate) fn input(policy: Policy) -> RunInput {
    RunInput {
        policy,
        namespace: "shop".into(),
        name: "trial-1".into(),
        run_uid: "run-1".into(),
        seed: "42".into(),
        policy_uid: Some("policy-1".into()),
    }
}

/// Plans `fault` on all pods with `app: web`.
pub(crate) fn planned(world: &World, fault: &str, more: &str) -> ClusterPlan {
    super::plan(world, &input(policy("selector: {matchLabels: {app: web}}", "all: true", fault, more)), NOW)
}

/// Returns the names of a plan's refusals.
pub(crate) fn reasons(plan: &ClusterPlan) -> Vec<&'static str> {
    plan.refusals.iter().map(Refusal::reason).collect()
}

/// Returns the cluster's refusals of a plan.
pub(crate) fn refusals(plan: &ClusterPlan) -> Vec<ClusterRefusal> {
    let of = |r: &Refusal| if let Refusal::Cluster(c) = r { Some(c.clone()) } else { None };
    plan.refusals.iter().filter_map(of).collect()
}
