//! Every guard refuses, allows, and refuses on missing data.

use crate::cluster::fixture::{
    NOW, budget, held, input, labels, planned, policy, reasons, refusals, shop, unknown, with,
};
use crate::cluster::freeze::Freeze;
use crate::cluster::pod::OwnerRef;
use crate::cluster::rollout::{Midst, Rollout};
use crate::cluster::says::Says;
use crate::cluster::world::{DelayScope, HaltRow, HaltScope, Namespace, World};
use crate::cluster::{ClusterRefusal, plan};
use crate::scope::Direction;

const LOSS: &str = "loss: {percent: 10, direction: Both}";
const CUT: &str = "partition: {direction: Both}";
const DELAY: &str = "latency: {delay: 1s, direction: Egress}";
const KILL: &str = "kill: {signal: TERM}";
const DELETE: &str = "podDelete: {}";
const EVICT: &str = "podEvict: {gracePeriod: 3s}";

fn one(world: &World, fault: &str, more: &str) -> Vec<&'static str> {
    let policy = policy("selector: {matchLabels: {app: web}}", "count: 1", fault, more);
    reasons(&plan(world, &input(policy), NOW))
}

fn left_out(world: &World, fault: &str) -> Vec<(String, usize)> {
    planned(world, fault, "").left_out.into_iter().map(|l| (l.reason, l.count)).collect()
}

#[test]
fn every_fault_is_allowed_where_nothing_speaks_against_it() {
    for fault in [LOSS, CUT, DELAY, KILL, "kill: {container: true}", DELETE, EVICT] {
        let plan = planned(&shop(), fault, "");
        assert!(plan.acts() && plan.refusals.is_empty() && plan.targets().count() == 3, "{fault}: {plan:#?}");
    }
}

#[test]
fn a_halt_in_scope_refuses_and_any_other_does_not() {
    let text = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    let cases = [
        (HaltScope::All, true),
        (HaltScope::Namespaces(text(&["other", "shop"])), true),
        (HaltScope::Namespaces(text(&["other"])), false),
        (HaltScope::Nodes(text(&["node-1"])), true),
        (HaltScope::Nodes(text(&["node-9"])), false),
        (HaltScope::Runs(text(&["shop/trial-1"])), true),
        (HaltScope::Runs(text(&["shop/trial-2"])), false),
    ];
    for (scope, stands) in cases {
        for fault in [LOSS, DELETE] {
            let halts = vec![HaltRow { name: "h".into(), scope: scope.clone(), reason: "incident".into() }];
            let plan = planned(&World { halts: Ok(halts), ..shop() }, fault, "");
            assert_eq!(reasons(&plan).contains(&"Halted"), stands, "{scope:?} {fault}");
        }
    }
    assert_eq!(reasons(&planned(&World { halts: unknown(), ..shop() }, LOSS, "")), ["ListUnknown"]);
}

#[test]
fn a_protected_namespace_is_refused_by_name_and_left_out_of_all() {
    for (namespace, refused) in [("kube-system", true), ("kube-public", true), ("rumpus", true), ("shop", false)] {
        let targets = format!("namespaces: [{namespace}], selector: {{matchLabels: {{app: web}}}}");
        let plan = plan(&shop(), &input(policy(&targets, "all: true", LOSS, "")), NOW);
        assert_eq!(reasons(&plan).contains(&"ProtectedNamespace"), refused, "{namespace}");
    }
    let world = with(shop(), "web-1", |p| p.namespace = "kube-system".into());
    let all = policy("allNamespaces: true, selector: {matchLabels: {app: web}}", "all: true", LOSS, "");
    let plan = plan(&world, &input(all), NOW);
    assert_eq!((plan.targets().count(), plan.left_out[0].reason.as_str()), (2, "Protected"));
    assert_eq!(plan.left_out[0].examples, ["kube-system/web-1"]);
}

#[test]
fn a_namespace_opts_in_by_its_label_and_a_missing_one_is_told() {
    let mut world = shop();
    world.namespaces = Ok([("shop".into(), Namespace::new(labels(&[("rumpus.dev/chaos", "no")]), None))].into());
    assert_eq!(
        refusals(&planned(&world, LOSS, "")).first(),
        Some(&ClusterRefusal::NotOptedIn { namespace: "shop".into(), label: "rumpus.dev/chaos=enabled".into() })
    );
    world.rules.opt_in = None;
    assert!(planned(&world, LOSS, "").acts());
    world.namespaces = Ok([].into());
    assert!(reasons(&planned(&world, LOSS, "")).contains(&"NamespaceMissing"));
    world.namespaces = unknown();
    assert_eq!(reasons(&planned(&world, LOSS, "")), ["ListUnknown"]);
}

#[test]
fn the_exclude_label_wins_on_a_pod_and_on_its_namespace() {
    let world = with(shop(), "web-0", |p| p.labels = labels(&[("app", "web"), ("rumpus.dev/exclude", "true")]));
    assert_eq!(left_out(&world, LOSS), [("OptedOut".to_owned(), 1)]);
    let mut world = shop();
    let both = labels(&[("rumpus.dev/chaos", "enabled"), ("rumpus.dev/exclude", "true")]);
    world.namespaces = Ok([("shop".into(), Namespace::new(both, None))].into());
    assert_eq!(left_out(&world, LOSS), [("NamespaceExcluded".to_owned(), 3)]);
    assert_eq!(reasons(&planned(&world, LOSS, "")), ["AllLeftOut"]);
}

#[test]
fn pods_on_the_nodes_network_and_in_sandboxes_are_left_out_by_reason() {
    let host = with(shop(), "web-0", |p| p.host_network = true);
    assert_eq!(left_out(&host, CUT), [("HostNetwork".to_owned(), 1)]);
    assert_eq!(left_out(&host, KILL), []);
    for class in ["gvisor", "kata-qemu", "RunSC"] {
        let boxed = with(shop(), "web-0", |p| p.runtime_class = Some(class.into()));
        assert_eq!(left_out(&boxed, KILL), [("Sandboxed".to_owned(), 1)], "{class}");
        assert_eq!(left_out(&boxed, DELETE), [], "{class}");
    }
    assert_eq!(left_out(&with(shop(), "web-0", |p| p.runtime_class = Some("runc".into())), KILL), []);
}

#[test]
fn min_healthy_counts_what_is_left_after_the_pick_and_beside_active_runs() {
    let limits = |least: &str| format!("limits: {{minHealthy: {least}}}");
    assert_eq!(one(&shop(), DELETE, &limits("2")), [""; 0]);
    assert_eq!(one(&shop(), DELETE, &limits("3")), ["TooFewHealthy"]);
    assert_eq!(one(&shop(), DELAY, &limits("3")), ["TooFewHealthy"], "a limit counts whoever is hit");
    // 67 % of 3 is 2.01: rounded up.
    assert_eq!(one(&shop(), DELETE, &limits("66%")), [""; 0]);
    assert_eq!(one(&shop(), DELETE, &limits("67%")), ["TooFewHealthy"]);
    let two = policy("names: [web-0], selector: {matchLabels: {app: web}}", "all: true", DELETE, &limits("2"));
    let at = |world: &World| refusals(&plan(world, &input(two.clone()), NOW));
    assert_eq!(at(&shop()), []);
    let short = ClusterRefusal::TooFewHealthy { owner: "shop/Deployment/web".into(), healthy: 1, required: 2 };
    assert_eq!(at(&with(shop(), "web-1", |p| p.ready = false)), std::slice::from_ref(&short));
    assert_eq!(at(&with(shop(), "web-1", |p| p.terminating = true)), std::slice::from_ref(&short));
    assert_eq!(at(&World { active: Ok(vec![held(&["web-1"])]), ..shop() }), [short]);
    assert_eq!(at(&World { active: Ok(vec![held(&["web-0"])]), ..shop() }), [], "counted once");
    assert_eq!(one(&World { owners: unknown(), ..shop() }, DELETE, &limits("1")), ["ListUnknown"]);
    let bare = ["web-0", "web-1", "web-2"].iter().fold(shop(), |w, n| with(w, n, |p| p.owner = None));
    assert_eq!(one(&bare, DELAY, &limits("0")), ["DesiredUnknown"]);
}

#[test]
fn max_unavailable_is_of_the_desired_ones_and_rounded_down() {
    let limits = |most: &str| format!("limits: {{maxUnavailable: {most}}}");
    assert_eq!(one(&shop(), DELETE, &limits("1")), [""; 0]);
    assert_eq!(one(&shop(), DELETE, &limits("0")), ["TooManyUnavailable"]);
    assert_eq!(one(&shop(), DELETE, &limits("34%")), [""; 0]);
    assert_eq!(one(&shop(), DELETE, &limits("33%")), ["TooManyUnavailable"], "0.99 pods are none");
    let mut scaled = shop();
    scaled.owners.as_mut().unwrap().get_mut("u-web").unwrap().desired = Some(4);
    assert_eq!(one(&scaled, DELETE, &limits("1")), ["TooManyUnavailable"], "one is missing already");
    scaled.owners.as_mut().unwrap().get_mut("u-web").unwrap().desired = None;
    assert_eq!(one(&scaled, DELETE, &limits("3")), ["DesiredUnknown"]);
    assert_eq!(one(&World { active: unknown(), ..shop() }, DELETE, &limits("3"))[0], "ListUnknown");
}

#[test]
fn budgets_hold_back_whatever_takes_pods_down() {
    let world = |allowed| World { budgets: Ok(vec![budget(allowed)]), ..shop() };
    for fault in [DELETE, EVICT, KILL, CUT, "loss: {percent: 100, direction: Both}"] {
        assert_eq!(one(&world(1), fault, ""), [""; 0], "{fault}");
        assert_eq!(one(&world(0), fault, ""), ["BudgetExhausted"], "{fault}");
        assert_eq!(reasons(&planned(&world(2), fault, "")), ["BudgetExhausted"], "three are picked: {fault}");
    }
    for fault in [DELAY, LOSS] {
        assert_eq!(one(&world(0), fault, ""), [""; 0], "{fault}");
    }
    let mut stale = world(1);
    stale.budgets.as_mut().unwrap()[0].observed = false;
    assert_eq!(one(&stale, KILL, ""), ["BudgetNotObserved"]);
    assert_eq!(one(&World { budgets: unknown(), ..shop() }, KILL, ""), ["ListUnknown"]);
    let beside = World { active: Ok(vec![held(&["web-0"])]), ..world(1) };
    assert_eq!(one(&beside, KILL, ""), ["BudgetExhausted"], "an active run holds a pod that is still ready");
    let seen = with(beside, "web-0", |p| p.ready = false);
    assert_eq!(one(&seen, KILL, ""), [""; 0], "the budget itself counts it");
    let mut nobody = world(0);
    nobody.budgets.as_mut().unwrap()[0].selector = None;
    assert_eq!(one(&nobody, KILL, ""), [""; 0]);
    let two = World { budgets: Ok(vec![budget(9), budget(9)]), ..shop() };
    assert_eq!((one(&two, EVICT, ""), one(&two, DELETE, "")), (vec!["ManyBudgets"], vec![]));
}

#[test]
fn a_node_is_refused_by_name_for_each_thing_that_its_agent_lacks() {
    let on = |change: &dyn Fn(&mut crate::cluster::world::NodeAgent)| {
        let mut world = shop();
        change(world.nodes.as_mut().unwrap().get_mut("node-1").unwrap().agent.as_mut().unwrap());
        refusals(&planned(&world, DELAY, ""))
    };
    let node = || "node-1".to_owned();
    let why = || "why".to_owned();
    assert_eq!(on(&|a| a.present = Err(why())), [ClusterRefusal::NoAgent { node: node(), why: why() }]);
    assert_eq!(on(&|a| a.admission = Err(why())), [ClusterRefusal::AdmissionGuardMissing { node: node(), why: why() }]);
    assert_eq!(on(&|a| a.unrestored = vec![why()]), [ClusterRefusal::Unrestored { node: node(), what: why() }]);
    let cannot = |why: &str| ClusterRefusal::CannotDo { node: node(), fault: "latency".into(), why: why.into() };
    assert_eq!(
        on(&|a| {
            a.missing.insert("latency".into(), why());
        }),
        [cannot("why")]
    );
    assert_eq!(
        on(&|a| {
            a.engines.remove("latency");
        }),
        [cannot("its agent does not say that it can")]
    );
    assert_eq!(
        on(&|a| {
            a.engines.remove("loss");
        }),
        []
    );
    let mut world = shop();
    world.nodes.as_mut().unwrap().get_mut("node-1").unwrap().agent = None;
    assert_eq!(reasons(&planned(&world, KILL, "")), ["NoAgent"]);
    assert_eq!(reasons(&planned(&world, DELETE, "")), [""; 0], "the controller does it itself");
    world.nodes.as_mut().unwrap().remove("node-1");
    assert_eq!(reasons(&planned(&world, KILL, "")), ["NodeMissing"]);
    assert_eq!(reasons(&planned(&World { nodes: unknown(), ..shop() }, KILL, "")), ["ListUnknown"]);
}

#[test]
fn a_second_delay_of_the_same_packets_is_refused() {
    let other = |direction, peers: &[&str]| {
        let peers = crate::cluster::PeerEntry {
            addresses: peers.iter().map(|p| p.parse().unwrap()).collect(),
            ..crate::cluster::PeerEntry::default()
        };
        let delay = Some(DelayScope { direction, peers: vec![peers] });
        World { active: Ok(vec![crate::cluster::world::Reservation { delay, ..held(&["web-0"]) }]), ..shop() }
    };
    let to = "latency: {delay: 1s, direction: Egress, peers: {addresses: [10.9.0.0/16]}}";
    let hits = |world: &World, fault: &str| reasons(&planned(world, fault, ""));
    assert_eq!(hits(&other(Direction::Both, &["10.9.9.0/24"]), to), ["FaultOverlaps"]);
    assert_eq!(hits(&other(Direction::Egress, &["10.9.9.0/24"]), DELAY), ["FaultOverlaps"], "everyone");
    assert_eq!(hits(&other(Direction::Both, &["10.8.0.0/16"]), to), [""; 0]);
    assert_eq!(hits(&other(Direction::Ingress, &["10.9.9.0/24"]), to), [""; 0]);
    assert_eq!(hits(&other(Direction::Both, &["10.9.9.0/24"]), LOSS), [""; 0]);
    let named = "latency: {delay: 1s, direction: Egress, peers: {names: [db.example]}}";
    assert_eq!(hits(&other(Direction::Both, &["10.8.0.0/16"]), named), ["FaultOverlaps"], "a name may be anyone");
    assert_eq!(hits(&World { active: unknown(), ..shop() }, DELAY)[0], "ListUnknown");
}

#[test]
fn active_runs_are_bounded_for_all_and_for_each_policy() {
    let mut world = World { active: Ok(vec![held(&[])]), ..shop() };
    assert_eq!(one(&world, DELETE, ""), [""; 0]);
    world.rules.max_active_runs = 1;
    assert_eq!(one(&world, DELETE, ""), ["TooManyRuns"]);
    world.active.as_mut().unwrap()[0].run_uid = "run-1".into();
    assert_eq!(one(&world, DELETE, ""), [""; 0], "the run itself, reserved already");
    world.active.as_mut().unwrap()[0].run_uid = "run-0".into();
    world.active.as_mut().unwrap()[0].policy_uid = Some("policy-1".into());
    world.rules.max_active_runs = 8;
    assert_eq!(one(&world, DELETE, ""), ["PolicyBusy"]);
    assert_eq!(one(&world, DELETE, "limits: {maxConcurrent: 2}"), [""; 0]);
    assert_eq!(one(&World { active: unknown(), ..shop() }, LOSS, ""), ["ListUnknown"]);
}

#[test]
fn the_only_pod_of_an_owner_is_not_ended_by_a_policy_unless_it_says_so() {
    let scaled = |desired| {
        let mut world = shop();
        world.owners.as_mut().unwrap().get_mut("u-web").unwrap().desired = desired;
        world
    };
    let by_hand = |world: &World, fault: &str, more: &str| {
        let policy = policy("selector: {matchLabels: {app: web}}", "count: 1", fault, more);
        reasons(&plan(world, &crate::cluster::RunInput { policy_uid: None, ..input(policy) }, NOW))
    };
    let bare = ["web-0", "web-1", "web-2"].iter().fold(shop(), |w, n| with(w, n, |p| p.owner = None));
    for fault in [KILL, DELETE, EVICT] {
        for world in [scaled(Some(1)), scaled(Some(0)), bare.clone()] {
            assert_eq!(one(&world, fault, ""), ["SingleReplica"], "{fault}");
            assert_eq!(one(&world, fault, "limits: {singleReplica: Allow}"), [""; 0], "{fault}");
            assert_eq!(by_hand(&world, fault, ""), [""; 0], "a one-off names its victim: {fault}");
            assert_eq!(by_hand(&world, fault, "limits: {singleReplica: Refuse}"), ["SingleReplica"], "{fault}");
        }
        assert_eq!(one(&scaled(Some(2)), fault, ""), [""; 0], "{fault}");
        assert_eq!(one(&scaled(None), fault, ""), ["DesiredUnknown"], "{fault}");
        let unseen = World { owners: Ok([].into()), ..shop() };
        assert!(one(&unseen, fault, "").contains(&"DesiredUnknown"), "{fault}");
        assert_eq!(one(&World { owners: unknown(), ..shop() }, fault, ""), ["ListUnknown"], "{fault}");
    }
    for (fault, down) in [(CUT, true), (DELAY, false), (LOSS, false)] {
        assert_eq!(one(&scaled(Some(1)), fault, ""), [""; 0], "it is put back: {fault}");
        let strict = one(&scaled(Some(1)), fault, "limits: {singleReplica: Refuse}");
        assert_eq!(strict == ["SingleReplica"], down, "{fault}");
    }
    let told = refusals(&planned(&scaled(Some(1)), DELETE, ""));
    let owner = Some("shop/Deployment/web".to_owned());
    assert!(told.contains(&ClusterRefusal::SingleReplica { owner, pod: "shop/web-0".into() }), "{told:?}");
}

#[test]
fn a_rollout_in_progress_refuses_and_so_does_one_that_nobody_can_see() {
    let at = |rollout| {
        let mut world = shop();
        world.owners.as_mut().unwrap().get_mut("u-web").unwrap().rollout = rollout;
        world
    };
    let midst = Rollout::Underway(Midst::Updating { updated: 1, wanted: 3 });
    let (owner, why) = ("shop/Deployment/web".to_owned(), "1 of 3 pods are updated".to_owned());
    let refusal = [ClusterRefusal::RolloutInProgress { owner, why }];
    for fault in [LOSS, CUT, DELAY, KILL, DELETE, EVICT] {
        assert_eq!(refusals(&planned(&at(midst), fault, "limits: {singleReplica: Allow}")), refusal, "{fault}");
        assert_eq!(one(&at(Rollout::Done), fault, ""), [""; 0], "{fault}");
        assert_eq!(one(&at(Rollout::None), fault, ""), [""; 0], "{fault}");
    }
    assert_eq!(one(&World { owners: unknown(), ..shop() }, LOSS, ""), ["ListUnknown"]);
    for kind in ["DaemonSet", "Deployment", "ReplicaSet", "StatefulSet", "Job", "Rollout"] {
        let unseen = ["web-0", "web-1", "web-2"].iter().fold(shop(), |world, name| {
            with(world, name, |p| {
                p.owner = Some(OwnerRef { kind: kind.into(), name: "new".into(), uid: "u-new".into() });
            })
        });
        let refused = kind != "Rollout";
        assert_eq!(one(&unseen, LOSS, "") == ["ListUnknown"], refused, "{kind}");
    }
    let bare = ["web-0", "web-1", "web-2"].iter().fold(shop(), |w, n| with(w, n, |p| p.owner = None));
    assert_eq!(one(&World { owners: unknown(), ..bare }, LOSS, ""), [""; 0], "nobody's pods have no rollout");
}

#[test]
fn nothing_of_a_frozen_namespace_is_hit_until_its_end() {
    let at = |until: &str| {
        let mut world = shop();
        let namespace = world.namespaces.as_mut().unwrap().get_mut("shop").unwrap();
        namespace.freeze = Freeze::read(Some("sale"), Some(until));
        world
    };
    // A million seconds after the epoch is the twelfth.
    let (before, after) = ("1970-01-12T13:46:40Z", "1970-01-12T13:46:41Z");
    let frozen = |until: &str| {
        let (namespace, reason) = ("shop".into(), "sale".into());
        Some(ClusterRefusal::Frozen { namespace, until: until.into(), reason })
    };
    for fault in [LOSS, DELETE] {
        assert_eq!(refusals(&planned(&at(before), fault, "")), [], "{fault}");
        let plan = planned(&at(after), fault, "");
        assert_eq!(refusals(&plan).first(), frozen(&format!("until {after}")).as_ref(), "{fault}");
        assert!(!plan.acts());
        let unread = refusals(&planned(&at("soon"), fault, ""));
        let told = frozen("and its end cannot be read (rumpus.dev/freeze-until is \"soon\")");
        assert_eq!(unread.first(), told.as_ref(), "{fault}");
    }
    let everywhere = policy("allNamespaces: true, selector: {matchLabels: {app: web}}", "all: true", LOSS, "");
    let mut world = with(at(after), "web-1", |p| p.namespace = "data".into());
    let opted = Namespace::new(labels(&[("rumpus.dev/chaos", "enabled")]), None);
    world.namespaces.as_mut().unwrap().insert("data".into(), opted);
    let plan = plan(&world, &input(everywhere), NOW);
    let left = (plan.left_out[0].reason.as_str(), plan.left_out[0].count);
    assert_eq!((left, plan.targets().count(), reasons(&plan)), (("Frozen", 2), 1, vec![]));
}

#[test]
fn within_a_namespace_the_narrowest_that_says_something_decides() {
    const SAID: [Option<&str>; 4] = [None, Some("enabled"), Some("disabled"), Some("yes")];
    for (pod, owner, namespace) in
        SAID.iter().flat_map(|p| SAID.iter().flat_map(move |o| SAID.iter().map(move |n| (*p, *o, *n))))
    {
        let mut world = with(shop(), "web-0", |p| {
            p.labels = labels(
                &[&[("app", "web")][..], &pod.map(|says| ("rumpus.dev/chaos", says)).into_iter().collect::<Vec<_>>()]
                    .concat(),
            );
        });
        world.owners.as_mut().unwrap().get_mut("u-web").unwrap().says = owner.map(Says::read);
        world.namespaces.as_mut().unwrap().get_mut("shop").unwrap().says = namespace.map(Says::read);
        let expected = match (pod, owner, namespace) {
            (Some("enabled"), _, _) | (None, Some("enabled"), _) | (None, None, Some("enabled") | None) => None,
            (Some("disabled"), _, _) => Some("PodDisabled"),
            (None, Some("disabled"), _) => Some("OwnerDisabled"),
            (None, None, Some("disabled")) => Some("NamespaceDisabled"),
            (_, _, _) => Some("OptInUnclear"),
        };
        let plan = planned(&world, LOSS, "");
        let of = |reason: &str| {
            plan.left_out.iter().any(|l| l.reason == reason && l.examples.contains(&"shop/web-0".into()))
        };
        assert_eq!(plan.targets().any(|t| t.pod == "web-0"), expected.is_none(), "{pod:?} {owner:?} {namespace:?}");
        assert!(expected.is_none_or(of), "{pod:?} {owner:?} {namespace:?}: {:?}", plan.left_out);
        let named = plan.notes.iter().any(|note| note.ends_with("\"yes\", which is neither enabled nor disabled"));
        assert!(named || expected != Some("OptInUnclear"), "{:?}", plan.notes);
    }
}

#[test]
fn no_level_opens_a_namespace_that_has_not_opted_in_or_a_pod_that_is_excluded() {
    let mut world = with(shop(), "web-0", |p| p.labels = labels(&[("app", "web"), ("rumpus.dev/chaos", "enabled")]));
    world.owners.as_mut().unwrap().get_mut("u-web").unwrap().says = Some(Says::Enabled);
    world.namespaces.as_mut().unwrap().get_mut("shop").unwrap().labels = labels(&[]);
    assert_eq!(left_out(&world, LOSS), [("NotOptedIn".to_owned(), 3)]);
    let both = [("app", "web"), ("rumpus.dev/chaos", "enabled"), ("rumpus.dev/exclude", "true")];
    let world = with(shop(), "web-0", |p| p.labels = labels(&both));
    assert_eq!(left_out(&world, LOSS), [("OptedOut".to_owned(), 1)]);
}
