//! Nodes that no kubelet serves, each with one pod that is said to run and one whose token an agent may use.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use jiff::Timestamp;
use kube::config::{AuthInfo, Kubeconfig};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::super::api::Api;
use super::super::parts::{self, RELEASE};
use super::super::shop::Shop;
use super::super::site::{Site, text};

/// Requests at the same time.
const LANES: usize = 8;

/// A node of the fleet.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub name: String,
    /// UID of its one target.
    pub pod: String,
    /// UID of its agent's pod.
    pub agent: String,
    /// How its agent reaches the API server.
    pub kubeconfig: PathBuf,
}

/// Makes so many nodes.
pub(super) async fn make(site: &Site<'_>, shop: &Shop, folder: &Path, count: usize) -> Result<Vec<Node>> {
    let file = std::env::var_os("RUMPUS_KUBECONFIG").context("RUMPUS_KUBECONFIG is not set")?;
    let access = Kubeconfig::read_from(file).context("read the administrator's access")?;
    let template = parts::agent(&site.api).await?;
    let maker = Arc::new(Maker {
        api: site.api.clone(),
        pods: shop.pods(),
        folder: folder.to_owned(),
        access,
        prefix: site.named("fleet"),
        labels: template["metadata"]["labels"].clone(),
        owners: template["metadata"]["ownerReferences"].clone(),
    });
    let mut lanes = JoinSet::new();
    for lane in 0..LANES {
        let maker = Arc::clone(&maker);
        lanes.spawn(async move {
            let mut made = Vec::new();
            for number in (lane..count).step_by(LANES) {
                made.push(maker.node(number).await.with_context(|| format!("make node {number}"))?);
            }
            anyhow::Ok(made)
        });
    }
    let mut nodes = Vec::new();
    while let Some(lane) = lanes.join_next().await {
        nodes.extend(lane.map_err(|_panic| anyhow!("a lane of nodes panicked"))??);
    }
    Ok(nodes)
}

/// Says of each node that its kubelet is well, as of now: for some forty seconds nobody doubts it.
pub(super) async fn touch(api: &Api, nodes: &[Node]) -> Result<()> {
    let mut lanes = JoinSet::new();
    for lane in 0..LANES {
        let api = api.clone();
        let names: Vec<String> = nodes.iter().skip(lane).step_by(LANES).map(|node| node.name.clone()).collect();
        lanes.spawn(async move {
            for name in names {
                api.merge(&format!("/api/v1/nodes/{name}/status"), &json!({ "status": well() })).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(lane) = lanes.join_next().await {
        lane.map_err(|_panic| anyhow!("a lane of nodes panicked"))??;
    }
    Ok(())
}

struct Maker {
    api: Api,
    /// Path of the pods that are targets.
    pods: String,
    folder: PathBuf,
    access: Kubeconfig,
    prefix: String,
    /// Of an agent's pod: it counts as one only as its DaemonSet's, which leaves it alone where the labels are the newest.
    labels: Value,
    owners: Value,
}

impl Maker {
    async fn node(&self, number: usize) -> Result<Node> {
        let name = format!("{}-{number}", self.prefix);
        let taints = json!([{ "key": "rumpus.dev/bench", "effect": "NoSchedule" }]);
        // Its DaemonSet puts no pod there because of the taint, and takes none away because of the label.
        let metadata = json!({ "name": name, "labels": { "kubernetes.io/os": "linux" } });
        let node = json!({ "metadata": metadata, "spec": { "unschedulable": true, "taints": taints } });
        self.api.post("/api/v1/nodes", &node).await?;
        self.api.merge(&format!("/api/v1/nodes/{name}/status"), &json!({ "status": well() })).await?;

        let web = json!({ "metadata": { "name": format!("web-{number}"), "labels": { "app": "web" } } });
        let pod = self.pod(&self.pods, web, &name).await?;
        running(&self.api, &format!("{}/web-{number}", self.pods), number).await?;

        let agents = format!("/api/v1/namespaces/{RELEASE}/pods");
        let metadata = json!({ "name": name, "labels": self.labels, "ownerReferences": self.owners });
        let mut agent = json!({ "metadata": metadata });
        agent["spec"] = json!({
            "serviceAccountName": "rumpus-agent",
            "volumes": [{ "name": "token", "projected": { "sources": [{ "serviceAccountToken": { "path": "token" } }] } }],
        });
        let agent = self.pod(&agents, agent, &name).await?;
        running(&self.api, &format!("{agents}/{name}"), number).await?;
        let kubeconfig = self.kubeconfig(&name, &agent).await?;
        Ok(Node { name, pod, agent, kubeconfig })
    }

    /// Makes a pod on the node and returns its UID.
    async fn pod(&self, path: &str, mut pod: Value, node: &str) -> Result<String> {
        let spec = &mut pod["spec"];
        spec["nodeName"] = json!(node);
        spec["automountServiceAccountToken"] = json!(false);
        spec["terminationGracePeriodSeconds"] = json!(0);
        spec["tolerations"] = json!([{ "operator": "Exists" }]);
        spec["containers"] = json!([{ "name": "app", "image": "rumpus-tests/none", "imagePullPolicy": "Never" }]);
        text(&self.api.post(path, &pod).await?["metadata"]["uid"], "a pod's UID")
    }

    /// Writes what an agent reaches the API server with: a token as its kubelet would give it.
    async fn kubeconfig(&self, pod: &str, uid: &str) -> Result<PathBuf> {
        let bound = json!({ "apiVersion": "v1", "kind": "Pod", "name": pod, "uid": uid });
        let request = json!({ "spec": { "audiences": [], "boundObjectRef": bound } });
        let path = format!("/api/v1/namespaces/{RELEASE}/serviceaccounts/rumpus-agent/token");
        let token = text(&self.api.post(&path, &request).await?["status"]["token"], "a token")?;
        let mut access = self.access.clone();
        for user in &mut access.auth_infos {
            user.auth_info = Some(AuthInfo { token: Some(token.clone().into()), ..AuthInfo::default() });
        }
        let mut written = serde_json::to_value(&access).context("write an agent's access")?;
        // What is secret is not written of itself.
        for user in written["users"].as_array_mut().into_iter().flatten() {
            user["user"]["token"] = json!(token);
        }
        let file = self.folder.join(format!("{pod}.json"));
        std::fs::write(&file, written.to_string()).with_context(|| format!("write {}", file.display()))?;
        Ok(file)
    }
}

/// Says of a pod what its kubelet would.
async fn running(api: &Api, path: &str, number: usize) -> Result<()> {
    let now = Timestamp::now().to_string();
    let address = format!("10.222.{}.{}", number / 250, number % 250 + 1);
    let status = json!({
        "phase": "Running",
        "podIP": address,
        "podIPs": [{ "ip": address }],
        "conditions": [{ "type": "Ready", "status": "True" }, { "type": "ContainersReady", "status": "True" }],
        "containerStatuses": [{
            "name": "app",
            "image": "rumpus-tests/none",
            "imageID": "",
            "containerID": format!("containerd://{number:064x}"),
            "ready": true,
            "started": true,
            "restartCount": 0,
            "state": { "running": { "startedAt": now } },
        }],
    });
    api.merge(&format!("{path}/status"), &json!({ "status": status })).await.map(drop)
}

fn well() -> Value {
    let now = Timestamp::now().to_string();
    let ready = json!({ "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "a bench says so",
        "lastHeartbeatTime": now, "lastTransitionTime": now });
    json!({ "conditions": [ready] })
}
