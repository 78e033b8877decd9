//! Runs beside each other, planned by the model: what is in effect at once never exceeds a budget, whatever goes wrong.

use super::fake::{Fake, Wrong};
use crate::cluster::core::event::{Event, Key};
use rumpus_model::cluster::labels::Labels;
use rumpus_model::cluster::pod::{OwnerRef, Phase as PodPhase, Pod};
use rumpus_model::cluster::world::{MAX_PODS, Namespace, Node, NodeAgent, Owner, Radius, Reservation, Rules};
use rumpus_model::cluster::{ClusterPlan, RunInput, World, plan};
use rumpus_model::engine::Engine;
use rumpus_model::wire::{InjectionState, Phase, RunState, Verdict};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Pods of one workload in `shop`, and of another one in `data`.
const PODS: [(&str, &str); 6] =
    [("shop", "web-0"), ("shop", "web-1"), ("shop", "web-2"), ("shop", "web-3"), ("data", "db-0"), ("data", "db-1")];

impl Fake {
    /// Lets the production planner plan.
    pub(super) fn planned(&self, input: &RunInput, active: &[Reservation], rules: &Rules) -> ClusterPlan {
        let labels = |(key, value): (&str, &str)| Labels::new([(key.into(), value.into())]);
        let owner = |name: &str| OwnerRef { kind: "Deployment".into(), name: name.into(), uid: name.into() };
        let pod = |(uid, key): (&String, &Key)| Pod {
            uid: uid.as_str().into(),
            namespace: key.namespace.as_str().into(),
            name: key.name.as_str().into(),
            labels: labels(("app", "web")),
            node: Some(format!("node-{}", key.name).as_str().into()),
            phase: PodPhase::Running,
            ready: true,
            terminating: false,
            created: 0,
            host_network: false,
            addresses: Vec::new(),
            runtime_class: None,
            owner: key.name.split('-').next().map(owner),
            containers: Vec::new(),
            probes: Vec::new(),
            readiness_probe: false,
            spread: false,
        };
        let engines: BTreeMap<String, Engine> = [("partition".to_owned(), Engine::Nft)].into();
        let missing = BTreeMap::new();
        let agent = NodeAgent { present: Ok(()), engines, missing, admission: Ok(()), unrestored: Vec::new() };
        let node = |(_, name): &(&str, &str)| {
            let node = Node { ready: true, agent: Some(agent.clone()), ..Node::default() };
            (format!("node-{name}").as_str().into(), node)
        };
        let namespace = |name: &str| {
            let own = self.annotation.filter(|_| name == "shop");
            (name.into(), Namespace::new(labels(("rumpus.dev/chaos", "enabled")), own))
        };
        let top = |name: &str| {
            let owner =
                Owner { kind: "Deployment".into(), namespace: "shop".into(), name: name.into(), ..Owner::default() };
            (name.into(), owner)
        };
        let world = World {
            pods: Ok(self.pods.iter().map(pod).map(Arc::new).collect()),
            owners: Ok(["web", "db"].map(top).into()),
            namespaces: Ok(["shop", "data"].map(namespace).into()),
            nodes: Ok(PODS.iter().map(node).collect()),
            services: Ok(Vec::new()),
            budgets: Ok(Vec::new()),
            halts: Ok(Vec::new()),
            active: Ok(active.to_vec()),
            hits: Ok(Arc::default()),
            rules: rules.clone(),
        };
        plan(&world, input, 3600)
    }

    pub(super) fn start_on(&mut self, name: &str, pods: &[&str], fault: &str) {
        let mut seen = self.written(name, "partition", true);
        let once = fault == "podDelete";
        let mut experiment = json!({
            "targets": {"pods": {"allNamespaces": true, "names": pods}},
            "pick": {"all": true},
            "faults": [if once { json!({"podDelete": {}}) } else { json!({"partition": {"direction": "Both"}}) }],
            "steadyState": {"none": {"reason": "test"}},
        });
        if !once {
            experiment["duration"] = json!("10s");
        }
        seen.spec.experiment = serde_json::from_value(experiment).unwrap();
        self.runs.insert(seen.uid.clone(), seen.clone());
        self.tell(Event::Run(Box::new(seen)));
    }

    /// Returns the pods that may be under fault by what is armed and not attested to be over.
    pub(super) fn under_fault(&self) -> BTreeSet<String> {
        let live = self.injections.values().filter(|i| match (i.spec.phase, i.status.state) {
            (_, Some(state)) => !state.is_final(),
            (Phase::Armed, None) => true,
            (Phase::Planned | Phase::Cancelled, None) => false,
        });
        live.flat_map(|i| &i.spec.targets).map(|t| t.uid.clone()).collect()
    }

    /// Lets time pass, and returns most pods that were under fault at once.
    pub(super) fn watched(&mut self, seconds: usize, of: &str) -> usize {
        let mut most = 0;
        for _ in 0..seconds * 10 {
            self.pass(Duration::from_millis(100));
            most = most.max(self.under_fault().iter().filter(|uid| uid.contains(of)).count());
        }
        most
    }

    pub(super) fn reason(&self, name: &str) -> &str {
        self.status(name).refusals.first().map_or("", |why| &why.reason)
    }
}

pub(super) fn world(radius: Radius) -> Fake {
    let mut world = Fake::new();
    world.pods = PODS
        .iter()
        .map(|(namespace, name)| (format!("uid-{name}"), Key { namespace: (*namespace).into(), name: (*name).into() }))
        .collect();
    world.rules = Some(Rules { max_active_runs: 9, radius, ..Rules::default() });
    world
}

/// So many pods at once; each budget has to hold by itself.
pub(super) fn each(most: u32) -> [(Radius, &'static str); 3] {
    let most = Some(most);
    [
        (Radius { pods: most, ..Radius::default() }, "TooManyPods"),
        (Radius { pods_per_namespace: most, ..Radius::default() }, "TooManyPodsInNamespace"),
        (Radius { pods_per_owner: most, ..Radius::default() }, "TooManyPodsOfOwner"),
    ]
}

#[test]
fn two_runs_in_flight_never_exceed_a_budget_of_pods_and_the_second_one_is_told_who_holds_them() {
    for (radius, reason) in each(3) {
        let mut world = world(radius);
        world.start_on("a", &["web-0", "web-1"], "partition");
        world.start_on("b", &["web-2", "web-3"], "partition");
        assert_eq!(world.watched(5, ""), 2, "{reason}");
        assert_eq!(world.reason("b"), reason);
        let why = &world.status("b").refusals[0];
        assert!(why.message.contains("4 pods (2 wanted, 2 held by shop/a)"), "{why:?}");
        assert!(world.told.contains(&reason.to_owned()), "the Event: {:?}", world.told);
        assert_eq!(world.status("b").conditions.iter().filter(|c| c.reason == reason).count(), 2, "{reason}");
        // What fits runs beside it, and a pod of both counts once.
        world.start_on("c", &["web-1", "web-2"], "partition");
        assert_eq!(world.watched(3, ""), 3, "{reason}");
        assert_eq!(world.watched(20, ""), 3);
        world.start_on("d", &["web-2", "web-3"], "partition");
        assert_eq!(world.watched(20, ""), 2, "they have given their places back");
        assert_eq!(world.status("d").verdict, Some(Verdict::NotApplicable));
    }
}

#[test]
fn another_namespace_has_a_budget_of_its_own_whichever_the_run_is_of() {
    for (radius, reason) in &each(2)[1..] {
        let mut world = world(*radius);
        world.start_on("a", &["web-0", "web-1"], "partition");
        world.start_on("b", &["db-0", "db-1"], "partition");
        world.start_on("c", &["web-2", "db-0"], "partition");
        assert_eq!((world.watched(5, "web"), world.under_fault().len()), (2, 4), "{reason}");
        assert_eq!(world.reason("c"), *reason);
    }
    let mut world = world(Radius { runs_per_namespace: Some(1), ..Radius::default() });
    world.start_on("a", &["db-0"], "partition");
    world.start_on("b", &["web-0"], "partition");
    world.start_on("c", &["db-1"], "partition");
    world.seconds(3);
    assert_eq!((world.under_fault().len(), world.reason("c")), (2, "TooManyRunsInNamespace"));
}

#[test]
fn a_namespace_that_limits_itself_is_kept_to_by_all_runs_together() {
    let mut world = world(Radius::default());
    world.annotation = Some("1");
    world.start_on("a", &["web-0"], "partition");
    world.start_on("b", &["web-1"], "partition");
    world.start_on("c", &["db-0", "db-1"], "partition");
    assert_eq!(world.watched(5, "web"), 1);
    assert!(world.status("b").refusals[0].message.contains(MAX_PODS), "{:?}", world.status("b").refusals);
    assert_eq!(world.under_fault().len(), 3, "the other namespace has said nothing");
}

#[test]
fn pods_that_are_gone_are_held_where_their_run_knows_them() {
    for (radius, reason) in each(2) {
        for fault in ["partition", "podDelete"] {
            let mut world = world(radius);
            // The second one cannot be deleted yet.
            world.wrongs.insert("remove", vec![Wrong::Busy; 2000].into());
            world.start_on("a", &["web-0", "web-1"], fault);
            world.seconds(1);
            world.pods.remove("uid-web-0");
            world.start_on("b", &["web-2"], "partition");
            world.start_on("c", &["db-0", "db-1"], "partition");
            world.seconds(2);
            assert_eq!(world.reason("b"), reason, "{fault}");
            assert_eq!(
                world.reason("c"),
                if reason == "TooManyPods" { reason } else { "" },
                "they are of `shop`: {fault}"
            );
        }
    }
}

#[test]
fn a_budget_holds_through_a_crash_after_any_effect_of_two_runs() {
    let both = |crash: Option<usize>| {
        let mut world = world(Radius { pods: Some(3), ..Radius::default() });
        world.crash_after = crash;
        world.start_on("a", &["web-0", "web-1"], "partition");
        world.start_on("b", &["web-2", "web-3"], "partition");
        let most = world.watched(100, "");
        (most, world)
    };
    let (most, whole) = both(None);
    assert!(most == 2 && whole.done > 8);
    for after in 1..=whole.done {
        let (most, world) = both(Some(after));
        let case = format!("crash after {after}: {:?}", world.log);
        assert!(most == 2 || most == 0, "{most} {case}");
        let ends = ["a", "b"].map(|run| world.status(run).state);
        assert_eq!(ends, [Some(RunState::Finished); 2], "{case}");
        assert!(world.ledger.is_some_and(|l| l.spec.reservations.is_empty()), "{case}");
    }
}

#[test]
fn a_budget_holds_through_answers_that_go_wrong() {
    for effect in ["plan", "create", "arm", "status", "ledger", "read ledger"] {
        for wrong in [Wrong::Busy, Wrong::Conflict, Wrong::Lost, Wrong::Unseen] {
            let mut world = world(Radius { pods: Some(3), ..Radius::default() });
            world.wrongs.insert(effect, vec![wrong; 3].into());
            world.start_on("a", &["web-0", "web-1"], "partition");
            world.start_on("b", &["web-2", "web-3"], "partition");
            assert!(world.watched(60, "") <= 3, "{effect} {wrong:?}: {:?}", world.log);
        }
    }
}

#[test]
fn what_could_not_be_restored_stays_in_the_budget() {
    let mut world = world(Radius { pods: Some(2), ..Radius::default() });
    world.start_on("a", &["web-0", "web-1"], "partition");
    world.seconds(3);
    let name = world.injections.keys().next().cloned().unwrap();
    world.dead.extend(PODS.map(|(_, pod)| format!("node-{pod}")));
    world.attest(&name, InjectionState::RestoreFailed);
    world.seconds(600);
    world.start_on("b", &["web-2"], "partition");
    world.seconds(3);
    assert_eq!(world.reason("b"), "TooManyPods");
}
