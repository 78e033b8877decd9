//! Each lack is told where it is and not where it is not.

use super::{Lack, Lint, lint};
use crate::cluster::fixture::{NOW, budget, input, labels, policy, shop, unknown, with};
use crate::cluster::pod::{OwnerRef, Pod};
use crate::cluster::world::{Namespace, Owner, World};
use crate::wire::Truth;
use std::collections::BTreeSet;

const ALL: [&str; 3] = ["web-0", "web-1", "web-2"];

/// Lacks nothing.
fn ready() -> World {
    each(World { budgets: Ok(vec![budget(1)]), ..shop() }, |p| (p.readiness_probe, p.spread) = (true, true))
}

fn each(world: World, change: impl Fn(&mut Pod)) -> World {
    ALL.iter().fold(world, |world, name| with(world, name, &change))
}

fn scaled(desired: Option<u32>) -> World {
    let mut world = ready();
    world.owners.as_mut().unwrap().get_mut("u-web").unwrap().desired = desired;
    world
}

fn linted(world: &World) -> Lint {
    let policy = policy("selector: {matchLabels: {app: web}}", "count: 1", "podDelete: {}", "");
    lint(world, &input(policy), NOW)
}

fn lacks(world: &World) -> Vec<Lack> {
    linted(world).workloads.iter().flat_map(|w| w.lacks.iter().copied()).collect()
}

#[test]
fn a_workload_that_has_everything_is_ready_and_each_lack_is_told_alone() {
    let told = linted(&ready());
    assert!(told.is_ready());
    assert_eq!((told.workloads[0].workload.as_str(), told.workloads[0].pods), ("shop/Deployment/web", 3));
    let cases = [
        (scaled(Some(1)), Lack::SingleReplica),
        (with(ready(), "web-1", |p| p.readiness_probe = false), Lack::ReadinessProbe),
        (World { budgets: Ok(Vec::new()), ..ready() }, Lack::DisruptionBudget),
        (with(ready(), "web-2", |p| p.spread = false), Lack::Spread),
    ];
    assert_eq!(cases.each_ref().map(|(_, lack)| *lack), Lack::ALL);
    for (world, lack) in cases {
        assert_eq!(lacks(&world), [lack]);
        assert!(!linted(&world).is_ready());
    }
    let elsewhere =
        World { budgets: Ok(vec![crate::cluster::world::Pdb { namespace: "data".into(), ..budget(1) }]), ..ready() };
    assert_eq!(lacks(&elsewhere), [Lack::DisruptionBudget], "a budget is of its own namespace");
}

#[test]
fn a_pod_that_nobody_owns_is_alone_and_a_daemon_is_one_on_each_node() {
    let bare = linted(&each(ready(), |p| p.owner = None));
    assert_eq!(bare.workloads.len(), 3);
    assert!(bare.workloads.iter().all(|w| w.lacks == BTreeSet::from([Lack::SingleReplica])), "{bare:?}");
    let owner = || OwnerRef { kind: "DaemonSet".into(), name: "logs".into(), uid: "u-logs".into() };
    let mut daemons =
        each(World { budgets: Ok(Vec::new()), ..ready() }, |p| (p.owner, p.spread) = (Some(owner()), false));
    let logs = Owner { kind: "DaemonSet".into(), name: "logs".into(), desired: Some(1), ..Owner::default() };
    daemons.owners.as_mut().unwrap().insert("u-logs".into(), logs);
    assert!(linted(&daemons).is_ready(), "{:?}", linted(&daemons));
}

#[test]
fn who_has_not_opted_in_yet_is_looked_at_and_who_is_not_meant_is_not() {
    let mut closed = with(ready(), "web-0", |p| p.readiness_probe = false);
    closed.namespaces = Ok([("shop".into(), Namespace::default())].into());
    assert_eq!(lacks(&closed), [Lack::ReadinessProbe]);
    let others = with(ready(), "web-0", |p| (p.readiness_probe, p.labels) = (false, labels(&[("app", "db")])));
    assert!(linted(&others).is_ready());
    let ends = with(ready(), "web-0", |p| (p.readiness_probe, p.terminating) = (false, true));
    assert!(linted(&ends).is_ready());
    assert!(!linted(&each(ready(), |p| p.labels = labels(&[]))).is_ready(), "nothing is not ready");
}

#[test]
fn what_cannot_be_read_is_not_ready() {
    for world in [
        World { pods: unknown(), ..ready() },
        World { owners: unknown(), ..ready() },
        World { budgets: unknown(), ..ready() },
        World { owners: Ok([].into()), ..ready() },
        scaled(None),
    ] {
        let told = linted(&world);
        assert!(!told.unread.is_empty() && !told.is_ready(), "{told:?}");
        assert!(told.workloads.iter().all(|w| w.lacks.is_empty()), "unread is no lack: {told:?}");
    }
}

#[test]
fn a_condition_tells_it_in_one_sentence() {
    let said = |world: &World| {
        let readiness = linted(world).readiness();
        (readiness.ready, readiness.reason, readiness.message)
    };
    assert_eq!(said(&ready()), (Truth::True, "Ready", "1 of 1 workloads lack nothing".into()));
    let message = "1 of 1 workloads are not ready for chaos: shop/Deployment/web lacks ReadinessProbe";
    assert_eq!(
        said(&with(ready(), "web-1", |p| p.readiness_probe = false)),
        (Truth::False, "NotReady", message.into())
    );
    assert_eq!(said(&World { budgets: unknown(), ..ready() }).1, "Unread");
    assert_eq!(said(&each(ready(), |p| p.labels = labels(&[]))).1, "NothingSelected");
    let many = each(ready(), |p| p.owner = None);
    let pods = (0..9).map(|n| {
        std::sync::Arc::new(Pod {
            uid: n.to_string().into(),
            name: format!("a-{n}").into(),
            ..(*many.pods.as_ref().unwrap()[0]).clone()
        })
    });
    let (_, _, message) = said(&World { pods: Ok(pods.collect()), ..many.clone() });
    assert!(message.starts_with("9 of 9") && message.ends_with("; and so on"), "{message}");
}
