//! The parts of Rumpus that run in the cluster: to find them, to hurt them, and to wait until they are well again.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::Signal;
use serde_json::{Value, json};

use rumpus_tests::kernel::lab::Namespace;
use rumpus_tests::live::api::RUMPUS;
use rumpus_tests::live::process::{self, Process};

use crate::site::{RELEASE, Site, alone, within};

/// How long parts may take to come back; a kubelet waits longer after each crash of a container.
const BACK: Duration = Duration::from_secs(120);

/// How many controllers the chart starts.
pub(crate) const CONTROLLERS: u32 = 2;

/// The nodes of the testbed.
pub(crate) const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];

/// L: how long a fault outlives what keeps it.
pub(crate) const LEASE: Duration = Duration::from_secs(15);

/// The longest that an effect may last once nobody renews the right to it: L, the time since the last
/// renewal that the agent may still go by (L/5), and a second.
pub(crate) const OUTLIVED: Duration = Duration::from_secs(15 + 3 + 1);

/// How long a run may take to be taken back whole on a busy machine.
pub(crate) const RUN_BOUND: Duration = Duration::from_secs(20);

/// Runs a test that hurts parts which others rely on: alone, and on parts that are well, whatever a test before it left.
pub(crate) fn alone_on_well_parts<F: Future<Output = ()> + 'static>(test: impl FnOnce(&'static Site) -> F + 'static) {
    alone(async |site| {
        scale_controller(site, CONTROLLERS).await;
        site.admin.delete(&format!("{RUMPUS}/chaoshalts"), &Value::Null).await.ok();
        all_well(site).await;
        test(site).await;
    });
}

/// Returns the pods of a component that are not ending.
pub(crate) async fn pods_of(site: &Site, component: &str) -> Vec<Value> {
    let path = format!("/api/v1/namespaces/{RELEASE}/pods?labelSelector=app.kubernetes.io%2Fcomponent%3D{component}");
    let list = site.admin.get(&path).await.ok();
    let mut items = list["items"].as_array().cloned().unwrap_or_default();
    items.retain(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    items
}

/// Returns the first process of the agent of a node.
pub(crate) async fn agent(site: &Site, node: &str) -> Process {
    let pods = pods_of(site, "agent").await;
    let pod = pods.iter().find(|pod| pod["spec"]["nodeName"] == node).expect("every node has an agent");
    first_of(pod)
}

/// Returns the controllers that are not ending, the leader first.
pub(crate) async fn controllers(site: &Site) -> Vec<Value> {
    let (holder, _) = leads(site).await;
    let mut pods = pods_of(site, "controller").await;
    pods.sort_by_key(|pod| pod["metadata"]["uid"] != holder);
    pods
}

/// Returns the UID of the pod that holds the Lease, and its term.
pub(crate) async fn leads(site: &Site) -> (Value, i64) {
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/{RELEASE}/leases/rumpus-controller");
    let spec = site.admin.get(&path).await.body["spec"].take();
    (spec["holderIdentity"].clone(), spec["leaseTransitions"].as_i64().unwrap_or_default())
}

/// Returns the first process of each controller, the leader's first.
pub(crate) async fn controller_processes(site: &Site) -> Vec<Process> {
    controllers(site).await.iter().map(first_of).collect()
}

/// An agent shares its node's process ids, so no process of it is the first of a namespace.
fn first_of(pod: &Value) -> Process {
    let uid = pod["metadata"]["uid"].as_str().expect("a pod has a UID");
    let id = pod["status"]["containerStatuses"][0]["containerID"].as_str().unwrap_or_default();
    let id = id.split_once("://").map_or(id, |(_, id)| id);
    let mut all = process::of_pod(uid).expect("the process table is read");
    all.retain(|process| process.container == id);
    // A container's own processes are younger than the one that it began with.
    all.into_iter().min_by_key(|process| process.pid).expect("the container has a process")
}

/// Changes the number of controllers.
pub(crate) async fn scale_controller(site: &Site, replicas: u32) {
    let path = format!("/apis/apps/v1/namespaces/{RELEASE}/deployments/rumpus-controller");
    site.admin.merge(&path, &json!({ "spec": { "replicas": replicas } })).await.ok();
}

/// Waits until every controller and agent is ready and every node says that nothing is left.
pub(crate) async fn all_well(site: &Site) {
    within(BACK, "two controllers and three agents are well", async || {
        let mut pods = pods_of(site, "agent").await;
        pods.extend(controllers(site).await);
        let ready = |pod: &&Value| pod["status"]["containerStatuses"][0]["ready"] == true;
        let all = NODES.len() + CONTROLLERS as usize;
        pods.len() == all
            && pods.iter().filter(ready).count() == all
            && nodes_are_well(site).await
            && ask_controller(site, "/metrics").await.is_ok_and(|told| sees_well(&told))
    })
    .await;
}

/// Whether the controller has seen the admission policies, when it may have looked while nobody answered, and every watch
/// of it lives: one whose connection died says nothing until it is opened anew.
fn sees_well(metrics: &str) -> bool {
    let silence = metrics.lines().find_map(|line| line.strip_prefix("rumpus_watch_silence_seconds "));
    let lives = silence.and_then(|seconds| seconds.parse::<u64>().ok()).is_some_and(|seconds| seconds <= 12);
    lives && metrics.lines().any(|line| line == "rumpus_admission_missing 0")
}

/// Asks the leading controller over plain HTTP; returns the whole answer.
pub(crate) async fn ask_controller(site: &Site, path: &str) -> Result<String> {
    let pods = controllers(site).await;
    let address =
        pods.first().and_then(|pod| pod["status"]["podIP"].as_str()).context("no controller has an address")?;
    let limit = Duration::from_secs(10);
    let mut stream = TcpStream::connect_timeout(&(address.parse::<IpAddr>()?, 8080).into(), limit)?;
    stream.set_read_timeout(Some(limit))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: controller\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

async fn nodes_are_well(site: &Site) -> bool {
    let list = site.admin.get(&format!("{RUMPUS}/chaosnodes")).await.ok();
    let items = list["items"].as_array().cloned().unwrap_or_default();
    NODES.iter().all(|name| {
        items.iter().any(|node| {
            let status = &node["status"];
            node["metadata"]["name"] == *name && status["admission"] == "proven" && status["residue"].is_null()
        })
    })
}

/// Returns what a node attests of an ended Injection.
pub(crate) async fn ended(site: &Site, node: &str, uid: &Value) -> Option<Value> {
    let node = site.admin.get(&format!("{RUMPUS}/chaosnodes/{node}")).await.ok();
    node["status"]["ended"].as_array()?.iter().find(|one| one["uid"] == *uid).cloned()
}

/// Sends a signal to a part.
pub(crate) fn signal(process: &Process, signal: Signal) {
    process.signal(signal).expect("the part runs");
}

/// Returns the kubelet of a node of the testbed.
pub(crate) fn kubelet(node: &str) -> Process {
    let mark = format!("RUMPUS_TESTBED_PART={node}/kubelet");
    process::with_environment(&mark).expect("the process table is read").expect("the node has a kubelet")
}

/// Returns the network of a node of the testbed.
pub(crate) fn network(node: &str) -> Namespace {
    Namespace::of_process(node, kubelet(node).pid).expect("the node has a network")
}

/// Returns a program of the testbed's control plane.
pub(crate) fn of_the_control_plane(program: &str) -> Process {
    let mark = format!("RUMPUS_TESTBED_PART={program}");
    process::with_environment(&mark).expect("the process table is read").expect("the program runs")
}
