//! People, and what else lives in the cluster: they create and end runs, lift and set Halts, and pods come and go.

use crate::api::{Kind, Object, PodObject, Reply, Request};
use crate::net::Net;
use crate::rng::Rng;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use rumpus_cluster::{ChaosHalt, ChaosRun};
use rumpus_controller::cluster::core::event::Key;
use rumpus_model::wire::{HaltScope, HaltSpec, RunSpec};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Name of the run that shows whether everything still works.
pub const PROBE: &str = "probe";

/// What a person does.
#[derive(Clone, Debug)]
pub enum Deed {
    Run,
    Stop,
    DeleteRun,
    DeleteInjection,
    Halt,
    Resume,
    KillPod,
    /// After all trouble: does it still work?
    Probe,
}

/// The people.
#[derive(Debug)]
pub struct Users {
    rng: Rng,
    made: u32,
}

impl Users {
    pub fn new(seed: u64) -> Self {
        Self { rng: Rng::new(seed, "users"), made: 0 }
    }

    /// Returns what is done, and when, in this time.
    pub fn intend(&mut self, runs: usize, hostile: bool, time: Duration) -> Vec<(Duration, Deed)> {
        let most = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let mut deeds = Vec::new();
        for _ in 0..runs {
            let at = self.rng.millis(3000, most * 3 / 4);
            deeds.push((at, Deed::Run));
            let later = at + self.rng.millis(0, 40_000);
            match self.rng.below(10) {
                0 | 1 => deeds.push((later, Deed::Stop)),
                2 => deeds.push((later, Deed::DeleteRun)),
                3 => {
                    deeds.push((later, Deed::Halt));
                    deeds.push((later + self.rng.millis(500, 40_000), Deed::Resume));
                }
                4 => deeds.push((later, Deed::KillPod)),
                5 if hostile => deeds.push((later, Deed::DeleteInjection)),
                _ => {}
            }
        }
        deeds
    }

    pub fn act(&mut self, net: &mut Net, deed: &Deed) {
        match deed {
            Deed::Run => self.run(net),
            Deed::Stop => {
                if let Some(key) = self.any(net, Kind::Run) {
                    drop(net.by_hand("user", Request::Stop(key)));
                }
            }
            Deed::DeleteRun => self.delete(net, Kind::Run),
            Deed::DeleteInjection => self.delete(net, Kind::Injection),
            Deed::Halt => self.halt(net),
            Deed::Resume => self.delete(net, Kind::Halt),
            Deed::KillPod => self.delete(net, Kind::Pod),
            Deed::Probe => probe(net),
        }
    }

    fn any(&mut self, net: &Net, kind: Kind) -> Option<Key> {
        let all: Vec<Key> = net.api.list(kind).map(Object::key).collect();
        all.get(self.rng.index(all.len())).cloned()
    }

    fn delete(&mut self, net: &mut Net, kind: Kind) {
        if let Some(key) = self.any(net, kind) {
            drop(net.by_hand("user", Request::Delete { kind, key, uid: None }));
        }
    }

    fn run(&mut self, net: &mut Net) {
        self.made += 1;
        let faults = match self.rng.below(8) {
            0 | 1 => json!([{"latency": {"delay": "100ms", "direction": "Both"}}]),
            2 => json!([{"kill": {"container": true}}]),
            3 => json!([{"podDelete": {}}]),
            4 | 5 => json!([{"loss": {"percent": 30, "direction": "Egress"}}]),
            _ => json!([{"partition": {"direction": "Both"}}]),
        };
        let once = faults.pointer("/0/kill").or(faults.pointer("/0/podDelete")).is_some();
        let mut experiment = json!({
            "targets": {"pods": {"selector": {"matchLabels": {"app": "web"}}}},
            "pick": {"count": 1 + self.rng.below(3)},
            "faults": faults,
            "steadyState": {"none": {"reason": "a simulation"}},
        });
        if !once && let Some(fields) = experiment.as_object_mut() {
            fields.insert("duration".into(), json!(format!("{}s", 1 + self.rng.below(60))));
        }
        let mode = if self.rng.chance(900) { "Armed" } else { "DryRun" };
        let spec = serde_json::from_value::<RunSpec>(json!({"mode": mode, "experiment": experiment}));
        let Ok(spec) = spec else { return net.check.fail("model", "a run that does not parse") };
        let metadata = named("shop", format!("run-{}", self.made));
        let object = Object::Run(Arc::new(ChaosRun::new(metadata, spec)));
        net.tell(&format!("user: run-{} is {mode} {}", self.made, experiment_in_short(&experiment)));
        drop(net.by_hand("user", Request::Create(Box::new(object))));
    }

    fn halt(&mut self, net: &mut Net) {
        self.made += 1;
        let mut scope = HaltScope::default();
        match self.rng.below(4) {
            0 => scope.all = Some(true),
            1 => scope.namespaces = Some(vec!["shop".into()]),
            2 => scope.nodes = Some(vec!["node-0".into()]),
            _ => match self.any(net, Kind::Run) {
                Some(key) => scope.runs = Some(vec![format!("{}/{}", key.namespace, key.name)]),
                None => scope.all = Some(true),
            },
        }
        net.tell(&format!("user: halt-{} is about {scope:?}", self.made));
        let spec = HaltSpec { scope, reason: "a simulation".into() };
        let object = Object::Halt(Arc::new(ChaosHalt::new(named("", format!("halt-{}", self.made)), spec)));
        drop(net.by_hand("user", Request::Create(Box::new(object))));
    }

    /// A pod begins on some node.
    pub fn pod(&mut self, net: &mut Net, nodes: usize) -> Option<Arc<PodObject>> {
        // As in a StatefulSet: the name of one that is gone is given again.
        let taken: BTreeSet<String> = net.api.pods().filter_map(|p| p.metadata.name.clone()).collect();
        let name = (0..).map(|n: u32| format!("web-{n}")).find(|name| !taken.contains(name))?;
        let metadata = named("shop", name);
        let object = PodObject { metadata, node: self.rng.index(nodes) };
        let answer = net.by_hand("deployment", Request::Create(Box::new(Object::Pod(Arc::new(object)))));
        let Ok(Reply::One(object)) = answer else { return None };
        if let Object::Pod(pod) = *object { Some(pod) } else { None }
    }
}

/// A run on every pod.
fn probe(net: &mut Net) {
    let experiment = json!({
        "targets": {"pods": {"selector": {"matchLabels": {"app": "web"}}}},
        "pick": {"all": true},
        "faults": [{"partition": {"direction": "Both"}}],
        "duration": "5s",
        "steadyState": {"none": {"reason": "a simulation"}},
    });
    let spec = serde_json::from_value::<RunSpec>(json!({"mode": "Armed", "experiment": experiment}));
    let Ok(spec) = spec else { return net.check.fail("model", "a run that does not parse") };
    let object = Object::Run(Arc::new(ChaosRun::new(named("shop", PROBE.into()), spec)));
    drop(net.by_hand("user", Request::Create(Box::new(object))));
}

fn named(namespace: &str, name: String) -> ObjectMeta {
    let namespace = (!namespace.is_empty()).then(|| namespace.to_owned());
    ObjectMeta { name: Some(name), namespace, ..ObjectMeta::default() }
}

fn experiment_in_short(experiment: &serde_json::Value) -> String {
    let part = |name: &str| experiment.get(name).map(ToString::to_string).unwrap_or_default();
    format!("{} for {} on {}", part("faults"), part("duration"), part("pick"))
}
