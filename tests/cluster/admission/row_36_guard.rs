//! What an agent sees when a rule of admission is taken away: its forbidden attempt is not forbidden.

use serde_json::{Value, json};

use crate::objects;
use crate::site::{alone, until};
use rumpus_tests::live::api::{Caller, RUMPUS};

const BINDINGS: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings";

/// The forbidden attempt: a dry run of a report for a node that is not the agent's.
async fn attempt(agent: &Caller, path: &str) -> (u16, String) {
    let answer = agent.merge(&format!("{path}/status?dryRun=All"), &json!({ "status": { "conditions": [] } })).await;
    (answer.code, answer.body["message"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn row_36_a_binding_is_removed_or_only_audits() {
    alone(async |site| {
        let own = site.namespace("own").await;
        let other = site.node("b").await;
        let (_node, agent) = site.agent("a").await;
        let injection = site.injection(&own, &other).await;
        let nodes = format!("{RUMPUS}/chaosnodes");
        site.controller().await.post(&nodes, &objects::chaos_node(&other)).await.ok();
        let node = format!("{nodes}/{other}");
        site.remember(node.clone()).await;

        for (rule, path) in
            [("rumpus-injection-status-by-own-agent", &injection), ("rumpus-node-status-by-own-agent", &node)]
        {
            let denied = async || {
                let (code, message) = attempt(&agent, path).await;
                code == 403 && message.contains(&format!("ValidatingAdmissionPolicy '{rule}'"))
            };
            until("the rule holds", denied).await;
            let binding = format!("{BINDINGS}/{rule}");
            let kept = site.admin.get(&binding).await.ok();
            let restored = objects::anew(&kept);
            site.admin.delete(&binding, &Value::Null).await.ok();
            let open = async || attempt(&agent, path).await.0 == 200;
            let removed =
                tokio::time::timeout(std::time::Duration::from_secs(60), until("the attempt gets through", open));
            let seen = removed.await;
            site.admin.post(BINDINGS, &restored).await.ok();
            seen.expect("a removed binding is seen");
            until("the rule holds again", denied).await;

            site.admin.merge(&binding, &json!({ "spec": { "validationActions": ["Audit"] } })).await.ok();
            let seen =
                tokio::time::timeout(std::time::Duration::from_secs(60), until("auditing lets it through", open));
            let seen = seen.await;
            site.admin.merge(&binding, &json!({ "spec": kept["spec"] })).await.ok();
            seen.expect("an auditing binding is seen");
            until("the rule holds again", denied).await;
        }
    });
}
