//! Selection, peers and revisions by their edges; the pages in full stand in the golden tests.

use super::fixture::{NOW, container, input, labels, pod, policy, reasons, refusals, service, shop, unknown, with};
use super::pod::{Phase, Role};
use super::revision::{Revision, revise};
use super::world::World;
use super::{ClusterPlan, ClusterRefusal, PeerEntry, plan, written};
use crate::policy::{Site, fault, parse_for};
use std::sync::Arc;

const LOSS: &str = "loss: {percent: 10, direction: Both}";
const WEB: &str = "selector: {matchLabels: {app: web}}";

fn select(world: &World, targets: &str) -> ClusterPlan {
    plan(world, &input(policy(targets, "all: true", LOSS, "")), NOW)
}

fn hit(plan: &ClusterPlan) -> Vec<String> {
    let mut names: Vec<String> = plan.targets().map(|t| t.pod.clone()).collect();
    names.sort();
    names
}

#[test]
fn each_part_of_the_selector_narrows_and_exclude_wins() {
    let world = with(shop(), "web-1", |p| p.labels = labels(&[("app", "web"), ("tier", "canary")]));
    let cases = [
        (WEB, vec!["web-0", "web-1", "web-2"]),
        ("selector: {matchExpressions: [{key: tier, operator: DoesNotExist}]}", vec!["web-0", "web-2"]),
        ("selector: {matchLabels: {app: web}}, exclude: {matchLabels: {tier: canary}}", vec!["web-0", "web-2"]),
        ("names: [web-2, web-9]", vec!["web-2"]),
        ("owners: [{kind: Deployment}]", vec!["web-0", "web-1", "web-2"]),
        ("owners: [{kind: StatefulSet, name: web}, {name: db}]", vec![]),
        ("nodes: [node-1]", vec!["web-1"]),
        ("zones: [a]", vec!["web-0", "web-2"]),
        ("selector: {matchLabels: {app: web}}, zones: [b], nodes: [node-0]", vec![]),
        ("namespaces: [shop]", vec!["web-0", "web-1", "web-2"]),
    ];
    for (targets, expected) in cases {
        assert_eq!(hit(&select(&world, targets)), expected, "{targets}");
    }
}

#[test]
fn states_leave_out_with_their_reason() {
    type Case<'c> = (&'c str, &'c dyn Fn(&mut super::pod::Pod), &'c str);
    let cases: [Case<'_>; 9] = [
        (WEB, &|p| p.phase = Phase::Succeeded, "Finished"),
        (WEB, &|p| p.phase = Phase::Failed, "Finished"),
        (WEB, &|p| p.terminating = true, "Terminating"),
        (WEB, &|p| p.phase = Phase::Pending, "OtherPhase"),
        (WEB, &|p| p.node = None, "NotScheduled"),
        ("names: [web-0], minAge: 5m", &|p| p.created = NOW - 299, "TooYoung"),
        ("names: [web-0], ready: true", &|p| p.ready = false, "NotReady"),
        ("names: [web-0], ready: false", &|p| p.ready = true, "Ready"),
        ("names: [web-0], container: side", &|_| {}, "NoSuchContainer"),
    ];
    for (targets, change, reason) in cases {
        let plan = select(&with(shop(), "web-0", change), targets);
        let out: Vec<&str> = plan.left_out.iter().map(|l| l.reason.as_str()).collect();
        assert_eq!((out, plan.left_out[0].examples.as_slice()), (vec![reason], ["shop/web-0".to_owned()].as_slice()));
        assert!(!hit(&plan).contains(&"web-0".to_owned()), "{reason}");
    }
    let aged = with(shop(), "web-0", |p| p.created = NOW - 300);
    assert_eq!(hit(&select(&aged, "names: [web-0], minAge: 5m")), ["web-0"]);
    assert_eq!(
        hit(&select(&with(shop(), "web-0", |p| p.phase = Phase::Pending), "names: [web-0], phase: Pending")),
        ["web-0"]
    );
}

#[test]
fn nobody_is_forgotten() {
    let world = with(with(shop(), "web-0", |p| p.terminating = true), "web-1", |p| p.host_network = true);
    let plan = plan(&world, &input(policy(WEB, "percent: 0, rounding: Down", LOSS, "")), NOW);
    let left: usize = plan.left_out.iter().map(|l| l.count).sum();
    assert_eq!((plan.matched, left, plan.targets().count(), reasons(&plan).len()), (3, 3, 0, 0));
}

#[test]
fn a_kill_takes_the_only_container_or_the_named_one_and_never_guesses() {
    let two = with(shop(), "web-0", |p| p.containers.push(container("side", Role::App)));
    let kill = |world: &World, more: &str| {
        let targets = format!("names: [web-0]{more}");
        plan(world, &input(policy(&targets, "all: true", "kill: {signal: KILL}", "")), NOW)
    };
    let has = vec!["app".to_owned(), "side".to_owned()];
    assert_eq!(refusals(&kill(&two, "")), [ClusterRefusal::ContainerAmbiguous { pod: "shop/web-0".into(), has }]);
    let named = kill(&two, ", container: side");
    let target = named.targets().next().unwrap();
    assert_eq!(
        (target.container.as_deref(), target.container_id.as_deref()),
        (Some("side"), Some("containerd://side"))
    );
    let proxy = with(shop(), "web-0", |p| p.containers.push(container("proxy", Role::Sidecar)));
    assert_eq!(kill(&proxy, "").targets().next().unwrap().container.as_deref(), Some("app"));
    assert_eq!(kill(&proxy, ", container: proxy").targets().next().unwrap().container.as_deref(), Some("proxy"));
    let down = with(shop(), "web-0", |p| p.containers[0].running = false);
    assert_eq!(kill(&down, "").left_out[0].reason, "ContainerNotRunning");
    assert!(select(&two, WEB).acts(), "a network has no container");
}

#[test]
fn one_per_owner_takes_one_of_each() {
    let mut world = shop();
    let mut other = pod("db-0", 0);
    other.owner = Some(super::pod::OwnerRef { kind: "StatefulSet".into(), name: "db".into(), uid: "u-db".into() });
    world.pods.as_mut().unwrap().push(Arc::new(other));
    let plan = plan(&world, &input(policy(WEB, "all: true, perOwner: 1", LOSS, "")), NOW);
    let owners: Vec<&str> = plan.targets().filter_map(|t| t.owner.as_deref()).collect();
    assert_eq!((owners.len(), plan.left_out[0].reason.as_str(), plan.left_out[0].count), (2, "OwnerFull", 2));
    assert!(owners.contains(&"Deployment/web") && owners.contains(&"StatefulSet/db"), "{owners:?}");
}

fn with_peers(world: &World, peers: &str, ports: &str) -> ClusterPlan {
    let fault = format!("partition: {{direction: Both, peers: {{{peers}}}{ports}}}");
    plan(world, &input(policy("names: [web-0]", "all: true", &fault, "")), NOW)
}

fn entry(addresses: &[&str], ports: &[&str]) -> PeerEntry {
    let port = |p: &&str| {
        let (n, _) = p.split_once('/').unwrap();
        let n = n.parse().unwrap();
        crate::scope::Port { protocol: crate::scope::Protocol::Tcp, from: n, to: n }
    };
    PeerEntry {
        addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
        ports: ports.iter().map(port).collect(),
        ..PeerEntry::default()
    }
}

fn served() -> World {
    let mut world = shop();
    world.pods.as_mut().unwrap().extend([Arc::new(pod("db-3", 0)), Arc::new(pod("db-4", 1))]);
    let pods = world.pods.clone().unwrap();
    let db: Vec<&super::pod::Pod> = pods.iter().filter(|p| p.name.starts_with("db")).map(|p| &**p).collect();
    world.services = Ok(vec![service("db", "10.96.0.9", &db)]);
    world
}

#[test]
fn a_service_is_its_cluster_ip_and_its_pods_each_with_its_own_ports() {
    let world = served();
    let all = ["10.0.0.51/32", "10.0.1.52/32", "10.96.0.9/32"];
    assert_eq!(with_peers(&world, "services: [db]", "").peers, [entry(&all, &[])]);
    let both = [entry(&["10.96.0.9/32"], &["80/TCP"]), entry(&all[..2], &["8080/TCP"])];
    assert_eq!(with_peers(&world, "services: [shop/db]", ", ports: [80/TCP]").peers, both);
    let mixed =
        with_peers(&world, "services: [db], addresses: [192.0.2.0/24], names: [x.example]", ", ports: [80/TCP]");
    assert_eq!(mixed.peers[0].names, ["x.example"]);
    assert_eq!(mixed.peers[0].addresses, entry(&["10.96.0.9/32", "192.0.2.0/24"], &[]).addresses);
}

#[test]
fn pods_bring_the_services_before_them_and_say_who_else_is_behind() {
    let world = with(served(), "db-4", |p| p.labels = labels(&[("app", "db")]));
    let plan = with_peers(&world, "pods: [{selector: {matchLabels: {app: db}}}]", "");
    assert_eq!(plan.peers, [entry(&["10.0.1.52/32", "10.96.0.9/32"], &[])]);
    assert_eq!(plan.notes, ["Service shop/db also leads to pods that `peers` does not name: its ClusterIP is hit"]);
    let ports = with_peers(&world, "pods: [{selector: {matchLabels: {app: db}}}]", ", ports: [8080/TCP]");
    assert_eq!(ports.peers, [entry(&["10.0.1.52/32"], &["8080/TCP"]), entry(&["10.96.0.9/32"], &["80/TCP"])]);
}

#[test]
fn peers_that_are_not_there_refuse_and_never_mean_everyone() {
    let mut world = served();
    let cases = [
        ("services: [web]", "", "PeerMissing"),
        ("services: [other/db]", "", "PeerMissing"),
        ("services: [db]", ", ports: [8080/TCP]", "PeerPort"),
        ("pods: [{selector: {matchLabels: {app: none}}}]", "", "PeerEmpty"),
        ("pods: [{selector: {matchLabels: {app: web}}, namespaces: [shop, empty]}]", "", "PeerEmpty"),
        ("services: [db], except: {services: [web]}", "", "PeerMissing"),
        ("addresses: [10.0.0.1], except: {addresses: [10.0.0.0/8]}", "", "PeersExcepted"),
    ];
    for (peers, ports, reason) in cases {
        let plan = with_peers(&world, peers, ports);
        assert_eq!((reasons(&plan), plan.acts()), (vec![reason], false), "{peers}");
    }
    for backend in &mut world.services.as_mut().unwrap()[0].backends {
        backend.addresses.clear();
    }
    assert_eq!(reasons(&with_peers(&world, "services: [db]", "")), ["PeerEmpty"]);
    world.services.as_mut().unwrap()[0].external_name = Some("db.example".into());
    assert_eq!(reasons(&with_peers(&world, "services: [db]", "")), ["PeerEmpty"]);
    world.services = unknown();
    assert_eq!(reasons(&with_peers(&world, "services: [db]", "")), ["ListUnknown"]);
}

#[test]
fn everyone_is_written_out_where_ports_or_exceptions_are_named() {
    assert_eq!(select(&shop(), WEB).peers, []);
    let ports =
        plan(&shop(), &input(policy(WEB, "all: true", "partition: {direction: Both, ports: [80/TCP]}", "")), NOW);
    assert_eq!(ports.peers, [entry(&["0.0.0.0/0", "::/0"], &["80/TCP"])]);
    let except = with_peers(&shop(), "except: {addresses: [10.96.0.10]}", "");
    assert_eq!(except.peers[0].addresses, entry(&["0.0.0.0/0", "::/0"], &[]).addresses);
    assert_eq!(except.peers[0].except.addresses, entry(&["10.96.0.10/32"], &[]).addresses);
}

#[test]
fn an_address_that_leaves_is_taken_out_and_a_new_one_joins_only_to_follow() {
    let before = served();
    let of = |more: &str| {
        let fault = format!("partition: {{direction: Both, peers: {{services: [db]{more}}}}}");
        policy("names: [web-0]", "all: true", &fault, "").experiment.fault.network().unwrap().clone()
    };
    let (frozen, follow) = (of(""), of(", follow: true"));
    let armed = with_peers(&before, "services: [db]", "").peers;
    assert_eq!(revise(&before, &frozen, "shop", &armed), Revision::Keep);
    let mut moved = before.clone();
    moved.services.as_mut().unwrap()[0].backends[0].addresses = vec!["10.0.0.99".parse().unwrap()];
    let left = entry(&["10.0.1.52/32", "10.96.0.9/32"], &[]);
    assert_eq!(revise(&moved, &frozen, "shop", &armed), Revision::Change(vec![left]));
    let joined = entry(&["10.0.0.99/32", "10.0.1.52/32", "10.96.0.9/32"], &[]);
    assert_eq!(revise(&moved, &follow, "shop", &armed), Revision::Change(vec![joined]));
    assert_eq!(revise(&World { services: Ok(vec![]), ..before.clone() }, &frozen, "shop", &armed), Revision::End);
    assert!(matches!(revise(&World { services: unknown(), ..before }, &frozen, "shop", &armed), Revision::Unknown(_)));
}

#[test]
fn what_is_written_into_an_injection_is_read_back_as_the_same_fault() {
    for text in [
        "kill: {signal: TERM, grace: 3s}",
        "kill: {signal: KILL}",
        "kill: {container: true}",
        "latency: {delay: 100ms, jitter: 20ms, reorder: true, direction: Egress, device: eth0, probes: Include}",
        "loss: {percent: 30, direction: Ingress, localPorts: [80/TCP, 8000-8100/UDP]}",
        "partition: {how: Reject, direction: Both, protocols: [TCP]}",
        "podDelete: {gracePeriod: 0s}",
        "podEvict: {}",
    ] {
        let parsed = policy(WEB, "all: true", text, "").experiment.fault;
        assert_eq!(fault(&written::fault(&parsed), Site::Cluster).unwrap(), parsed, "{text}");
    }
}

#[test]
fn what_has_no_meaning_in_a_cluster_is_refused_by_name() {
    let text = |experiment: &str| {
        format!(
            "apiVersion: rumpus.dev/v1alpha1\nkind: ChaosPolicy\nmetadata: {{name: a}}\nspec:\n  experiment:\n{experiment}"
        )
    };
    let read = |targets: &str, steady: &str| {
        parse_for(
            &text(&format!(
                "    targets: {targets}\n    pick: {{count: 1}}\n    faults: [loss: {{percent: 1, direction: Both}}]\n    \
                 duration: 5s\n    steadyState: {steady}\n"
            )),
            Site::Cluster,
        )
    };
    let none = "{none: {reason: t}}";
    for kind in [
        "netns: {names: [a]}",
        "host: {}",
        "nodes: {names: [a]}",
        "processes: {name: a}",
        "containers: {ids: [0123456789ab]}",
    ] {
        let parsed = read(&format!("{{{kind}}}"), none).unwrap().remove(0);
        let field = format!("spec.experiment.targets.{}", kind.split(':').next().unwrap());
        assert_eq!(parsed.unbuilt[0].field, field);
        let plan = plan(&shop(), &input(parsed), NOW);
        assert_eq!((reasons(&plan), plan.acts()), (vec!["NotHere"], false), "{kind}");
    }
    let checked =
        read("{pods: {selector: {matchLabels: {a: b}}}}", "{checks: [{name: up, role: Gate, tcp: {}}]}").unwrap();
    assert_eq!(checked[0].unbuilt[0].field, "spec.experiment.steadyState.checks[0]");
    let wrong = |pods: &str| read(&format!("{{pods: {pods}}}"), none).unwrap_err().remove(0).to_string();
    assert!(wrong("{}").contains("an empty selector selects nothing"));
    assert!(wrong("{namespaces: [shop]}").contains("an empty selector selects nothing"));
    assert!(wrong("{selector: {}}").contains("an empty label selector"));
    assert!(wrong("{exclude: {matchLabels: {}}, names: [a]}").contains("an empty label selector"));
    assert!(wrong("{namespaces: [a], allNamespaces: true, names: [a]}").contains("contradict"));
    assert!(wrong("{namespaces: [a, a], names: [a]}").contains("twice"));
    assert!(wrong("{namespaces: ['../kube-system'], names: [a]}").contains("is no name of a namespace"));
    let many: Vec<String> = (0..17).map(|n| format!("n{n}")).collect();
    assert!(wrong(&format!("{{namespaces: [{}], names: [a]}}", many.join(", "))).contains("17 namespaces"));
    assert!(wrong("{selector: {matchExpressions: [{key: a, operator: Is}]}}").contains("`Is` is no operator"));
}

#[test]
fn of_several_faults_the_seed_draws_one_and_the_plan_is_that_of_this_fault_alone() {
    let list = [
        (LOSS, ", duration"),
        ("podDelete: {}", ""),
        ("kill: {signal: KILL}", ""),
        ("partition: {direction: Both}", ", duration"),
    ];
    let written: Vec<String> =
        list.iter().enumerate().map(|(n, (fault, _))| format!("{fault}, weight: {}", n % 3 + 1)).collect();
    let several = policy(WEB, "count: 2", &written.join("}, {"), "");
    assert!(several.experiment.drawn.is_none());
    let mut drawn = std::collections::BTreeSet::new();
    for seed in 0..40 {
        let seed = seed.to_string();
        let made = plan(&shop(), &super::RunInput { seed: seed.clone(), ..input(several.clone()) }, NOW);
        let which = made.drawn.unwrap();
        assert_eq!((which.of, which.total, u32::from(which.weight)), (4, 7, [1, 2, 3, 1][which.index]));
        drawn.insert(which.index);
        let (fault, lasts) = list[which.index];
        let alone = policy(WEB, "count: 2", fault, "");
        let alone = plan(&shop(), &super::RunInput { seed: seed.clone(), ..input(alone) }, NOW);
        assert_eq!(made.duration.is_some(), !lasts.is_empty(), "{fault}");
        assert_eq!(ClusterPlan { drawn: None, ..made.clone() }, alone);
        // What was settled already is settled in the same way.
        let settled = several.settled(&seed).into_owned();
        assert_eq!(made, plan(&shop(), &super::RunInput { seed, ..input(settled) }, NOW));
        let status = written::plan(&made).drawn.unwrap();
        assert_eq!((status.fault.as_str(), status.total), (made.fault.name(), 7));
    }
    assert_eq!(drawn.len(), 4);
}

#[test]
fn a_plan_that_was_asked_for_is_carried_out_and_no_other() {
    let one = || policy("selector: {matchLabels: {app: web}}", "count: 1", "podDelete: {}", "");
    let shown = plan(&shop(), &input(one()), NOW);
    let asked = |world: &World, seed: &str| {
        let policy = crate::policy::Policy { plan_hash: Some(shown.hash.clone()), ..one() };
        plan(world, &super::RunInput { seed: seed.into(), ..input(policy) }, NOW)
    };
    assert_eq!((asked(&shop(), "42").refusals.len(), asked(&shop(), "42").hash), (0, shown.hash.clone()));
    assert_eq!(reasons(&asked(&shop(), "43")), ["TargetsChanged"], "another draw");
    // Whoever was picked is another pod by now.
    let victim = shown.targets().next().unwrap().pod.clone();
    let replaced = with(shop(), &victim, |p| p.uid = "uid-new".into());
    let plan = asked(&replaced, "42");
    assert_eq!((reasons(&plan), plan.acts()), (vec!["TargetsChanged"], false));
    assert!(plan.refusals[0].to_string().contains(&shown.hash), "{}", plan.refusals[0]);
    // What is no target of it may come and go.
    let others = with(shop(), &victim, |p| p.ready = true);
    assert!(asked(&others, "42").acts());
}
