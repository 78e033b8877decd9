//! The snapshot that the controller takes of what it observes, before each plan.

use super::counted_part;
use anyhow::{Result, ensure};
use jiff::{SignedDuration, Timestamp};
use rumpus_cluster::fake::{Answer, server};
use rumpus_controller::cluster::observe::{At, look};
use rumpus_model::cluster::world::Rules;
use serde_json::{Value, json};
use std::time::Duration;

const PODS: usize = 1_000;
const NODES: usize = 500;
/// Pods of one Deployment.
const EACH: usize = 10;
const WALL: Timestamp = Timestamp::constant(1_700_000_000, 0);

/// The first one after everything was listed: it also follows each pod's owner to the top.
pub(super) fn snapshot() -> Result<()> {
    let now = At { boot: Duration::from_secs(1_000), wall: WALL };
    let rules = Rules::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let release = rules.release_namespace.clone();
    let mut observed = runtime.block_on(async {
        let (cluster, _) = server(Duration::from_secs(600), |asked| {
            Answer::Object(json!({"metadata": {}, "items": items(asked.path.rsplit('/').next().unwrap_or_default())}))
        });
        look::observed(&cluster, &release, now).await
    });
    let world = counted_part(|| observed.world(&rules, Vec::new(), now));
    let nodes = world.nodes.map_err(|unknown| anyhow::anyhow!("no nodes: {}", unknown.why))?;
    let present = |agent: &rumpus_model::cluster::world::NodeAgent| agent.present.is_ok();
    let ready = nodes.values().filter(|n| n.agent.as_ref().is_some_and(present)).count();
    let pods = world.pods.map_err(|unknown| anyhow::anyhow!("no pods: {}", unknown.why))?;
    let topped = pods.iter().filter(|p| p.owner.as_ref().is_some_and(|o| &*o.kind == "Deployment")).count();
    ensure!((ready, pods.len(), topped) == (NODES, PODS + NODES, PODS), "{ready} nodes, {} pods, {topped}", pods.len());
    ensure!(world.services.is_ok_and(|s| s.len() == PODS / EACH), "not every Service");
    Ok(())
}

/// Returns the objects of a kind.
fn items(kind: &str) -> Vec<Value> {
    let sets = 0..PODS / EACH;
    match kind {
        "pods" => (0..PODS).map(web).chain((0..NODES).map(agent)).collect(),
        "nodes" => (0..NODES).map(node).collect(),
        "chaosnodes" => (0..NODES).map(chaos_node).collect(),
        "namespaces" => vec![json!({"metadata": {"name": "shop", "uid": "shop"}})],
        "replicasets" => {
            sets.map(|n| workload(&format!("set-{n}"), Some(owner("Deployment", &format!("web-{n}"))))).collect()
        }
        "deployments" => sets.map(|n| workload(&format!("web-{n}"), None)).collect(),
        "services" => sets.map(service).collect(),
        "endpointslices" => sets.map(slice).collect(),
        _ => Vec::new(),
    }
}

fn owner(kind: &str, name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": format!("uid-{name}"), "controller": true})
}

fn pod(namespace: &str, name: &str, node: usize, owner: &Value) -> Value {
    json!({
        "metadata": {"name": name, "namespace": namespace, "uid": format!("uid-{name}"), "labels": {"app": "web"},
            "ownerReferences": [owner]},
        "spec": {"nodeName": format!("node-{node}"), "containers": [{"name": "app"}]},
        "status": {"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}],
            "conditions": [{"type": "Ready", "status": "True"}]},
    })
}

fn web(n: usize) -> Value {
    pod("shop", &format!("web-{n}"), n % NODES, &owner("ReplicaSet", &format!("set-{}", n / EACH)))
}

fn agent(n: usize) -> Value {
    pod("rumpus", &format!("agent-{n}"), n, &owner("DaemonSet", "rumpus-agent"))
}

fn node(n: usize) -> Value {
    json!({"metadata": {"name": format!("node-{n}"), "uid": format!("uid-node-{n}")},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]}})
}

fn chaos_node(n: usize) -> Value {
    let heartbeat = (WALL - SignedDuration::from_secs(10)).to_string();
    json!({"apiVersion": "rumpus.dev/v1alpha1", "kind": "ChaosNode",
        "metadata": {"name": format!("node-{n}"), "uid": format!("uid-chaos-{n}")}, "spec": {},
        "status": {"heartbeat": heartbeat, "admission": "proven",
            "engines": {"partition": "nft", "loss": "nft", "latency": "netem", "kill": "signal"}}})
}

fn workload(name: &str, owner: Option<Value>) -> Value {
    json!({"metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}"),
        "ownerReferences": owner.into_iter().collect::<Vec<_>>()}, "spec": {"replicas": EACH}})
}

fn service(n: usize) -> Value {
    json!({"metadata": {"name": format!("web-{n}"), "namespace": "shop", "uid": format!("uid-service-{n}")},
        "spec": {"clusterIPs": ["10.96.0.7"], "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}})
}

fn slice(n: usize) -> Value {
    let endpoint = |at: usize| json!({"addresses": ["10.0.0.1"], "targetRef": {"kind": "Pod", "uid": format!("uid-web-{}", n * EACH + at)}});
    json!({"metadata": {"name": format!("web-{n}-1"), "namespace": "shop", "uid": format!("uid-slice-{n}"),
            "labels": {"kubernetes.io/service-name": format!("web-{n}")}},
        "endpoints": (0..EACH).map(endpoint).collect::<Vec<_>>(),
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}]})
}
