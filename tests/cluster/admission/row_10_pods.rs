//! Which pods the controller may delete and evict, whatever its role says.

use serde_json::{Value, json};

use crate::objects;
use crate::site::{RELEASE, Site, with};
use rumpus_tests::live::api::Caller;

const DELETED: &str = "ValidatingAdmissionPolicy 'rumpus-pods-deleted-by-plan'";
const EVICTED: &str = "ValidatingAdmissionPolicy 'rumpus-pods-evicted-by-plan'";

/// The two ways to end a pod.
#[derive(Clone, Copy)]
enum Way {
    Delete,
    Evict,
}

impl Way {
    const ALL: [Self; 2] = [Self::Delete, Self::Evict];

    fn rule(self) -> &'static str {
        match self {
            Self::Delete => DELETED,
            Self::Evict => EVICTED,
        }
    }

    /// Ends a pod, if it has this UID (`Null`: whatever it has).
    async fn end(self, caller: &Caller, namespace: &str, pod: &str, uid: &Value) -> rumpus_tests::live::api::Answer {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}");
        let mut options = json!({ "gracePeriodSeconds": 0 });
        if !uid.is_null() {
            options["preconditions"] = json!({ "uid": uid });
        }
        match self {
            Self::Delete => caller.delete(&path, &options).await,
            Self::Evict => {
                let eviction = json!({
                    "apiVersion": "policy/v1", "kind": "Eviction",
                    "metadata": { "name": pod, "namespace": namespace }, "deleteOptions": options,
                });
                caller.post(&format!("{path}/eviction"), &eviction).await
            }
        }
    }
}

async fn pod(site: &Site, namespace: &str, name: &str) -> (String, Value) {
    let made = site.make(&format!("/api/v1/namespaces/{namespace}/pods"), &objects::pod(&site.named(name))).await;
    (site.named(name), made["metadata"]["uid"].clone())
}

#[test]
fn row_10_a_protected_namespace_or_one_that_has_not_opted_in() {
    with(async |site| {
        let controller = site.controller().await;
        let silent = site.namespace_with("silent", &json!({})).await;
        let other = site.namespace_with("other", &json!({ "rumpus.dev/chaos": "disabled" })).await;
        for (namespace, why) in [
            ("kube-system", "is protected"),
            ("kube-public", "is protected"),
            ("kube-node-lease", "is protected"),
            (RELEASE, "is protected"),
            (&*silent, "has not opted in"),
            (&*other, "has not opted in"),
        ] {
            let (name, uid) = pod(site, namespace, "victim").await;
            for way in Way::ALL {
                way.end(&controller, namespace, &name, &uid).await.refused(403, &[way.rule(), namespace, why]);
            }
            site.admin.remove(&format!("/api/v1/namespaces/{namespace}/pods/{name}")).await.ok();
        }
    });
}

#[test]
fn row_10_only_the_very_pod_that_was_planned() {
    with(async |site| {
        let controller = site.controller().await;
        let namespace = site.namespace("shop").await;
        for way in Way::ALL {
            let (name, uid) = pod(site, &namespace, "victim").await;
            way.end(&controller, &namespace, &name, &Value::Null).await.refused(403, &[way.rule(), "UID"]);
            let stranger = json!("00000000-0000-0000-0000-000000000000");
            way.end(&controller, &namespace, &name, &stranger).await.refused(409, &["UID"]);
            way.end(&controller, &namespace, &name, &uid).await.ok();
            way.end(&controller, &namespace, &name, &uid).await.refused(404, &[]);
        }
    });
}

#[test]
fn a_stolen_account_deletes_no_pod_and_people_are_not_judged() {
    with(async |site| {
        let namespace = site.namespace("shop").await;
        let (name, uid) = pod(site, &namespace, "victim").await;
        let unbound = site.token("rumpus-controller", &json!({ "spec": { "audiences": [] } })).await;
        for way in Way::ALL {
            way.end(&unbound, &namespace, &name, &uid).await.refused(403, &[way.rule(), "not bound to its pod"]);
        }
        let controller = site.controller().await;
        let all = format!("/api/v1/namespaces/{namespace}/pods");
        controller.delete(&all, &Value::Null).await.refused_by_role();
        Way::Delete.end(&site.admin, &namespace, &name, &Value::Null).await.ok();
    });
}
