//! From the model's UIDs and versions to those of the real server, and whether both have answered the same.
//!
//! A UID stands for a UID, a version for a version: the same one twice, a later one for a later one.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use rumpus_controller::cluster::core::event::Key;
use rumpus_sim::api::{Answer, Api, Kind, Object, Reply, Request};
use serde_json::{Value, json};

/// What no object has.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

/// Which is which, as far as objects were seen.
#[derive(Default)]
pub(super) struct Translation {
    uids: BTreeMap<String, String>,
    versions: BTreeMap<u64, u64>,
}

impl Translation {
    /// Returns the real UID of a model's one.
    pub(super) fn uid(&self, model: &str) -> String {
        self.uids.get(model).cloned().unwrap_or_else(|| NOBODY.to_owned())
    }

    /// Returns the real version of a model's one.
    pub(super) fn version(&self, model: &str) -> String {
        let real = model.parse().ok().and_then(|version: u64| self.versions.get(&version));
        real.map_or_else(|| "1".to_owned(), u64::to_string)
    }

    /// Returns a request as the real server has to be asked.
    pub(super) fn request(&self, model: &Request) -> Request {
        let mut request = model.clone();
        match &mut request {
            Request::Create(object) => {
                if let Object::Injection(injection) = &mut **object {
                    let injection = std::sync::Arc::make_mut(injection);
                    injection.spec.run.uid = self.uid(&injection.spec.run.uid);
                    self.owners(&mut injection.metadata.owner_references);
                } else if let Object::Run(run) = &mut **object {
                    self.owners(&mut std::sync::Arc::make_mut(run).metadata.owner_references);
                }
            }
            Request::Delete { uid, .. } => *uid = uid.take().map(|uid| self.uid(&uid)),
            Request::InjectionStatus { uid, .. } => *uid = self.uid(uid),
            Request::Ledger { version, .. }
            | Request::Phase { version, .. }
            | Request::Renew { version, .. }
            | Request::NodeStatus { version, .. }
            | Request::RunStatus { version, .. } => {
                *version = self.version(version);
            }
            Request::Get(..) | Request::List(_) | Request::Policy(..) | Request::Stop(_) => {}
        }
        request
    }

    fn owners(&self, owners: &mut Option<Vec<OwnerReference>>) {
        for owner in owners.iter_mut().flatten() {
            owner.uid = self.uid(&owner.uid);
        }
    }

    /// Compares two answers; whatever the model answers a write by, the object that it then holds is the real answer's.
    pub(super) fn answers(
        &mut self,
        request: &Request,
        model: &Answer,
        real: &Answer,
        store: &Api,
    ) -> Result<(), String> {
        match (model, real) {
            (Err(one), Err(other)) if one == other => Ok(()),
            (Ok(Reply::Many(model)), Ok(Reply::Many(real))) => {
                let model: Vec<Value> = model.iter().map(|object| self.translated(object)).collect();
                let real: Vec<Value> = real.iter().map(form).collect();
                if model == real { Ok(()) } else { Err(format!("lists differ:\n {}\n {}", json!(model), json!(real))) }
            }
            (Ok(_), Ok(Reply::Done)) if matches!(request, Request::Delete { .. }) => Ok(()),
            (Ok(_), Ok(Reply::One(real))) => {
                let (kind, key) = place(request);
                let held = store.get(kind, &key).ok_or("the model does not hold it")?;
                self.pair(held, real)?;
                let (model, real) = (self.translated(held), form(real));
                if model == real { Ok(()) } else { Err(format!("objects differ:\n {model}\n {real}")) }
            }
            (_, _) => Err("the answers differ".into()),
        }
    }

    /// Takes two objects for the same, if they may be.
    fn pair(&mut self, model: &Object, real: &Object) -> Result<(), String> {
        let uid = self.uids.entry(model.uid().to_owned()).or_insert_with(|| real.uid().to_owned());
        if uid != real.uid() {
            return Err(format!("{} is {uid}, and {}", model.uid(), real.uid()));
        }
        let (model, real) = (number(model), number(real));
        if let Some(known) = self.versions.get(&model) {
            let why =
                || format!("the model's version {model} is {known}, and {real}: one wrote anew, the other did not");
            return if *known == real { Ok(()) } else { Err(why()) };
        }
        if let Some((before, known)) =
            self.versions.last_key_value().filter(|(before, known)| model < **before || real <= **known)
        {
            return Err(format!("after {before} = {known} come {model} and {real}: one wrote anew, the other did not"));
        }
        self.versions.insert(model, real);
        Ok(())
    }

    /// Returns a model's object as the real one has to look.
    pub(super) fn translated(&self, object: &Object) -> Value {
        let mut form = form(object);
        form["metadata"]["resourceVersion"] =
            json!(self.version(object.meta().resource_version.as_deref().unwrap_or_default()));
        self.rename(&mut form);
        form
    }

    fn rename(&self, value: &mut Value) {
        match value {
            Value::Array(all) => all.iter_mut().for_each(|one| self.rename(one)),
            Value::Object(fields) => {
                for (name, field) in fields {
                    let named = field.as_str().filter(|text| name == "uid" && *text != "u").map(|text| self.uid(text));
                    match named {
                        // What no object has is written as it is asked for.
                        Some(uid) => *field = json!(uid),
                        None => self.rename(field),
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

fn number(object: &Object) -> u64 {
    object.meta().resource_version.as_deref().and_then(|version| version.parse().ok()).expect("a version is a number")
}

/// Returns what a request is about.
fn place(request: &Request) -> (Kind, Key) {
    match request {
        Request::Create(object) => (object.kind(), object.key()),
        Request::Delete { kind, key, .. } | Request::Get(kind, key) => (*kind, key.clone()),
        Request::List(kind) => (*kind, Key { namespace: String::new(), name: String::new() }),
        Request::InjectionStatus { key, .. } | Request::Phase { key, .. } => (Kind::Injection, key.clone()),
        Request::Policy(key, _) => (Kind::Policy, key.clone()),
        Request::RunStatus { key, .. } | Request::Stop(key) => (Kind::Run, key.clone()),
        Request::Ledger { key, .. } => (Kind::Ledger, key.clone()),
        Request::Renew { key, .. } => (Kind::Lease, key.clone()),
        Request::NodeStatus { name, .. } => (Kind::Node, Key { namespace: String::new(), name: name.clone() }),
    }
}

/// Returns what is compared of an object.
fn form(object: &Object) -> Value {
    let meta = object.meta();
    let content = match object {
        Object::Halt(o) => json!({ "spec": o.spec }),
        Object::Injection(o) => json!({ "spec": o.spec, "status": o.status }),
        Object::Lease(o) => json!({ "spec": o.spec }),
        Object::Ledger(o) => json!({ "spec": o.spec }),
        Object::Node(o) => json!({ "status": o.status }),
        Object::Pod(_) => json!({}),
        Object::Policy(o) => json!({ "spec": o.spec }),
        Object::Run(o) => json!({ "spec": o.spec, "status": o.status }),
    };
    // A Lease has no generation, and nobody asks for a pod's.
    let counted = !matches!(object, Object::Lease(_) | Object::Pod(_));
    json!({
        "content": content,
        "metadata": {
            "name": meta.name, "namespace": meta.namespace, "uid": meta.uid,
            "resourceVersion": meta.resource_version, "generation": meta.generation.filter(|_| counted),
            "annotations": meta.annotations, "ownerReferences": meta.owner_references,
        },
    })
}
