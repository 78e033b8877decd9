//! The selector by its words, and what is left out by its count and names.

use super::{Namespaces, PodSelector, Reason, Tally};
use crate::cluster::fixture::{NOW, container, input, labels, pod, policy, refusals, shop, with};
use crate::cluster::pod::{OwnerRef, Pod, Role};
use crate::cluster::world::{Namespace, Text, World};
use crate::cluster::{ClusterPlan, ClusterRefusal, plan};
use crate::select::Selector;
use std::sync::Arc;

const LOSS: &str = "loss: {percent: 10, direction: Both}";
const KILL: &str = "kill: {signal: TERM}";

fn selector(targets: &str) -> PodSelector {
    let targets = policy(targets, "all: true", LOSS, "").experiment.targets;
    let Selector::Pods(pods) = targets else { panic!("{targets:?}") };
    pods
}

fn select(world: &World, targets: &str, fault: &str) -> ClusterPlan {
    plan(world, &input(policy(targets, "all: true", fault, "")), NOW)
}

fn hit(plan: &ClusterPlan) -> Vec<String> {
    let mut names: Vec<String> = plan.targets().map(|t| format!("{}/{}", t.namespace, t.pod)).collect();
    names.sort();
    names
}

/// Pods of four more namespaces between those of `shop`: one opted in, one not, one excluded, one that is not known.
fn mixed() -> World {
    let opted = ("rumpus.dev/chaos", "enabled");
    let mut world = shop();
    let namespaces = world.namespaces.as_mut().unwrap();
    namespaces.insert("store".into(), Namespace::new(labels(&[opted]), None));
    namespaces.insert("quiet".into(), Namespace::new(labels(&[]), None));
    namespaces.insert("spared".into(), Namespace::new(labels(&[opted, ("rumpus.dev/exclude", "true")]), None));
    let store: Text = "store".into();
    let others = [(0, "quiet".into()), (2, store.clone()), (3, store), (5, "spared".into()), (7, "gone".into())];
    for (at, namespace) in others {
        let pod = Pod { namespace, ..pod(&format!("pod-{at}"), 0) };
        world.pods.as_mut().unwrap().insert(at, Arc::new(pod));
    }
    world
}

#[test]
fn each_namespace_is_judged_by_itself_wherever_its_pods_stand_in_the_list() {
    let plan = select(&mixed(), "allNamespaces: true, selector: {matchLabels: {app: web}}", LOSS);
    assert_eq!(hit(&plan), ["shop/web-0", "shop/web-1", "shop/web-2", "store/pod-2", "store/pod-3"]);
    let out: Vec<(&str, &[String])> = plan.left_out.iter().map(|l| (&*l.reason, &*l.examples)).collect();
    let expected = [
        ("NamespaceExcluded", ["spared/pod-5".to_owned()]),
        ("NamespaceUnknown", ["gone/pod-7".to_owned()]),
        ("NotOptedIn", ["quiet/pod-0".to_owned()]),
    ];
    assert_eq!(out, expected.each_ref().map(|(reason, pods)| (*reason, pods.as_slice())));
    assert_eq!(plan.matched, 8);
}

#[test]
fn only_the_namespaces_that_are_named_are_looked_at_and_each_is_refused_by_name() {
    let web = "selector: {matchLabels: {app: web}}";
    assert_eq!(hit(&select(&mixed(), web, LOSS)), ["shop/web-0", "shop/web-1", "shop/web-2"]);
    let named = |list: &str| select(&mixed(), &format!("namespaces: [{list}], {web}"), LOSS);
    assert_eq!(hit(&named("store")), ["store/pod-2", "store/pod-3"]);
    assert_eq!(named("store").matched, 2);
    let protected = ClusterRefusal::ProtectedNamespace {
        namespace: "kube-system".into(),
        why: "Kubernetes itself lives in it".into(),
    };
    let missing = ClusterRefusal::NamespaceMissing { namespace: "gone".into() };
    let label = "rumpus.dev/chaos=enabled".to_owned();
    let quiet = ClusterRefusal::NotOptedIn { namespace: "quiet".into(), label };
    assert_eq!(refusals(&named("quiet, store, gone, kube-system")), [missing, protected, quiet]);
}

#[test]
fn namespaces_are_all_those_that_are_named_or_the_runs_own() {
    let named = Namespaces::Named(vec!["a".into(), "b".into()]);
    assert_eq!(
        (named.named(), named.names("own"), named.is_all()),
        (["a".into(), "b".into()].as_slice(), vec!["a", "b"], false)
    );
    let own = Namespaces::Own;
    assert_eq!((own.named(), own.names("own"), own.is_all()), ([].as_slice(), vec!["own"], false));
    let all = Namespaces::All;
    assert_eq!((all.named(), all.names("own"), all.is_all()), ([].as_slice(), vec![], true));
}

#[test]
fn each_part_that_says_who_narrows_and_namespaces_and_state_do_not() {
    for who in ["selector: {matchLabels: {app: web}}", "names: [a]", "owners: [{name: a}]", "nodes: [a]", "zones: [a]"]
    {
        assert!(!selector(who).names_nobody(), "{who}");
    }
    let nobody = PodSelector {
        namespaces: Namespaces::All,
        names: vec![],
        exclude: Some(selector("selector: {matchLabels: {a: b}}").selector),
        ready: Some(true),
        container: Some("app".into()),
        ..selector("names: [a]")
    };
    assert!(nobody.names_nobody());
}

#[test]
fn an_owner_is_meant_by_kind_and_by_name_and_a_pod_without_one_is_not() {
    let of = |kind: &str, name: &str| {
        let mut found = pod("web-0", 0);
        found.owner = Some(OwnerRef { kind: kind.into(), name: name.into(), uid: "u".into() });
        found
    };
    let owns = |owner: &str, pod: &Pod| selector(&format!("owners: [{{{owner}}}]")).misses(pod, || None).is_none();
    let both = "kind: Deployment, name: web";
    assert!(owns(both, &of("Deployment", "web")));
    assert!(!owns(both, &of("Deployment", "db")) && !owns(both, &of("StatefulSet", "web")));
    assert!(owns("name: web", &of("StatefulSet", "web")) && !owns("name: web", &of("StatefulSet", "db")));
    assert!(owns("kind: Deployment", &of("Deployment", "db")) && !owns("kind: Deployment", &of("Job", "db")));
    let mut bare = pod("web-0", 0);
    bare.owner = None;
    assert!(!owns("name: web", &bare));
}

#[test]
fn a_pod_that_is_on_no_node_is_on_none_that_is_named() {
    let pending = "phase: Pending";
    let world = with(shop(), "web-0", |p| p.node = None);
    for (targets, matched) in [("nodes: [node-0]", 1), ("zones: [a]", 1), ("names: [web-0, web-1]", 2)] {
        assert_eq!(select(&world, targets, LOSS).matched, matched, "{targets}");
        assert_eq!(select(&world, &format!("{targets}, {pending}"), LOSS).matched, matched, "{targets}");
    }
}

#[test]
fn a_pod_that_is_as_ready_as_it_has_to_be_is_hit() {
    for ready in [true, false] {
        let world = with(shop(), "web-0", |p| p.ready = ready);
        assert_eq!(hit(&select(&world, &format!("names: [web-0], ready: {ready}"), LOSS)), ["shop/web-0"]);
    }
}

#[test]
fn a_killed_container_runs_and_is_known_by_its_id() {
    let reason = |change: &dyn Fn(&mut Pod)| {
        let plan = select(&with(shop(), "web-0", change), "names: [web-0]", KILL);
        plan.left_out.first().map(|l| l.reason.clone())
    };
    assert_eq!(reason(&|_| {}), None);
    assert_eq!(reason(&|p| p.containers[0].running = false).as_deref(), Some("ContainerNotRunning"));
    assert_eq!(reason(&|p| p.containers[0].id = None).as_deref(), Some("ContainerNotRunning"));
    assert_eq!(reason(&|p| p.containers = vec![container("proxy", Role::Sidecar)]).as_deref(), Some("NoSuchContainer"));
    // A network fault hits the pod, whether the container that it names runs or not.
    let down = with(shop(), "web-0", |p| p.containers[0].running = false);
    assert_eq!(hit(&select(&down, "names: [web-0], container: app", LOSS)), ["shop/web-0"]);
}

#[test]
fn the_first_ten_by_name_are_examples_in_whatever_order_they_come_and_all_are_counted() {
    let mut forward: Vec<usize> = (10..25).collect();
    let backward: Vec<usize> = forward.iter().rev().copied().collect();
    let first: Vec<String> = (10..20).map(|n| format!("shop/web-{n}")).collect();
    forward.rotate_left(7);
    for order in [forward, backward, (10..25).collect()] {
        let mut tally = Tally::default();
        for n in order {
            tally.add(Reason::NotReady, &pod(&format!("web-{n}"), 0));
        }
        tally.count(Reason::NotReady, 3);
        tally.count(Reason::NotPicked, 2);
        assert_eq!(tally.counts(), [(Reason::NotPicked.why().to_owned(), 2), (Reason::NotReady.why().to_owned(), 18)]);
        let list = tally.list();
        assert_eq!((list[0].reason.as_str(), list[0].count, list[0].examples.len()), ("NotPicked", 2, 0));
        assert_eq!((list[1].reason.as_str(), list[1].why.as_str(), list[1].count), ("NotReady", "not ready", 18));
        assert_eq!(list[1].examples, first);
    }
}

#[test]
fn each_reason_has_words_of_its_own() {
    let words: std::collections::BTreeSet<&str> = Reason::ALL.iter().map(|r| r.why()).collect();
    assert_eq!(words.len(), Reason::ALL.len());
    assert!(words.iter().all(|why| why.contains(' ') || *why == "ready"), "{words:?}");
}

#[test]
fn a_selector_is_told_as_it_was_written() {
    for (targets, summary) in [
        ("names: [a]", "pods of the run's namespace, named a"),
        (
            "namespaces: [a, b], selector: {matchLabels: {app: web}}, exclude: {matchLabels: {tier: canary}}",
            "pods of a, b, with app=web, but not tier=canary",
        ),
        (
            "allNamespaces: true, owners: [{kind: Deployment, name: web}, {name: db}, {kind: Job}], phase: Pending",
            "pods of all namespaces, owned by Deployment/web or */db or Job/*, pending",
        ),
        (
            "nodes: [n1, n2], zones: [z], ready: false, minAge: 5m, container: app",
            "pods of the run's namespace, on node n1 or n2, in zone z, not ready, at least 5m old, container app",
        ),
        ("names: [a, b], ready: true", "pods of the run's namespace, named a or b, ready"),
    ] {
        assert_eq!(selector(targets).summary(), summary);
    }
}
