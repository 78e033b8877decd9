//! Who writes Injections, and what a stolen agent can write: its own node's reports, nothing else.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::objects;
use crate::site::{RELEASE, alone, until, with};
use rumpus_tests::live::api::{Patch, RUMPUS};

const WRITERS: &str = "ValidatingAdmissionPolicy 'rumpus-injections-by-controller'";
const REPORTERS: &str = "ValidatingAdmissionPolicy 'rumpus-injection-status-by-own-agent'";
const NODES: &str = "ValidatingAdmissionPolicy 'rumpus-node-status-by-own-agent'";

/// The two ways to write a status.
const WAYS: [Patch; 2] = [Patch::Merge, Patch::Apply];

#[test]
fn row_21_an_injection_by_a_user_or_an_agent() {
    // Alone: for a while every agent has rights that are too wide.
    alone(async |site| {
        let own = site.namespace("own").await;
        let path = format!("{RUMPUS}/namespaces/{own}/chaosinjections");
        let (node, agent) = site.agent("a").await;
        let forged = objects::injection("forged", &node);
        let (operator, granted) = (site.named("operator"), site.named("granted"));
        site.bind("rumpus-operator", &operator, &own).await;
        site.admin.person(&operator).post(&path, &forged).await.refused_by_role();
        agent.post(&path, &forged).await.refused_by_role();

        let rules = json!([{ "apiGroups": ["rumpus.dev"], "resources": ["*"], "verbs": ["*"] }]);
        let role = site.role("granted", &rules).await;
        for subject in [objects::user(&granted), objects::account("rumpus-agent")] {
            site.bind_everywhere(&role, &subject).await;
        }
        let granted = site.admin.person(&granted);
        until("the role counts", async || agent.post(&path, &forged).await.body.to_string().contains(WRITERS)).await;
        agent.post(&path, &forged).await.refused(403, &[WRITERS]);
        granted.post(&path, &forged).await.refused(403, &[WRITERS]);
        let existing = site.injection(&own, &node).await;
        for caller in [&agent, &granted] {
            let armed = json!({ "spec": { "phase": "Armed" } });
            caller.merge(&existing, &armed).await.refused(403, &[WRITERS]);
            caller.merge(&existing, &json!({ "metadata": { "labels": { "a": "b" } } })).await.refused(403, &[WRITERS]);
        }
        // The rights that are too wide give nothing for another node's status either.
        granted.merge(&format!("{existing}/status"), &objects::state("Restored")).await.refused(403, &[REPORTERS]);
    });
}

#[test]
fn row_22_an_agent_reports_for_another_node() {
    with(async |site| {
        let own = site.namespace("own").await;
        let (a, agent) = site.agent("a").await;
        let b = site.node("b").await;
        let path = format!("{}/status", site.injection(&own, &b).await);
        for way in WAYS {
            agent.patch(way, &path, &objects::state("Restored")).await.refused(403, &[REPORTERS]);
            let mut moved = objects::state("Restored");
            moved["spec"] = json!({ "nodeName": a });
            agent.patch(way, &path, &moved).await.refused(403, &[REPORTERS]);
        }
    });
}

#[test]
fn row_23_an_agents_token_without_the_claims() {
    with(async |site| {
        let own = site.namespace("own").await;
        let node = site.node("a").await;
        let path = format!("{}/status", site.injection(&own, &node).await);
        let uid = site.admin.get(&format!("/api/v1/nodes/{node}")).await.ok()["metadata"]["uid"].clone();
        let unbound = json!({ "spec": { "audiences": [] } });
        for request in [unbound, objects::token_for("Node", &json!(node), &uid)] {
            let agent = site.token("rumpus-agent", &request).await;
            agent.merge(&path, &objects::state("Accepted")).await.refused(403, &[REPORTERS]);
        }
        // Bound to a pod that is on no node yet.
        let pod = site.pod_of("rumpus-agent", "nowhere", None).await;
        let agent = site.token_of("rumpus-agent", &pod).await;
        agent.merge(&path, &objects::state("Accepted")).await.refused(403, &[REPORTERS]);
        // The controller does not report either.
        site.controller().await.merge(&path, &objects::state("Accepted")).await.refused_by_role();
    });
}

#[test]
fn row_24_an_agent_adds_labels_finalizers_and_spec_to_its_report() {
    with(async |site| {
        let own = site.namespace("own").await;
        let (node, agent) = site.agent("a").await;
        let injection = site.injection(&own, &node).await;
        let before = site.admin.get(&injection).await.ok();
        for (way, state) in WAYS.into_iter().zip(["Accepted", "InEffect"]) {
            let mut report = objects::state(state);
            report["metadata"] = json!({ "labels": { "a": "b" }, "finalizers": ["rumpus.dev/mine"] });
            report["spec"] = json!({ "phase": "Armed", "epoch": 7 });
            agent.patch(way, &format!("{injection}/status"), &report).await.ok();
            let after = site.admin.get(&injection).await.ok();
            assert_eq!(after["status"]["state"], state);
            assert_eq!(after["spec"], before["spec"]);
            assert_eq!(after["metadata"]["labels"], before["metadata"]["labels"]);
            assert_eq!(after["metadata"]["finalizers"], Value::Null);
        }
    });
}

#[test]
fn an_agent_writes_its_own_nodes_chaos_node_only() {
    with(async |site| {
        let (a, agent) = site.agent("a").await;
        let b = site.node("b").await;
        let controller = site.controller().await;
        let path = format!("{RUMPUS}/chaosnodes");
        for node in [&a, &b] {
            controller.post(&path, &objects::chaos_node(node)).await.ok();
            site.remember(format!("{path}/{node}")).await;
        }
        let mut status = objects::chaos_node(&a);
        status["status"] = json!({ "version": "0.1.0" });
        for way in WAYS {
            agent.patch(way, &format!("{path}/{a}/status"), &status).await.ok();
        }
        status["metadata"]["name"] = json!(b);
        for way in WAYS {
            agent.patch(way, &format!("{path}/{b}/status"), &status).await.refused(403, &[NODES]);
        }
        site.admin.merge(&format!("{path}/{b}/status"), &status).await.refused(403, &[NODES]);
        controller.merge(&format!("{path}/{b}/status"), &status).await.refused_by_role();
        agent.merge(&format!("{path}/{a}"), &json!({ "metadata": { "labels": { "a": "b" } } })).await.refused_by_role();
        agent.delete(&format!("{path}/{b}"), &Value::Null).await.refused_by_role();
    });
}

#[test]
fn an_agent_does_not_write_the_lease_that_it_lives_by() {
    with(async |site| {
        let (_node, agent) = site.agent("a").await;
        let leases = format!("/apis/coordination.k8s.io/v1/namespaces/{RELEASE}/leases");
        let renewed = json!({ "spec": { "holderIdentity": "agent", "renewTime": "2030-01-01T00:00:00.000000Z" } });
        agent.merge(&format!("{leases}/rumpus-controller"), &renewed).await.refused_by_role();
        let lease = json!({ "metadata": { "name": "rumpus-controller" }, "spec": renewed["spec"] });
        agent.post(&leases, &lease).await.refused_by_role();
        agent.get(&leases).await.refused_by_role();
        agent.get(&format!("{leases}/another")).await.refused_by_role();
        let own = agent.get(&format!("{leases}/rumpus-controller")).await;
        assert!([200, 404].contains(&own.code), "an agent reads the Lease: {own:?}");
    });
}

#[test]
fn row_35_the_token_of_a_deleted_agent() {
    with(async |site| {
        let node = site.node("a").await;
        let pod = site.pod_of("rumpus-agent", "a", Some(&node)).await;
        let agent = site.token_of("rumpus-agent", &pod).await;
        let halts = format!("{RUMPUS}/chaoshalts");
        agent.get(&halts).await.ok();
        let name = pod["metadata"]["name"].as_str().expect("it has a name");
        site.admin.remove(&format!("/api/v1/namespaces/{RELEASE}/pods/{name}")).await.ok();
        let since = Instant::now();
        until("the token is refused", async || agent.get(&halts).await.code == 401).await;
        // The API server remembers a token for ten seconds.
        assert!(since.elapsed() < Duration::from_secs(20), "after {:?}", since.elapsed());
    });
}
