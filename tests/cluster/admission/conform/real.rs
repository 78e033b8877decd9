//! The real API server: each request as production makes it, by whoever makes it.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use rumpus_cluster::api::Kind as Stored;
use rumpus_cluster::{
    AGENT, CLI, CONTROLLER, ChaosHalt, ChaosInjection, ChaosLedger, ChaosNode, ChaosPolicy, ChaosRun, Cluster, Error,
    Only, Query,
};
use rumpus_controller::cluster::core::event::Key;
use rumpus_controller::cluster::seen::NEVER_ARMED;
use rumpus_model::wire::LedgerSpec;
use rumpus_sim::api::{Answer, Kind, No, Object, PodObject, Reply, Request};
use rumpus_tests::live::api::{Caller, RUMPUS};
use serde_json::{Value, json};

use crate::objects;
use crate::site::{Site, until};

/// How long the server may take.
const LIMIT: Duration = Duration::from_secs(30);

/// What belongs to a script.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) namespace: String,
    pub(super) ledger: String,
    pub(super) nodes: Vec<String>,
}

impl Place {
    /// Whether an object is of this place.
    pub(super) fn owns(&self, object: &Object) -> bool {
        let Key { namespace, name } = object.key();
        match object.kind() {
            Kind::Ledger => name == self.ledger,
            Kind::Node => self.nodes.contains(&name),
            Kind::Halt => false,
            Kind::Injection | Kind::Lease | Kind::Pod | Kind::Policy | Kind::Run => namespace == self.namespace,
        }
    }
}

/// Where a script is carried out, and by whom.
pub(super) struct Real {
    pub(super) place: Place,
    pub(super) admin: Cluster,
    caller: Caller,
    controller: Cluster,
    agents: Vec<(String, Cluster)>,
}

impl Real {
    /// Makes a place that nobody else looks at.
    pub(super) async fn prepare(site: &Site, seed: u64) -> Self {
        let named = |part: &str| format!("conform-{seed}-{part}");
        let namespace = site.namespace(&named("space")).await;
        let mut agents = Vec::new();
        for part in ["a", "b"] {
            let (node, agent) = site.agent(&named(part)).await;
            site.remember(format!("{RUMPUS}/chaosnodes/{node}")).await;
            agents.push((node, Cluster::new(agent.client(), LIMIT)));
        }
        // The controller's role names the one Ledger, which is left alone.
        let ledger = site.named(&named("ledger"));
        site.remember(format!("{RUMPUS}/chaosledgers/{ledger}")).await;
        let rules = json!([{ "apiGroups": ["rumpus.dev"], "resources": ["chaosledgers"], "resourceNames": [ledger],
                             "verbs": ["get", "patch"] }]);
        let role = site.role(&named("role"), &rules).await;
        site.bind_everywhere(&role, &objects::account("rumpus-controller")).await;
        let account = format!("/api/v1/namespaces/{namespace}/serviceaccounts/default");
        until("pods can be made", async || site.admin.get(&account).await.code == 200).await;
        let (caller, controller) = (site.admin.clone(), site.controller().await);
        let [admin, controller] = [caller.client(), controller.client()].map(|client| Cluster::new(client, LIMIT));
        let nodes = agents.iter().map(|(name, _)| name.clone()).collect();
        Self { place: Place { namespace, ledger, nodes }, admin, caller, controller, agents }
    }

    /// Carries one request out; its UIDs and versions are the real server's.
    pub(super) async fn carry_out(&self, request: Request) -> Answer {
        let answer = match request {
            Request::Create(object) => self.create(*object).await,
            Request::Delete { kind, key, uid: Some(uid) } => self.delete(kind, &key, &uid).await,
            Request::Delete { kind, key, uid: None } => return self.delete_by_name(kind, &key).await,
            Request::Get(kind, key) => self.get(kind, &key).await,
            Request::List(kind) => self.list(kind).await.map(Reply::Many),
            Request::InjectionStatus { key, uid, status } => {
                let Key { namespace, name } = key;
                // Whose agent it is decides a rule; the object's name says nothing about it.
                let node = self.caller.get(&format!("{RUMPUS}/namespaces/{namespace}/chaosinjections/{name}")).await;
                let node = node.body["spec"]["nodeName"].as_str().unwrap_or_default().to_owned();
                let agent = self.agent(&node);
                agent.apply_status::<ChaosInjection>(AGENT, &namespace, &name, Only::Uid(&uid), &status).await.map(one)
            }
            Request::RunStatus { key: Key { namespace, name }, version, status } => self
                .controller
                .apply_status::<ChaosRun>(CONTROLLER, &namespace, &name, Only::Version(&version), &status)
                .await
                .map(one),
            Request::NodeStatus { name, version, status } => self
                .agent(&name)
                .apply_status::<ChaosNode>(AGENT, "", &name, Only::Version(&version), &status)
                .await
                .map(one),
            Request::Phase { key, version, phase, never_armed } => {
                let mut patch = json!({ "spec": { "phase": phase } });
                if never_armed {
                    patch["metadata"]["annotations"][NEVER_ARMED] = json!("true");
                }
                let blank = serde_json::from_value(objects::injection("", "node")).expect("it is an injection");
                merge::<ChaosInjection>(&self.controller, blank, (&key, &version), patch).await
            }
            Request::Ledger { key, version, spec } => {
                let spec = json!({ "epoch": spec.epoch, "holder": spec.holder, "reservations": spec.reservations });
                let blank = ChaosLedger::new(ObjectMeta::default(), LedgerSpec::default());
                merge(&self.controller, blank, (&key, &version), json!({ "spec": spec })).await
            }
            // The Lease of this place is not one that the controller's role names.
            Request::Renew { key, version, spec } => {
                let mut patch = json!({ "spec": spec });
                if spec.holder_identity.is_none() {
                    patch["spec"]["holderIdentity"] = Value::Null;
                }
                merge(&self.admin, Lease::default(), (&key, &version), patch).await
            }
            Request::Policy(key, spec) => match self.admin.get::<ChaosPolicy>(&key.namespace, &key.name).await {
                Ok(policy) => self.admin.merge(CLI, &policy, json!({ "spec": spec })).await.map(one),
                Err(error) => Err(error),
            },
            Request::Stop(key) => match self.admin.get::<ChaosRun>(&key.namespace, &key.name).await {
                Ok(run) => self.admin.merge(CLI, &run, json!({ "spec": { "stop": true } })).await.map(one),
                Err(error) => Err(error),
            },
        };
        answer.map_err(|error| no(&error))
    }

    fn agent(&self, node: &str) -> &Cluster {
        let own = self.agents.iter().find(|(name, _)| name == node).or(self.agents.first());
        own.map(|(_, cluster)| cluster).expect("there are agents")
    }

    async fn create(&self, object: Object) -> Result<Reply, Error> {
        match object {
            Object::Halt(_) => panic!("a Halt would stop others"),
            Object::Injection(o) => self.controller.create(CONTROLLER, &*o).await.map(one),
            Object::Lease(o) => self.admin.create(CONTROLLER, &*o).await.map(one),
            Object::Ledger(o) => self.controller.create(CONTROLLER, &*o).await.map(one),
            Object::Node(o) => self.controller.create(CONTROLLER, &*o).await.map(one),
            Object::Pod(o) => {
                let mut pod: Pod = serde_json::from_value(objects::pod("")).expect("it is a pod");
                pod.metadata = o.metadata.clone();
                self.admin.create(CLI, &pod).await.map(one)
            }
            Object::Policy(o) => self.admin.create(CLI, &*o).await.map(one),
            Object::Run(o) => self.admin.create(CLI, &*o).await.map(one),
        }
    }

    async fn delete(&self, kind: Kind, Key { namespace, name }: &Key, uid: &str) -> Result<Reply, Error> {
        let done = match kind {
            Kind::Halt => self.admin.delete::<ChaosHalt>(CLI, namespace, name, uid, None).await,
            Kind::Injection => self.controller.delete::<ChaosInjection>(CONTROLLER, namespace, name, uid, None).await,
            Kind::Lease => self.admin.delete::<Lease>(CLI, namespace, name, uid, None).await,
            Kind::Ledger => self.admin.delete::<ChaosLedger>(CLI, namespace, name, uid, None).await,
            Kind::Node => self.controller.delete::<ChaosNode>(CONTROLLER, namespace, name, uid, None).await,
            Kind::Pod => self.controller.delete::<Pod>(CONTROLLER, namespace, name, uid, None).await,
            Kind::Policy => self.admin.delete::<ChaosPolicy>(CLI, namespace, name, uid, None).await,
            Kind::Run => self.admin.delete::<ChaosRun>(CLI, namespace, name, uid, None).await,
        };
        done.map(|()| Reply::Done)
    }

    /// As people do it.
    async fn delete_by_name(&self, kind: Kind, Key { namespace, name }: &Key) -> Answer {
        let collection = match kind {
            Kind::Halt => format!("{RUMPUS}/chaoshalts"),
            Kind::Injection => format!("{RUMPUS}/namespaces/{namespace}/chaosinjections"),
            Kind::Lease => format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"),
            Kind::Ledger => format!("{RUMPUS}/chaosledgers"),
            Kind::Node => format!("{RUMPUS}/chaosnodes"),
            Kind::Pod => format!("/api/v1/namespaces/{namespace}/pods"),
            Kind::Policy => format!("{RUMPUS}/namespaces/{namespace}/chaospolicies"),
            Kind::Run => format!("{RUMPUS}/namespaces/{namespace}/chaosruns"),
        };
        let answer = self.caller.delete(&format!("{collection}/{name}"), &Value::Null).await;
        match answer.code {
            200..300 => Ok(Reply::Done),
            404 => Err(No::NotFound),
            _ => panic!("{answer:?}"),
        }
    }

    async fn get(&self, kind: Kind, Key { namespace, name }: &Key) -> Result<Reply, Error> {
        match kind {
            Kind::Halt => self.admin.get::<ChaosHalt>(namespace, name).await.map(one),
            Kind::Injection => self.controller.get::<ChaosInjection>(namespace, name).await.map(one),
            Kind::Lease => self.admin.get::<Lease>(namespace, name).await.map(one),
            Kind::Ledger => self.controller.get::<ChaosLedger>(namespace, name).await.map(one),
            Kind::Node => self.controller.get::<ChaosNode>(namespace, name).await.map(one),
            Kind::Pod => self.controller.get::<Pod>(namespace, name).await.map(one),
            Kind::Policy => self.controller.get::<ChaosPolicy>(namespace, name).await.map(one),
            Kind::Run => self.controller.get::<ChaosRun>(namespace, name).await.map(one),
        }
    }

    async fn list(&self, kind: Kind) -> Result<Vec<Object>, Error> {
        match kind {
            Kind::Halt => Ok(Vec::new()),
            Kind::Injection => self.all::<ChaosInjection>(&self.place.namespace).await,
            Kind::Lease => self.all::<Lease>(&self.place.namespace).await,
            Kind::Ledger => self.all::<ChaosLedger>("").await,
            Kind::Node => self.all::<ChaosNode>("").await,
            Kind::Pod => self.all::<Pod>(&self.place.namespace).await,
            Kind::Policy => self.all::<ChaosPolicy>(&self.place.namespace).await,
            Kind::Run => self.all::<ChaosRun>(&self.place.namespace).await,
        }
    }

    /// Lists what is of this place.
    async fn all<K: Stored + Into<AnObject>>(&self, namespace: &str) -> Result<Vec<Object>, Error> {
        let all = self.admin.list::<K>(namespace, &Query::default()).await?;
        let all = all.into_iter().map(|item| item.expect("it can be read").into().0);
        Ok(all.filter(|object| self.place.owns(object)).collect())
    }
}

/// Changes the version that was read; of the object only its place counts.
async fn merge<K: Stored + Into<AnObject>>(
    cluster: &Cluster,
    mut object: K,
    (key, version): (&Key, &str),
    patch: Value,
) -> Result<Reply, Error> {
    let meta = object.meta_mut();
    meta.name = Some(key.name.clone());
    meta.namespace = Some(key.namespace.clone()).filter(|namespace| !namespace.is_empty());
    meta.resource_version = Some(version.to_owned());
    cluster.merge(CONTROLLER, &object, patch).await.map(one)
}

/// Any of the kinds.
pub(super) struct AnObject(pub(super) Object);

macro_rules! an_object {
    ($($kind:ident: $type:ty),*) => {
        $(impl From<$type> for AnObject {
            fn from(object: $type) -> Self {
                Self(Object::$kind(Arc::new(object)))
            }
        })*
    };
}

an_object!(Halt: ChaosHalt, Injection: ChaosInjection, Lease: Lease, Ledger: ChaosLedger, Node: ChaosNode, Policy: ChaosPolicy, Run: ChaosRun);

impl From<Pod> for AnObject {
    fn from(pod: Pod) -> Self {
        Self(Object::Pod(Arc::new(PodObject { metadata: pod.metadata, node: 0 })))
    }
}

fn one(object: impl Into<AnObject>) -> Reply {
    Reply::One(Box::new(object.into().0))
}

fn no(error: &Error) -> No {
    match error {
        Error::NotFound { .. } => No::NotFound,
        Error::AlreadyExists { .. } => No::Exists,
        Error::Conflict { .. } => No::Conflict,
        Error::Invalid { .. } => No::Invalid,
        Error::TooManyRequests { .. } => No::Busy,
        Error::Forbidden { .. }
        | Error::Unauthenticated { .. }
        | Error::Expired { .. }
        | Error::Server { .. }
        | Error::Timeout { .. }
        | Error::Unreachable { .. }
        | Error::Unreadable { .. }
        | Error::Unsendable { .. } => panic!("no answer that a script can be compared by: {error}"),
    }
}
