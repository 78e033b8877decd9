//! What an agent's token is not good for, and who cannot get one.

use serde_json::{Value, json};

use crate::objects;
use crate::site::{RELEASE, with};
use rumpus_tests::live::api::RUMPUS;

#[test]
fn row_27_an_agent_deletes_or_makes_injections() {
    with(async |site| {
        let own = site.namespace("own").await;
        let (node, agent) = site.agent("a").await;
        let injection = site.injection(&own, &node).await;
        agent.delete(&injection, &Value::Null).await.refused_by_role();
        agent.delete(&format!("{RUMPUS}/namespaces/{own}/chaosinjections"), &Value::Null).await.refused_by_role();
        let absent = format!("{RUMPUS}/namespaces/{own}/chaosinjections/absent/status");
        // An apply would make an object that is missing, if it were not for its status.
        agent.apply(&absent, &objects::state("Accepted")).await.refused(404, &[]);
    });
}

#[test]
fn row_28_an_agent_tries_everything_else() {
    with(async |site| {
        let (node, agent) = site.agent("a").await;
        let pods = format!("/api/v1/namespaces/{RELEASE}/pods");
        for path in ["/api/v1/secrets", "/api/v1/configmaps", "/api/v1/pods", "/api/v1/nodes", "/api/v1/namespaces"] {
            agent.get(path).await.refused_by_role();
        }
        agent.get(&format!("{RUMPUS}/chaospolicies")).await.refused_by_role();
        agent.get(&format!("{RUMPUS}/chaosruns")).await.refused_by_role();
        agent.get(&format!("{RUMPUS}/chaosnodes")).await.refused_by_role();
        let label = json!({ "metadata": { "labels": { "a": "b" } } });
        agent.merge(&format!("/api/v1/nodes/{node}"), &label).await.refused_by_role();
        agent.merge(&format!("/api/v1/nodes/{node}/status"), &json!({ "status": {} })).await.refused_by_role();
        agent.post(&pods, &objects::pod("made")).await.refused_by_role();
        agent.delete(&format!("{pods}/{}", site.named("a")), &Value::Null).await.refused_by_role();
        agent.post(&format!("{pods}/{}/eviction", site.named("a")), &json!({})).await.refused_by_role();
        for account in ["rumpus-agent", "rumpus-controller", "default"] {
            let path = format!("/api/v1/namespaces/{RELEASE}/serviceaccounts/{account}/token");
            agent.post(&path, &json!({ "spec": { "audiences": [] } })).await.refused_by_role();
        }
        agent.person("anybody").get("/api/v1/nodes").await.refused(403, &["impersonate"]);
        let halt = objects::halt(&site.named("halt"), &json!({ "nodes": [node] }));
        // Everybody who has logged in may halt, an agent too; nobody resumes by that.
        agent.post(&format!("{RUMPUS}/chaoshalts?dryRun=All"), &halt).await.ok();
        agent.delete(&format!("{RUMPUS}/chaoshalts/any"), &Value::Null).await.refused_by_role();
    });
}

#[test]
fn row_29_a_kubelet_asks_for_another_nodes_agents_token() {
    with(async |site| {
        let (a, b) = (site.node("a").await, site.node("b").await);
        let own = site.pod_of("rumpus-agent", "a", Some(&a)).await;
        let other = site.pod_of("rumpus-agent", "b", Some(&b)).await;
        let kubelet = site.admin.impersonate(&format!("system:node:{a}"), &["system:nodes", "system:authenticated"]);
        let path = format!("/api/v1/namespaces/{RELEASE}/serviceaccounts/rumpus-agent/token");
        let uid = site.admin.get(&format!("/api/v1/nodes/{a}")).await.ok()["metadata"]["uid"].clone();
        let named = |pod: &Value, uid: &Value| objects::token_for("Pod", &pod["metadata"]["name"], uid);

        kubelet.post(&path, &named(&own, &own["metadata"]["uid"])).await.ok();
        for request in [
            named(&other, &other["metadata"]["uid"]),
            named(&own, &other["metadata"]["uid"]),
            json!({ "spec": { "audiences": [] } }),
            objects::token_for("Node", &json!(a), &uid),
        ] {
            let answer = kubelet.post(&path, &request).await;
            assert!([403, 409].contains(&answer.code), "a token for {request}: {answer:?}");
        }
        let mut foreign = named(&own, &own["metadata"]["uid"]);
        foreign["spec"]["audiences"] = json!(["vault"]);
        let answer = kubelet.post(&path, &foreign).await;
        assert_eq!(answer.code, 403, "a token for another audience: {answer:?}");
    });
}
