//! Plans for a cluster, as the reader sees them.

use super::document;
use insta::assert_snapshot;
use rumpus_model::cluster::explain::{Workload, explain};
use rumpus_model::cluster::lint::lint;
use rumpus_model::cluster::world::{Namespace, Place, Radius, Reservation};
use rumpus_model::cluster::{Unknown, World, plan};
use rumpus_model::policy::{Policy, Site, parse_for};
use rumpus_tests::clusters::{NOW, cluster, run, service};
use std::sync::Arc;

fn trial(targets: &str, pick: &str, fault: &str, more: &str) -> Policy {
    let once = ["kill", "podDelete", "podEvict"].iter().any(|f| fault.starts_with(f));
    let lasts = if once { "" } else { "duration: 30s\n" };
    let text = document(&format!(
        "targets: {{pods: {{{targets}}}}}\npick: {{{pick}}}\nfaults: [{{{fault}}}]\n{lasts}steadyState: {{none: {{reason: test}}}}\n{more}"
    ));
    let parsed = parse_for(&text, Site::Cluster);
    assert!(matches!(parsed.as_deref(), Ok([_])), "one good policy is meant here: {parsed:#?}\n{text}");
    parsed.into_iter().flatten().next().unwrap_or_else(|| unreachable!("asserted above"))
}

fn page(world: &World, policy: Policy) -> String {
    let page = rumpus_cli::render::cluster_plan(&plan(world, &run(policy, "42"), NOW));
    for line in page.lines() {
        assert!(line.chars().count() <= 100, "wider than 100 columns: {line}");
        assert_eq!(line, line.trim_end(), "blanks at the end");
    }
    page
}

const WEB: &str = "selector: {matchLabels: {app: web}}";

#[test]
fn a_service_is_delayed_for_one_pod_of_each_owner() {
    let mut world = cluster(6, 3, 2);
    world.services = Ok(vec![service(&world, "postgres", [10, 96, 0, 9], &["web-4", "web-5"])]);
    let fault = "latency: {delay: 100ms, jitter: 20ms, direction: Egress, peers: {services: [postgres], follow: true}, ports: [80/TCP]}";
    assert_snapshot!(page(&world, trial(WEB, "all: true, perOwner: 1", fault, "")));
}

#[test]
fn many_pods_are_counted_and_each_reason_has_examples() {
    let mut world = cluster(400, 4, 5);
    for (n, pod) in world.pods.iter_mut().flatten().enumerate() {
        let pod = Arc::make_mut(pod);
        pod.terminating = n % 10 == 3;
        pod.host_network = n % 10 == 4;
        pod.ready = n % 10 != 5;
    }
    let targets = format!("{WEB}, ready: true, minAge: 5m, zones: [zone-0, zone-1]");
    assert_snapshot!(page(&world, trial(&targets, "percent: 25, rounding: Up", "partition: {direction: Both}", "")));
}

#[test]
fn of_several_faults_the_one_that_is_drawn_is_told() {
    let faults = "latency: {delay: 100ms, direction: Both}, weight: 3}, {podDelete: {}, weight: 2";
    assert_snapshot!(page(&cluster(3, 3, 1), trial(WEB, "count: 1, order: Oldest", faults, "")));
}

#[test]
fn pods_are_deleted_by_the_controller() {
    assert_snapshot!(page(&cluster(3, 3, 1), trial(WEB, "count: 1", "podDelete: {gracePeriod: 5s}", "")));
}

#[test]
fn everything_that_stands_in_the_way_is_told_with_its_hint() {
    let mut world = cluster(3, 3, 2);
    if let Ok(nodes) = &mut world.nodes
        && let Some(node) = nodes.get_mut("node-0")
    {
        node.agent = None;
    }
    if let Ok(pods) = &mut world.pods
        && let Some(pod) = pods.first_mut()
    {
        let pod = Arc::make_mut(pod);
        let mut second = pod.containers.clone();
        second.iter_mut().for_each(|c| c.name = "side".into());
        pod.containers.extend(second);
    }
    let policy = trial(WEB, "all: true", "kill: {signal: TERM}", "limits: {minHealthy: 2, maxUnavailable: 25%}\n");
    assert_snapshot!(page(&world, policy));
}

fn holds(run: &str, pods: &[usize]) -> Reservation {
    Reservation {
        run: run.into(),
        run_uid: run.into(),
        namespace: "teams".into(),
        policy_uid: None,
        pods: pods.iter().map(|n| (format!("00000000-0000-4000-8000-{n:012}").into(), Place::default())).collect(),
        takes_down: false,
        owners: std::collections::BTreeSet::new(),
        delay: None,
    }
}

#[test]
fn budgets_of_blast_radius_are_told_with_what_is_held_and_by_whom() {
    let mut world = cluster(6, 3, 2);
    let held = [("api-latency", &[0, 1][..]), ("loss-a", &[1]), ("loss-b", &[1]), ("loss-c", &[4])];
    world.active = Ok(held.map(|(run, pods)| holds(run, pods)).into());
    world.rules.radius =
        Radius { pods: Some(4), pods_per_namespace: Some(3), pods_per_owner: Some(2), runs_per_namespace: Some(4) };
    let targets = format!("{WEB}, names: [web-1, web-2, web-3]");
    assert_snapshot!(page(&world, trial(&targets, "all: true", "partition: {direction: Both}", "")));
}

#[test]
fn a_namespace_says_how_many_of_its_pods_may_be_hit() {
    let page = |annotation: &str| {
        let mut world = cluster(3, 3, 2);
        for (_, namespace) in world.namespaces.iter_mut().flatten() {
            *namespace = Namespace::new(namespace.labels.clone(), Some(annotation));
        }
        page(&world, trial(WEB, "count: 1", "partition: {direction: Both}", ""))
    };
    assert_snapshot!([page("0"), page("a few")].join("\n"));
}

#[test]
fn a_workload_is_explained_pod_by_pod_and_a_pod_question_by_question() {
    let mut world = cluster(6, 3, 2);
    for (n, pod) in world.pods.iter_mut().flatten().enumerate() {
        let pod = Arc::make_mut(pod);
        pod.terminating = n == 0;
        pod.host_network = n == 1;
    }
    let policy = trial(&format!("{WEB}, minAge: 5m"), "count: 1", "partition: {direction: Both}", "");
    let page = |kind: &str, name: &str| {
        let workload = Workload { namespace: "shop".into(), kind: kind.into(), name: name.into() };
        let told = explain(&world, &run(policy.clone(), "42"), NOW, &workload);
        told.map(|told| rumpus_cli::render::explanation(&told)).unwrap_or_default()
    };
    let pages = [page("deployment", "web-0"), page("deployment", "web-1"), page("pod", "web-1"), page("pod", "web-4")];
    for line in pages.iter().flat_map(|page| page.lines()) {
        assert!(line.chars().count() <= 100, "wider than 100 columns: {line}");
    }
    assert_snapshot!(pages.join("\n"));
}

#[test]
fn what_workloads_lack_is_told_with_what_to_do_about_it() {
    let mut world = cluster(5, 3, 2);
    for pod in world.pods.iter_mut().flatten().take(3) {
        let pod = Arc::make_mut(pod);
        (pod.readiness_probe, pod.spread) = (true, true);
    }
    world.budgets = Err(Unknown { why: "403 Forbidden".into() });
    let policy = trial(WEB, "count: 1", "podDelete: {}", "");
    let page = |world: &World| rumpus_cli::render::lint(&lint(world, &run(policy.clone(), ""), NOW));
    let unread = page(&world);
    world.budgets = Ok(Vec::new());
    assert_snapshot!([unread, page(&world), page(&cluster(0, 1, 1))].join("\n"));
}
