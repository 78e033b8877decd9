//! A namespace that has opted in, and the workloads in it that tests break.

use std::time::Duration;

use serde_json::json;

use rumpus_tests::live::objects::{is_ready, pod_spec};
use rumpus_tests::live::pod::Pod;

use crate::site::{Site, within};

/// How long pods may take to come up on a busy machine.
const START: Duration = Duration::from_secs(90);

/// A test's namespace.
pub(crate) struct Shop {
    pub(crate) site: &'static Site,
    pub(crate) namespace: String,
}

impl Shop {
    pub(crate) async fn open(site: &'static Site, part: &str) -> Self {
        let namespace = site.namespace(part).await;
        // A pod without its account is refused.
        let account = format!("/api/v1/namespaces/{namespace}/serviceaccounts/default");
        within(START, "the namespace has its account", async || site.admin.get(&account).await.code == 200).await;
        Self { site, namespace }
    }

    /// Returns the path of a collection of the API's first group in this namespace.
    pub(crate) fn core(&self, plural: &str) -> String {
        format!("/api/v1/namespaces/{}/{plural}", self.namespace)
    }

    /// Starts a Deployment and returns its pods once all are ready and its rollout is over, until which none is hit.
    pub(crate) async fn deployment(&self, app: &str, replicas: usize) -> Vec<Pod> {
        let spec = json!({
            "replicas": replicas,
            "selector": { "matchLabels": { "app": app } },
            "template": { "metadata": { "labels": { "app": app } }, "spec": pod_spec() },
        });
        let path = format!("/apis/apps/v1/namespaces/{}/deployments", self.namespace);
        self.site.admin.post(&path, &json!({ "metadata": { "name": app }, "spec": spec })).await.ok();
        within(START, &format!("the rollout of {app} is over"), async || {
            let object = self.site.admin.get(&format!("{path}/{app}")).await.ok();
            let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
            conditions.iter().any(|condition| condition["reason"] == "NewReplicaSetAvailable")
        })
        .await;
        self.ready(app, replicas).await
    }

    /// Starts one pod on a node and returns it once it is ready.
    pub(crate) async fn pod(&self, app: &str, node: &str) -> Pod {
        let mut pods = self.pods_on(app, &[node]).await;
        pods.remove(0)
    }

    /// Starts a pod on each node (a node may be named twice) and returns them once all are ready.
    pub(crate) async fn pods_on(&self, app: &str, nodes: &[&str]) -> Vec<Pod> {
        for (number, node) in nodes.iter().enumerate() {
            let mut spec = pod_spec();
            spec["nodeName"] = json!(node);
            let metadata = json!({ "name": format!("{app}-{number}"), "labels": { "app": app } });
            self.site.admin.post(&self.core("pods"), &json!({ "metadata": metadata, "spec": spec })).await.ok();
        }
        self.ready(app, nodes.len()).await
    }

    /// Waits until an application has this many pods, all ready and none ending, and returns them.
    pub(crate) async fn ready(&self, app: &str, count: usize) -> Vec<Pod> {
        let mut pods = Vec::new();
        let path = format!("{}?labelSelector=app%3D{app}", self.core("pods"));
        within(START, &format!("{count} pods of {app} are ready"), async || {
            let list = self.site.admin.get(&path).await.ok();
            let items = list["items"].as_array().cloned().unwrap_or_default();
            pods = items.iter().filter(|pod| is_ready(pod)).filter_map(|pod| Pod::find(pod).ok()).collect();
            pods.len() == count && items.len() == count
        })
        .await;
        pods.sort_by(|one, other| one.name.cmp(&other.name));
        pods
    }

    /// Makes a Service of an application for one UDP port, and returns its address.
    pub(crate) async fn service(&self, app: &str, port: u16) -> std::net::IpAddr {
        let spec = json!({ "selector": { "app": app }, "ports": [{ "port": port, "protocol": "UDP" }] });
        let service = json!({ "metadata": { "name": app }, "spec": spec });
        let made = self.site.admin.post(&self.core("services"), &service).await.ok();
        made["spec"]["clusterIP"].as_str().and_then(|text| text.parse().ok()).expect("a Service has an address")
    }
}

/// Reads one pod's container: its id without the runtime's name, and how often it was started again.
pub(crate) async fn container(shop: &Shop, pod: &Pod) -> (String, u64) {
    let object = shop.site.admin.get(&format!("{}/{}", shop.core("pods"), pod.name)).await.ok();
    let status = &object["status"]["containerStatuses"][0];
    let id = status["containerID"].as_str().unwrap_or_default();
    let id = id.split_once("://").map_or(id, |(_, id)| id);
    (id.to_owned(), status["restartCount"].as_u64().unwrap_or_default())
}
