//! Budgets of blast radius at their edges, with runs that overlap, and where something is not known.

use crate::cluster::fixture::{NOW, held, input, labels, pod, policy, reasons, refusals, shop, unknown, with};
use crate::cluster::load::Load;
use crate::cluster::pod::{OwnerRef, Pod};
use crate::cluster::world::{Namespace, Owner, Place, Radius, Reservation, World};
use crate::cluster::{ClusterPlan, ClusterRefusal, plan};
use std::sync::Arc;

const LOSS: &str = "loss: {percent: 10, direction: Both}";
const WEB: &str = "selector: {matchLabels: {app: web}}";

fn picks(world: &World, pick: &str) -> ClusterPlan {
    plan(world, &input(policy(WEB, pick, LOSS, "")), NOW)
}

fn takes(world: &World, names: &str) -> ClusterPlan {
    plan(world, &input(policy(&format!("allNamespaces: true, names: [{names}]"), "all: true", LOSS, "")), NOW)
}

fn limited(radius: Radius, active: Vec<Reservation>) -> World {
    let mut world = World { active: Ok(active), ..shop() };
    world.rules.radius = radius;
    world
}

fn pods(most: u32) -> Radius {
    Radius { pods: Some(most), ..Radius::default() }
}

fn of_namespace(most: u32) -> Radius {
    Radius { pods_per_namespace: Some(most), ..Radius::default() }
}

fn of_owner(most: u32) -> Radius {
    Radius { pods_per_owner: Some(most), ..Radius::default() }
}

fn runs(most: u32) -> Radius {
    Radius { runs_per_namespace: Some(most), ..Radius::default() }
}

/// The budgets of pods; each has to hold by itself. All three pods are of one owner and one namespace.
fn each(most: u32) -> [(Radius, &'static str); 3] {
    [
        (of_owner(most), "TooManyPodsOfOwner"),
        (of_namespace(most), "TooManyPodsInNamespace"),
        (pods(most), "TooManyPods"),
    ]
}

/// A run of another namespace that holds pods of which it knows this much.
fn knows(run: &str, pod: &str, namespace: Option<&str>, owner: Option<&str>) -> Reservation {
    let place = Place { namespace: namespace.map(Into::into), owner: owner.map(Into::into) };
    Reservation {
        run: run.into(),
        run_uid: format!("run-{run}").into(),
        namespace: "elsewhere".into(),
        pods: [(format!("uid-{pod}").as_str().into(), place)].into(),
        ..held(&[])
    }
}

fn allows(world: &mut World, namespace: &str, annotation: Option<&str>) {
    let opted = labels(&[("rumpus.dev/chaos", "enabled")]);
    world.namespaces.as_mut().unwrap().insert(namespace.into(), Namespace::new(opted, annotation));
}

/// `db-7` of StatefulSet `db` in a namespace of its own.
fn two_shops(radius: Radius, active: Vec<Reservation>) -> World {
    let mut world = limited(radius, active);
    let owner = OwnerRef { kind: "StatefulSet".into(), name: "db".into(), uid: "u-db".into() };
    let db = Pod { namespace: "data".into(), owner: Some(owner), ..pod("db-7", 0) };
    world.pods.as_mut().unwrap().push(Arc::new(db));
    let top = Owner { kind: "StatefulSet".into(), namespace: "data".into(), name: "db".into(), ..Owner::default() };
    world.owners.as_mut().unwrap().insert("u-db".into(), top);
    allows(&mut world, "data", None);
    world
}

#[test]
fn without_a_limit_nothing_is_counted() {
    let world = limited(Radius::default(), vec![held(&["web-0", "web-1", "gone-1", "gone-2"])]);
    assert!(picks(&world, "all: true").acts());
}

#[test]
fn as_many_as_the_limit_are_allowed_and_one_more_is_not_by_count_and_by_percent() {
    for (radius, _) in each(3) {
        assert!(picks(&limited(radius, vec![]), "all: true").acts());
    }
    for (radius, reason) in each(2) {
        let world = limited(radius, vec![]);
        assert_eq!(reasons(&picks(&world, "all: true")), [reason]);
        assert!(picks(&world, "count: 2").acts());
        // 67 % of 3 pods are 2.01.
        assert!(picks(&world, "percent: 67, rounding: Down").acts());
        assert_eq!(reasons(&picks(&world, "percent: 67, rounding: Up")), [reason]);
    }
    for (radius, reason) in each(0) {
        assert_eq!(reasons(&picks(&limited(radius, vec![]), "count: 1")), [reason], "none at all");
    }
}

#[test]
fn what_active_runs_hold_counts_and_a_pod_of_several_runs_counts_once() {
    for (radius, reason) in each(2) {
        let beside = |holders: &[&[&str]]| limited(radius, holders.iter().map(|pods| held(pods)).collect());
        assert!(takes(&beside(&[&["web-1"]]), "web-0").acts());
        assert_eq!(reasons(&takes(&beside(&[&["web-1", "web-2"]]), "web-0")), [reason]);
        assert!(takes(&beside(&[&["web-1"], &["web-1"]]), "web-0").acts(), "two hold the same one");
        assert!(takes(&beside(&[&["web-1", "web-0"]]), "web-0").acts(), "it is held and wanted");
        assert_eq!(reasons(&takes(&beside(&[&["web-1"], &["web-2"]]), "web-0")), [reason]);
    }
}

#[test]
fn a_run_that_is_reserved_already_does_not_count_beside_itself() {
    let own = Reservation { run_uid: "run-1".into(), ..held(&["web-0", "web-1"]) };
    for (radius, _) in each(2).into_iter().chain([(runs(1), "")]) {
        assert!(takes(&limited(radius, vec![own.clone()]), "web-0, web-1").acts());
    }
}

#[test]
fn a_refusal_says_what_is_wanted_what_is_held_and_by_whom() {
    let active = vec![held(&["web-0", "web-1"]), knows("far", "web-1", None, None)];
    let load = || Load { wanted: 2, held: 2, both: 1, runs: vec!["elsewhere/far".into(), "shop/other".into()] };
    let told = |radius| refusals(&takes(&limited(radius, active.clone()), "web-1, web-2"));
    assert_eq!(told(pods(2)), [ClusterRefusal::TooManyPods { load: load(), most: 2 }]);
    let (namespace, limit) = ("shop".into(), "maxPodsPerNamespace".into());
    assert_eq!(
        told(of_namespace(2)),
        [ClusterRefusal::TooManyPodsInNamespace { namespace, load: load(), limit, most: 2 }]
    );
    let owner = "shop/Deployment/web".into();
    assert_eq!(told(of_owner(2)), [ClusterRefusal::TooManyPodsOfOwner { owner, load: load(), most: 2 }]);
    let (namespace, by) = ("shop".into(), load().runs);
    assert_eq!(told(runs(2)), [ClusterRefusal::TooManyRunsInNamespace { namespace, runs: by, most: 2 }]);
}

#[test]
fn a_namespace_counts_its_own_pods_and_not_the_runs_that_are_in_it() {
    // The run is of `shop` and so is the other one, which holds a pod of `data`.
    let other = vec![held(&["db-7"])];
    for radius in [of_namespace(1), runs(1)] {
        assert!(takes(&two_shops(radius, other.clone()), "web-0").acts());
    }
    assert_eq!(reasons(&takes(&two_shops(runs(1), other), "db-7, web-0")), ["TooManyRunsInNamespace"]);
    let both = two_shops(of_namespace(1), vec![]);
    assert!(takes(&both, "web-0, db-7").acts(), "one of each namespace");
    assert_eq!(reasons(&takes(&both, "web-0, web-1, db-7")), ["TooManyPodsInNamespace"]);
    assert_eq!(reasons(&takes(&two_shops(pods(1), vec![]), "web-0, db-7")), ["TooManyPods"]);
    assert!(takes(&two_shops(of_owner(1), vec![]), "web-0, db-7").acts(), "one of each owner");
}

#[test]
fn runs_are_counted_by_namespace_whoever_started_them() {
    let two = vec![held(&["web-0"]), knows("far", "web-0", None, None), knows("data", "db-7", None, None)];
    assert!(takes(&two_shops(runs(3), two.clone()), "web-1").acts());
    assert_eq!(reasons(&takes(&two_shops(runs(2), two), "web-1")), ["TooManyRunsInNamespace"]);
    let nothing = vec![held(&[])];
    assert_eq!(reasons(&takes(&two_shops(runs(1), nothing), "web-1")), ["TooManyRunsInNamespace"], "it may hit any");
}

#[test]
fn a_pod_that_is_gone_counts_where_its_holder_says_and_everywhere_where_nobody_does() {
    let beside = |radius, namespace, owner| two_shops(radius, vec![knows("far", "gone", namespace, owner)]);
    for radius in [of_namespace(1), of_owner(1), runs(1)] {
        assert!(takes(&beside(radius, Some("data"), Some("u-db")), "web-0").acts(), "{radius:?}");
        assert!(takes(&beside(radius, Some("data"), None), "web-0").acts(), "{radius:?}");
        assert!(!takes(&beside(radius, Some("shop"), Some("u-web")), "web-0").acts(), "{radius:?}");
        assert!(!takes(&beside(radius, Some("shop"), None), "web-0").acts(), "its owner may be any of shop's");
        assert!(!takes(&beside(radius, None, None), "web-0").acts(), "{radius:?}");
    }
    let api = OwnerRef { kind: "Deployment".into(), name: "api".into(), uid: "u-api".into() };
    let shown = with(limited(of_owner(1), vec![held(&["web-1"])]), "web-1", |p| p.owner = Some(api));
    assert!(takes(&shown, "web-0").acts(), "what the snapshot shows is known whatever the holder knows");
    let other = beside(of_owner(1), Some("shop"), Some("u-other"));
    assert!(takes(&other, "web-0").acts(), "another owner of the same namespace");
    assert!(!takes(&beside(pods(1), Some("data"), Some("u-db")), "web-0").acts());
}

#[test]
fn a_pod_without_an_owner_is_its_own() {
    let bare = ["web-0", "web-1"].iter().fold(limited(of_owner(1), vec![]), |w, n| with(w, n, |p| p.owner = None));
    assert!(takes(&bare, "web-0, web-1, web-2").acts());
}

#[test]
fn the_owner_is_the_top_one_and_not_known_while_its_replica_set_is_not() {
    let set = |pod: &mut Pod| {
        pod.owner = Some(OwnerRef { kind: "ReplicaSet".into(), name: "web-5d".into(), uid: "u-set".into() });
    };
    // It may be one of the Deployment's.
    let wanted = with(limited(of_owner(9), vec![]), "web-0", set);
    assert_eq!(reasons(&takes(&wanted, "web-0")), ["ListUnknown"]);
    let taken = with(limited(of_owner(1), vec![held(&["web-0"])]), "web-0", set);
    assert_eq!(reasons(&takes(&taken, "web-1")), ["TooManyPodsOfOwner"]);
}

#[test]
fn what_is_not_known_refuses() {
    for (radius, _) in each(9).into_iter().chain([(runs(9), "")]) {
        let list = |world: World| refusals(&takes(&world, "web-0"));
        let unread = |list: &str| ClusterRefusal::ListUnknown { list: list.into(), why: "403 Forbidden".into() };
        assert_eq!(list(World { active: unknown(), ..limited(radius, vec![]) }), [unread("active runs")]);
        assert_eq!(list(World { namespaces: unknown(), ..limited(radius, vec![]) }), [unread("namespaces")]);
        assert_eq!(list(World { pods: unknown(), ..limited(radius, vec![]) }), [unread("pods")]);
    }
    let owners = World { owners: unknown(), ..limited(of_owner(9), vec![]) };
    assert_eq!(reasons(&takes(&owners, "web-0")), ["ListUnknown"]);
}

#[test]
fn a_guard_by_itself_refuses_where_namespaces_are_not_known() {
    let input = input(policy(WEB, "all: true", LOSS, ""));
    let asked = |world: &World| {
        let pods = world.pods.clone().unwrap();
        let picked: Vec<&Arc<Pod>> = pods.iter().collect();
        let case = crate::cluster::guard::Case { world, input: &input, picked: &picked, peers: &[] };
        super::check(&case).iter().map(ClusterRefusal::reason).collect::<Vec<_>>()
    };
    assert_eq!(asked(&World { namespaces: unknown(), ..shop() }), ["ListUnknown"]);
    assert_eq!(asked(&World { namespaces: Ok([].into()), ..shop() }), ["NamespaceMissing"]);
    assert_eq!(asked(&shop()), [""; 0]);
}

#[test]
fn a_namespace_tightens_its_limit_by_annotation_and_never_widens_it() {
    let with = |all: Option<u32>, own: Option<&str>| {
        let mut world = limited(Radius { pods_per_namespace: all, ..Radius::default() }, vec![held(&["web-2"])]);
        allows(&mut world, "shop", own);
        refusals(&takes(&world, "web-0"))
    };
    let says = |limit: &str, most| {
        let load = Load { wanted: 1, held: 1, both: 0, runs: vec!["shop/other".into()] };
        [ClusterRefusal::TooManyPodsInNamespace { namespace: "shop".into(), load, limit: limit.into(), most }]
    };
    assert_eq!(with(None, Some("2")), []);
    assert_eq!(with(None, Some("1")), says("its own rumpus.dev/max-pods", 1));
    assert_eq!(with(None, Some("0")), says("its own rumpus.dev/max-pods", 0));
    assert_eq!(with(Some(9), Some("1")), says("its own rumpus.dev/max-pods", 1));
    assert_eq!(with(Some(1), Some("9")), says("maxPodsPerNamespace", 1));
    assert_eq!(with(Some(2), Some("9")), []);
}

#[test]
fn an_annotation_that_is_no_number_refuses_and_is_shown() {
    for wrong in ["", "ten", "-1", "+1", "1.5", "10%", " 1", "99999999999"] {
        let mut world = shop();
        allows(&mut world, "shop", Some(wrong));
        let expected = ClusterRefusal::NamespaceLimitInvalid { namespace: "shop".into(), value: wrong.into() };
        assert_eq!(refusals(&takes(&world, "web-0")), [expected], "{wrong:?}");
        // What says nothing about the pods that are picked is nobody's business here.
        let mut world = two_shops(Radius::default(), vec![]);
        allows(&mut world, "data", Some(wrong));
        assert!(takes(&world, "web-0").acts(), "{wrong:?}");
        assert_eq!(reasons(&takes(&world, "web-0, db-7")), ["NamespaceLimitInvalid"], "{wrong:?}");
    }
    let mut world = shop();
    allows(&mut world, "shop", Some("007"));
    assert!(takes(&world, "web-0").acts());
}
