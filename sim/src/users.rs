//! People, and what else lives in the cluster: they create and end runs, lift and set Halts, and pods come and go.

use crate::api::{Kind, Object, PodObject, Reply, Request};
use crate::net::Net;
use crate::schedule::{Deed, Scope};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use rumpus_cluster::{ChaosHalt, ChaosPolicy, ChaosRun};
use rumpus_controller::cluster::core::event::Key;
use rumpus_model::wire::ledger::LEDGER;
use rumpus_model::wire::{HaltScope, HaltSpec, PolicySpec, RunSpec};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Name of the run that shows whether everything still works.
pub const PROBE: &str = "probe";

/// Somebody does something.
pub fn act(net: &mut Net, deed: &Deed) {
    match deed {
        Deed::Run { name, spec, invalid } => run(net, name, spec, *invalid),
        Deed::Stop { pick } => {
            if let Some(key) = any(net, Kind::Run, *pick) {
                drop(net.by_hand("user", Request::Stop(key)));
            }
        }
        Deed::DeleteRun { pick } => delete(net, Kind::Run, *pick),
        Deed::DeleteInjection { pick } => delete(net, Kind::Injection, *pick),
        Deed::DeleteLedger => {
            let key = Key { namespace: String::new(), name: LEDGER.into() };
            drop(net.by_hand("user", Request::Delete { kind: Kind::Ledger, key, uid: None }));
        }
        Deed::Policy { name, spec } => policy(net, name, spec),
        Deed::DeletePolicy { name } => {
            let key = Key { namespace: "shop".into(), name: name.clone() };
            drop(net.by_hand("user", Request::Delete { kind: Kind::Policy, key, uid: None }));
        }
        Deed::Halt { name, scope, pick } => halt(net, name, *scope, *pick),
        Deed::Resume { pick } => delete(net, Kind::Halt, *pick),
        Deed::KillPod { pick } => delete(net, Kind::Pod, *pick),
        Deed::Probe => run(net, PROBE, &probe(net.radius), false),
    }
}

fn any(net: &Net, kind: Kind, pick: u64) -> Option<Key> {
    let all: Vec<Key> = net.api.list(kind).map(Object::key).collect();
    let place = usize::try_from(pick).unwrap_or_default();
    all.get(place.checked_rem(all.len())?).cloned()
}

fn delete(net: &mut Net, kind: Kind, pick: u64) {
    if let Some(key) = any(net, kind, pick) {
        drop(net.by_hand("user", Request::Delete { kind, key, uid: None }));
    }
}

fn run(net: &mut Net, name: &str, spec: &Value, invalid: bool) {
    net.tell(&format!("user: {name} is {}", in_short(spec)));
    let Ok(spec) = serde_json::from_value::<RunSpec>(spec.clone()) else {
        // The schema does not know such a field.
        net.check.sometimes("the server refuses a run");
        if !invalid {
            net.check.fail("model", "a run that does not parse");
        }
        return;
    };
    let object = Object::Run(Arc::new(ChaosRun::new(named("shop", name.to_owned()), spec)));
    if net.by_hand("user", Request::Create(Box::new(object))).is_ok() && invalid {
        net.check.invalid.insert(format!("shop/{name}"));
    }
}

fn policy(net: &mut Net, name: &str, spec: &Value) {
    net.tell(&format!("user: policy {name} is {} {}", spec["schedule"], in_short(spec)));
    let Ok(spec) = serde_json::from_value::<PolicySpec>(spec.clone()) else {
        return net.check.fail("model", "a policy that does not parse");
    };
    let metadata = named("shop", name.to_owned());
    let key = Key { namespace: "shop".into(), name: name.to_owned() };
    let object = Object::Policy(Arc::new(ChaosPolicy::new(metadata, spec.clone())));
    if net.by_hand("user", Request::Create(Box::new(object))).is_err() {
        drop(net.by_hand("user", Request::Policy(key, Box::new(spec))));
    }
}

fn halt(net: &mut Net, name: &str, scope: Scope, pick: u64) {
    let mut about = HaltScope::default();
    match scope {
        Scope::All => about.all = Some(true),
        Scope::Namespace => about.namespaces = Some(vec!["shop".into()]),
        Scope::FirstNode => about.nodes = Some(vec!["node-0".into()]),
        Scope::OneRun => match any(net, Kind::Run, pick) {
            Some(key) => about.runs = Some(vec![format!("{}/{}", key.namespace, key.name)]),
            None => about.all = Some(true),
        },
    }
    net.tell(&format!("user: {name} is about {about:?}"));
    let spec = HaltSpec { scope: about, reason: "a simulation".into() };
    let object = Object::Halt(Arc::new(ChaosHalt::new(named("", name.to_owned()), spec)));
    drop(net.by_hand("user", Request::Create(Box::new(object))));
}

/// A pod begins on some node.
pub fn pod(net: &mut Net, nodes: usize) -> Option<Arc<PodObject>> {
    // As in a StatefulSet: the name of one that is gone is given again.
    let taken: BTreeSet<String> = net.api.pods().filter_map(|p| p.metadata.name.clone()).collect();
    let name = (0..).map(|n: u32| format!("web-{n}")).find(|name| !taken.contains(name))?;
    let metadata = named("shop", name);
    let object = PodObject { metadata, node: net.decide.usual(None, "place of a pod").index(nodes) };
    let answer = net.by_hand("deployment", Request::Create(Box::new(Object::Pod(Arc::new(object)))));
    let Ok(Reply::One(object)) = answer else { return None };
    if let Object::Pod(pod) = *object { Some(pod) } else { None }
}

/// A run on every pod, or on as many as may be under fault at once.
fn probe(most: Option<u32>) -> Value {
    let pick = most.map_or(json!({"all": true}), |most| json!({"count": most}));
    json!({"mode": "Armed", "experiment": {
        "targets": {"pods": {"selector": {"matchLabels": {"app": "web"}}}},
        "pick": pick,
        "faults": [{"partition": {"direction": "Both"}}],
        "duration": "5s",
        "steadyState": {"none": {"reason": "a simulation"}},
    }})
}

fn named(namespace: &str, name: String) -> ObjectMeta {
    let namespace = (!namespace.is_empty()).then(|| namespace.to_owned());
    ObjectMeta { name: Some(name), namespace, ..ObjectMeta::default() }
}

fn in_short(spec: &Value) -> String {
    let part = |name: &str| spec.pointer(name).map(ToString::to_string).unwrap_or_default();
    let at = |name: &str| part(&format!("/experiment/{name}"));
    format!("{} {} for {} on {}", part("/mode"), at("faults"), at("duration"), at("pick"))
}
