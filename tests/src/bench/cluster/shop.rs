//! A namespace of the bench that has opted in, and the pods in it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::api::{Api, until};
use super::audit::Moment;
use super::trial::Trial;
use crate::live::api::RUMPUS;
use crate::live::objects::{self, experiment, is_ready};
use crate::live::pod::Pod;

/// How long pods may take to come up: fifty of them on two cores.
const START: Duration = Duration::from_secs(300);

/// A namespace of the bench.
pub(super) struct Shop {
    pub api: Api,
    pub namespace: String,
}

/// A pod that is to be started.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub name: &'a str,
    pub app: &'a str,
    pub node: &'a str,
    /// `Always`, or `Never` for one that dies.
    pub restarts: &'a str,
}

impl Shop {
    /// Makes the namespace; whoever named it removes it.
    pub(super) async fn open(api: &Api, namespace: &str, labels: &Value) -> Result<Self> {
        let object = json!({ "metadata": { "name": namespace, "labels": labels } });
        api.post("/api/v1/namespaces", &object).await?;
        // A pod without its account is refused.
        let account = format!("/api/v1/namespaces/{namespace}/serviceaccounts/default");
        until(START, "the namespace has its account", async || Ok(api.find(&account).await?.is_some())).await?;
        Ok(Self { api: api.clone(), namespace: namespace.to_owned() })
    }

    /// Returns the path of a collection of ours.
    pub(super) fn ours(&self, plural: &str) -> String {
        format!("{RUMPUS}/namespaces/{}/{plural}", self.namespace)
    }

    /// Returns the path of the pods.
    pub(super) fn pods(&self) -> String {
        format!("/api/v1/namespaces/{}/pods", self.namespace)
    }

    /// Starts pods and returns them in this order once all are ready.
    pub(super) async fn start(&self, wanted: &[Wanted<'_>]) -> Result<Vec<Pod>> {
        for one in wanted {
            self.api.post(&self.pods(), &pod(one)).await?;
        }
        let mut ready: Vec<Value> = Vec::new();
        let what = format!("{} pods are ready in {}", wanted.len(), self.namespace);
        until(START, &what, async || {
            tokio::time::sleep(Duration::from_secs(1)).await;
            ready = self.api.list(&self.pods()).await?;
            ready.retain(is_ready);
            Ok(wanted.iter().all(|one| object(&ready, one.name).is_some()))
        })
        .await?;
        let find = |one: &Wanted<'_>| Pod::find(object(&ready, one.name).context("a pod is gone")?);
        wanted.iter().map(find).collect()
    }

    /// Starts `web` and `db`, each alone on its node.
    pub(super) async fn pair(&self, nodes: [&str; 2]) -> Result<[Pod; 2]> {
        let [web, db] = [("web", nodes[0]), ("db", nodes[1])].map(|(app, node)| Wanted {
            name: app,
            app,
            node,
            restarts: "Always",
        });
        let mut pods = self.start(&[web, db]).await?.into_iter();
        let mut next = || pods.next().context("a pod is missing");
        Ok([next()?, next()?])
    }

    /// Returns the id of a pod's only container, without the runtime's name.
    pub(super) async fn container(&self, pod: &Pod) -> Result<String> {
        let object = self.api.get(&format!("{}/{}", self.pods(), pod.name)).await?;
        let id = object["status"]["containerStatuses"][0]["containerID"].as_str().context("a pod has no container")?;
        Ok(id.split_once("://").map_or(id, |(_, id)| id).to_owned())
    }

    /// Starts an armed run, and returns the instant right before it was asked for.
    pub(super) async fn run(&self, name: &str, experiment: &Value) -> Result<(Moment, Trial<'_>)> {
        let run = json!({
            "apiVersion": "rumpus.dev/v1alpha1",
            "kind": "ChaosRun",
            "metadata": { "name": name },
            "spec": { "mode": "Armed", "reason": "a bench", "experiment": experiment },
        });
        let path = self.ours("chaosruns");
        // So that no connection has to be made within what is measured.
        ensure!(self.api.find(&format!("{path}/{name}")).await?.is_none(), "there is a run {name} already");
        let at = Moment::now()?;
        self.api.post(&path, &run).await?;
        Ok((at, Trial::new(self, name)))
    }
}

/// Cuts the pods of an application off from those of another one, both ways.
pub(super) fn partition(app: &str, peer: &str) -> Value {
    experiment(app, &objects::partition(peer), Some("5m"))
}

fn pod(wanted: &Wanted<'_>) -> Value {
    let mut spec = objects::pod_spec();
    spec["nodeName"] = json!(wanted.node);
    spec["restartPolicy"] = json!(wanted.restarts);
    json!({ "metadata": { "name": wanted.name, "labels": { "app": wanted.app } }, "spec": spec })
}

fn object<'v>(all: &'v [Value], name: &str) -> Option<&'v Value> {
    all.iter().find(|pod| pod["metadata"]["name"] == name)
}
