//! What an agent may say about its own node's Injections.

use serde_json::{Value, json};

use crate::objects;
use crate::site::with;
use rumpus_tests::live::api::RUMPUS;

#[test]
fn row_25_a_status_that_is_too_long_unknown_or_huge() {
    with(async |site| {
        let own = site.namespace("own").await;
        let (node, agent) = site.agent("a").await;
        let path = format!("{}/status", site.injection(&own, &node).await);
        let said = |message: String| json!({ "status": { "state": "Accepted", "targets": [{ "uid": "u", "state": "Accepted", "message": message }] } });
        agent.merge(&path, &said("x".repeat(200))).await.ok();
        agent.merge(&path, &said("x".repeat(2049))).await.refused(422, &["status.targets[0].message", "Too long"]);
        agent.merge(&path, &objects::state("Hacked")).await.refused(422, &["status.state", "Hacked"]);
        agent.merge(&path, &said("x".repeat(4 << 20))).await.refused(413, &[]);
        let targets: Vec<Value> = (0..501).map(|number| json!({ "uid": format!("u{number}") })).collect();
        agent.merge(&path, &json!({ "status": { "targets": targets } })).await.refused(422, &["status.targets"]);
    });
}

/// A write of a controller that was away, or that was on its way for long, comes after the last one.
#[test]
fn row_26_a_finished_run_is_begun_again() {
    with(async |site| {
        let own = site.namespace("own").await;
        let runs = format!("{RUMPUS}/namespaces/{own}/chaosruns");
        let run = site.make(&runs, &objects::run("over", &objects::experiment(&[]))).await;
        let path = format!("{runs}/{}/status", run["metadata"]["name"].as_str().expect("it has a name"));
        let controller = site.controller().await;
        let state = |state: &str| json!({ "status": { "state": state } });
        for step in ["Pending", "Running", "Finished"] {
            controller.merge(&path, &state(step)).await.ok();
        }
        for late in [state("Running"), json!({ "status": { "state": null } })] {
            controller.merge(&path, &late).await.refused(422, &["a finished run stays finished"]);
        }
        controller.merge(&path, &json!({ "status": { "state": "Finished", "confirmation": "Confirmed" } })).await.ok();
    });
}

#[test]
fn row_26_a_final_state_is_taken_back() {
    with(async |site| {
        let own = site.namespace("own").await;
        let (node, agent) = site.agent("a").await;
        for state in ["Refused", "Restored", "Done", "Lost"] {
            let injection = site.injection(&own, &node).await;
            let path = format!("{injection}/status");
            for step in ["Accepted", "InEffect", "RestoreFailed", "Ending", state] {
                agent.merge(&path, &objects::state(step)).await.ok();
            }
            for patch in [objects::state("InEffect"), json!({ "status": null }), json!({ "status": { "state": null } })]
            {
                agent.merge(&path, &patch).await.refused(422, &[state, "is final"]);
            }
            // Reports that come late are welcome.
            let late = json!({ "status": { "clean": "2026-01-01T00:00:00.000000Z", "effective": "True" } });
            agent.merge(&path, &late).await.ok();
            assert_eq!(site.admin.get(&injection).await.ok()["status"]["state"], state);
            // The administrator may put as well as patch, and is judged the same.
            let mut replaced = site.admin.get(&injection).await.ok();
            replaced["status"] = json!({ "observedPhase": "Planned" });
            site.admin.put(&path, &replaced).await.refused(403, &["rumpus-injection-status-by-own-agent"]);
            site.controller().await.delete(&injection, &Value::Null).await.ok();
        }
    });
}
