//! What is asked: drawn from a seed and from what the model holds, so that about half of it is carried out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, OwnerReference};
use k8s_openapi::jiff::Timestamp;
use rumpus_cluster::{ChaosInjection, ChaosLedger, ChaosNode, ChaosPolicy, ChaosRun};
use rumpus_controller::cluster::core::event::Key;
use rumpus_model::wire::{
    API_VERSION, InjectionSpec, InjectionStatus, LedgerSpec, NodeSpec, NodeStatus, POLICY_KIND, Phase, PolicySpec,
    RUN_KIND, RunStatus,
};
use rumpus_sim::api::{Api, Kind, Object, PodObject, Request};
use rumpus_sim::rng::Rng;
use serde_json::json;

use super::real::Place;
use crate::objects;

/// What has to happen in some script: the request, and how the model answers it.
pub(super) const MET: &[(&str, &str)] = &[
    ("collect", "ok"),
    ("create", "409 of a name"),
    ("create", "ok"),
    ("delete", "404"),
    ("delete", "409 of a precondition"),
    ("delete", "ok"),
    ("get", "404"),
    ("get", "ok"),
    ("ledger", "409 of a precondition"),
    ("ledger", "422"),
    ("ledger", "ok"),
    ("list", "ok"),
    ("phase", "409 of a precondition"),
    ("phase", "422"),
    ("phase", "ok"),
    ("policy", "404"),
    ("policy", "ok"),
    ("renew", "409 of a precondition"),
    ("renew", "ok"),
    ("status", "404"),
    ("status", "409 of a precondition"),
    ("status", "422"),
    ("status", "ok"),
    ("stop", "ok"),
];

/// Returns what a request does, in one word.
pub(super) fn verb(request: &Request) -> &'static str {
    match request {
        Request::Create(_) => "create",
        Request::Delete { .. } => "delete",
        Request::Get(..) => "get",
        Request::InjectionStatus { .. } | Request::NodeStatus { .. } | Request::RunStatus { .. } => "status",
        Request::Ledger { .. } => "ledger",
        Request::List(_) => "list",
        Request::Phase { .. } => "phase",
        Request::Policy(..) => "policy",
        Request::Renew { .. } => "renew",
        Request::Stop(_) => "stop",
    }
}

/// Shows a request in a line.
pub(super) fn shown(request: &Request) -> String {
    let Request::Create(object) = request else { return format!("{request:?}") };
    format!("Create {:?} {} {:?}", object.kind(), object.key().name, object.meta().owner_references)
}

/// All kinds but the Halt.
pub(super) const KINDS: [Kind; 7] =
    [Kind::Injection, Kind::Lease, Kind::Ledger, Kind::Node, Kind::Pod, Kind::Policy, Kind::Run];

/// A script as far as it has come.
pub(super) struct Script {
    rng: Rng,
    /// What things may be called; few, so that names are used again.
    names: BTreeMap<Kind, Vec<Key>>,
    nodes: Vec<String>,
    /// Every UID and version that a place has had.
    uids: BTreeMap<(Kind, Key), BTreeSet<String>>,
    versions: BTreeMap<(Kind, Key), Vec<String>>,
}

impl Script {
    pub(super) fn new(seed: u64, place: &Place) -> Self {
        let inside = |name: &str| Key { namespace: place.namespace.clone(), name: name.to_owned() };
        let outside = |name: &String| Key { namespace: String::new(), name: name.clone() };
        let names = BTreeMap::from([
            (Kind::Injection, ["a", "b", "c", "d"].map(inside).to_vec()),
            (Kind::Lease, vec![inside("lease")]),
            (Kind::Ledger, vec![outside(&place.ledger)]),
            (Kind::Node, place.nodes.iter().map(outside).collect()),
            (Kind::Pod, ["web-0", "web-1"].map(inside).to_vec()),
            (Kind::Policy, ["p", "q"].map(inside).to_vec()),
            (Kind::Run, ["x", "y", "z"].map(inside).to_vec()),
        ]);
        let (uids, versions) = Default::default();
        Self { rng: Rng::new(seed, "conform"), names, nodes: place.nodes.clone(), uids, versions }
    }

    /// Takes in what is there by now.
    pub(super) fn learn(&mut self, model: &Api) {
        for object in KINDS.into_iter().flat_map(|kind| model.list(kind)) {
            let place = (object.kind(), object.key());
            self.uids.entry(place.clone()).or_default().insert(object.uid().to_owned());
            let versions = self.versions.entry(place).or_default();
            let version = object.meta().resource_version.clone().unwrap_or_default();
            if versions.last() != Some(&version) {
                versions.push(version);
            }
        }
    }

    /// Returns what is there: namespace, name and kind.
    pub(super) fn places(&self, model: &Api) -> Vec<(String, String, Kind)> {
        let all = KINDS.into_iter().flat_map(|kind| model.list(kind));
        all.map(|o| (o.key().namespace, o.key().name, o.kind())).collect()
    }

    /// Draws the next request.
    pub(super) fn draw(&mut self, model: &Api) -> Request {
        match self.rng.below(100) {
            0..12 => self.create(Kind::Run, model),
            12..28 => self.create(Kind::Injection, model),
            28..38 => {
                let kind = self.one_of(&[Kind::Lease, Kind::Ledger, Kind::Node, Kind::Pod, Kind::Policy]);
                self.create(kind, model)
            }
            38..49 => {
                let kind = self.one_of(&KINDS);
                let key = self.name(kind);
                let uid = (!self.rng.chance(400)).then(|| self.uid(kind, &key, model, 600));
                Request::Delete { kind, key, uid }
            }
            49..54 => {
                let kind = self.one_of(&KINDS);
                Request::Get(kind, self.name(kind))
            }
            54..57 => Request::List(self.one_of(&KINDS)),
            57..68 => {
                let key = self.name(Kind::Injection);
                let uid = self.uid(Kind::Injection, &key, model, 850);
                Request::InjectionStatus { key, uid, status: Box::new(self.injection_status()) }
            }
            68..77 => {
                let key = self.name(Kind::Run);
                let version = self.version(Kind::Run, &key, model);
                Request::RunStatus { key, version, status: Box::new(self.run_status()) }
            }
            77..83 => {
                let key = self.name(Kind::Injection);
                let version = self.version(Kind::Injection, &key, model);
                let phase = self.one_of(&[Phase::Planned, Phase::Armed, Phase::Cancelled]);
                Request::Phase { key, version, phase, never_armed: self.rng.chance(300) }
            }
            83..90 => {
                let key = self.name(Kind::Ledger);
                let version = self.version(Kind::Ledger, &key, model);
                Request::Ledger { key, version, spec: Box::new(self.ledger(false)) }
            }
            90..93 => {
                let key = self.name(Kind::Lease);
                let version = self.version(Kind::Lease, &key, model);
                Request::Renew { key, version, spec: Box::new(self.lease()) }
            }
            93..96 => {
                let heartbeat = self.one_of(&["2026-01-01T00:00:00.000000Z", "2026-01-01T00:00:01.000000Z"]);
                let status = NodeStatus { heartbeat: Some(heartbeat.into()), ..NodeStatus::default() };
                let key = self.name(Kind::Node);
                let version = self.version(Kind::Node, &key, model);
                Request::NodeStatus { name: key.name, version, status: Box::new(status) }
            }
            96..98 => {
                let key = self.name(Kind::Policy);
                Request::Policy(key, Box::new(self.policy()))
            }
            _ => Request::Stop(self.name(Kind::Run)),
        }
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.rng.index(all.len())].clone()
    }

    fn name(&mut self, kind: Kind) -> Key {
        let names = self.names[&kind].clone();
        self.one_of(&names)
    }

    /// Draws the right UID so many times of a thousand, else one that the place had before, or another's.
    fn uid(&mut self, kind: Kind, key: &Key, model: &Api, right: u64) -> String {
        let there = model.get(kind, key).map(|o| o.uid().to_owned());
        if let Some(uid) = there.clone().filter(|_| self.rng.chance(right)) {
            return uid;
        }
        let former = self.uids.get(&(kind, key.clone())).into_iter().flatten();
        let mut others: Vec<String> = former.filter(|uid| there.as_ref() != Some(uid)).cloned().collect();
        others.push("never-was".into());
        self.one_of(&others)
    }

    /// Draws the present version seven times of ten, else one from before.
    fn version(&mut self, kind: Kind, key: &Key, model: &Api) -> String {
        let there = model.get(kind, key).and_then(|o| o.meta().resource_version.clone());
        let former = self.versions.get(&(kind, key.clone())).cloned().unwrap_or_default();
        match there {
            Some(version) if former.is_empty() || self.rng.chance(700) => version,
            Some(_) | None if !former.is_empty() => self.one_of(&former),
            Some(_) | None => "1".into(),
        }
    }

    fn create(&mut self, kind: Kind, model: &Api) -> Request {
        let Key { namespace, name } = self.name(kind);
        let metadata = ObjectMeta { name: Some(name), namespace: Some(namespace), ..ObjectMeta::default() };
        let outside = ObjectMeta { namespace: None, ..metadata.clone() };
        let object = match kind {
            Kind::Injection => self.injection(metadata, model),
            Kind::Lease => Object::Lease(Arc::new(Lease { metadata, spec: Some(self.lease()) })),
            Kind::Ledger => Object::Ledger(Arc::new(ChaosLedger::new(outside, self.ledger(true)))),
            Kind::Node => Object::Node(Arc::new(ChaosNode::new(outside, NodeSpec {}))),
            Kind::Pod => Object::Pod(Arc::new(PodObject { metadata, node: 0 })),
            Kind::Policy => Object::Policy(Arc::new(ChaosPolicy::new(metadata, self.policy()))),
            Kind::Halt | Kind::Run => {
                let spec = &objects::run("", &objects::experiment(&[]))["spec"];
                let spec = serde_json::from_value(spec.clone()).expect("it is a run's");
                let owned = self.rng.chance(400);
                let owner_references = owned.then(|| vec![self.owner(Kind::Policy, POLICY_KIND, model)]);
                Object::Run(Arc::new(ChaosRun::new(ObjectMeta { owner_references, ..metadata }, spec)))
            }
        };
        Request::Create(Box::new(object))
    }

    /// As the controller makes one; its owner is there, has been, or was never named.
    fn injection(&mut self, metadata: ObjectMeta, model: &Api) -> Object {
        let node = self.rng.index(self.nodes.len());
        let node = self.nodes[node].clone();
        let mut spec: InjectionSpec =
            serde_json::from_value(objects::injection("", &node)["spec"].clone()).expect("it is an injection's");
        let owner = self.owner(Kind::Run, RUN_KIND, model);
        (spec.run.uid, spec.run.name) = (owner.uid.clone(), owner.name.clone());
        let owned = self.rng.chance(900);
        let metadata = ObjectMeta { owner_references: owned.then(|| vec![owner]), ..metadata };
        Object::Injection(Arc::new(ChaosInjection::new(metadata, spec)))
    }

    /// One that is there, has been, or never was.
    fn owner(&mut self, of: Kind, kind: &str, model: &Api) -> OwnerReference {
        let Key { namespace, name } = self.name(of);
        let uid = self.uid(of, &Key { namespace, name: name.clone() }, model, 900);
        OwnerReference {
            api_version: API_VERSION.into(),
            kind: kind.into(),
            name,
            uid,
            controller: Some(true),
            block_owner_deletion: Some(false),
        }
    }

    fn policy(&mut self) -> PolicySpec {
        let mut spec = objects::policy("", &objects::experiment(&[]))["spec"].clone();
        spec["mode"] = json!(self.one_of(&["DryRun", "Armed"]));
        serde_json::from_value(spec).expect("it is a policy's")
    }

    fn injection_status(&mut self) -> InjectionStatus {
        let states = ["Accepted", "InEffect", "Ending", "RestoreFailed", "Refused", "Restored", "Done", "Lost"];
        let state = if self.rng.chance(950) { json!(self.one_of(&states)) } else { json!(null) };
        let targets = if self.rng.chance(300) { json!([{"uid": "u", "message": "m"}]) } else { json!([]) };
        let phase = self.one_of(&["Planned", "Armed"]);
        let status = json!({"state": state, "targets": targets, "observedPhase": phase});
        serde_json::from_value(status).expect("it is a status")
    }

    fn run_status(&mut self) -> RunStatus {
        let states = ["Pending", "Gating", "Injecting", "Running", "Ending", "Finished"];
        let state = if self.rng.chance(950) { json!(self.one_of(&states)) } else { json!(null) };
        let nodes = if self.rng.chance(300) { json!(["n"]) } else { json!([]) };
        let status = json!({"state": state, "targets": self.rng.below(2), "unconfirmedNodes": nodes});
        serde_json::from_value(status).expect("it is a status")
    }

    /// One that is made holds something: to a server an empty list is another one than none, to the model it is the same.
    fn ledger(&mut self, anew: bool) -> LedgerSpec {
        let held = json!({"namespace": "n", "name": "r", "uid": "u", "takesDown": true, "lastsSeconds": 5});
        let reservations = if anew || self.rng.chance(500) { json!([held]) } else { json!([]) };
        let spec = json!({"epoch": 1 + self.rng.below(3), "holder": "h", "reservations": reservations});
        serde_json::from_value(spec).expect("it is a Ledger's")
    }

    fn lease(&mut self) -> LeaseSpec {
        let at = Timestamp::from_second(1_700_000_000 + i64::from(self.rng.chance(500)));
        LeaseSpec {
            holder_identity: self.rng.chance(700).then(|| "h".into()),
            lease_duration_seconds: Some(15),
            lease_transitions: Some(1),
            renew_time: at.ok().map(MicroTime),
            ..LeaseSpec::default()
        }
    }
}
