//! What a stolen controller can write, and what even its own token cannot.

use serde_json::{Value, json};

use crate::objects::{self, experiment, policy, run};
use crate::site::{RELEASE, alone, until, with};
use rumpus_tests::live::api::RUMPUS;

const WRITERS: &str = "ValidatingAdmissionPolicy 'rumpus-injections-by-controller'";
const TARGETS: &str = "ValidatingAdmissionPolicy 'rumpus-targets-by-who-may-delete'";

#[test]
fn row_30_the_controllers_token_without_its_pod() {
    with(async |site| {
        let own = site.namespace("own").await;
        let node = site.node("a").await;
        let path = format!("{RUMPUS}/namespaces/{own}/chaosinjections");
        let unbound = site.token("rumpus-controller", &json!({ "spec": { "audiences": [] } })).await;
        unbound.post(&path, &objects::injection("forged", &node)).await.refused(403, &[WRITERS]);
        let existing = site.injection(&own, &node).await;
        unbound.merge(&existing, &json!({ "spec": { "phase": "Cancelled" } })).await.refused(403, &[WRITERS]);
    });
}

#[test]
fn row_31_the_controller_changes_an_injection() {
    with(async |site| {
        let own = site.namespace("own").await;
        let node = site.node("a").await;
        let injection = site.injection(&own, &node).await;
        let controller = site.controller().await;
        for spec in [
            json!({ "nodeName": "another" }),
            json!({ "notAfter": "2030-01-01T00:00:00.000000Z" }),
            json!({ "duration": "31s" }),
            json!({ "epoch": 2 }),
            json!({ "targets": [{ "uid": "u", "namespace": "n", "pod": "p" }] }),
            json!({ "fault": { "latency": { "delay": "200ms" } } }),
            json!({ "peers": [{ "addresses": ["10.0.0.1/32"] }] }),
            json!({ "duration": null }),
        ] {
            let answer = controller.merge(&injection, &json!({ "spec": spec })).await;
            answer.refused(422, &["immutable"]);
        }
        let phase = async |phase: &str| controller.merge(&injection, &json!({ "spec": { "phase": phase } })).await;
        phase("Running").await.refused(422, &["spec.phase"]);
        phase("Armed").await.ok();
        phase("Planned").await.refused(422, &["phase"]);
        phase("Cancelled").await.ok();
        phase("Armed").await.refused(422, &["phase"]);
    });
}

#[test]
fn row_32_the_controller_writes_a_run_or_resumes() {
    // Alone: for a while the controller's account has a right that is too wide.
    alone(async |site| {
        let own = site.namespace("own").await;
        let controller = site.controller().await;
        let path = format!("{RUMPUS}/namespaces/{own}/chaosruns");
        controller.post(&path, &run("forged", &experiment(&[]))).await.refused(403, &[TARGETS, "a ChaosPolicy owns"]);
        let policies = format!("{RUMPUS}/namespaces/{own}/chaospolicies");
        controller.post(&policies, &policy("forged", &experiment(&[]))).await.refused_by_role();
        let halts = format!("{RUMPUS}/chaoshalts");
        let halt = site.make(&halts, &objects::halt(&site.named("halt"), &json!({ "namespaces": [own] }))).await;
        let halt = format!("{halts}/{}", halt["metadata"]["name"].as_str().expect("it has a name"));
        controller.delete(&halt, &Value::Null).await.refused_by_role();

        // Also with more rights it still needs a policy that owns the run.
        let granted =
            json!([{ "apiGroups": ["rumpus.dev"], "resources": ["chaosruns"], "verbs": ["create", "patch"] }]);
        let role = site.role("granted", &granted).await;
        site.bind_everywhere(&role, &objects::account("rumpus-controller")).await;
        let alone = run("alone", &experiment(&[]));
        until("the role counts", async || controller.post(&path, &alone).await.body.to_string().contains(TARGETS))
            .await;
        controller.post(&path, &alone).await.refused(403, &[TARGETS, "a ChaosPolicy owns"]);
        let owner = site.admin.post(&policies, &policy("owner", &experiment(&[]))).await.ok();
        let mut owned = run("owned", &experiment(&[&own, "anywhere"]));
        owned["metadata"]["ownerReferences"] = json!([{
            "apiVersion": "rumpus.dev/v1alpha1", "kind": "ChaosPolicy", "name": "owner",
            "uid": owner["metadata"]["uid"], "controller": true, "blockOwnerDeletion": false,
        }]);
        let unbound = site.token("rumpus-controller", &json!({ "spec": { "audiences": [] } })).await;
        unbound.post(&path, &owned).await.refused(403, &[TARGETS]);
        controller.post(&path, &owned).await.ok();
        owned["metadata"]["name"] = json!("by-another-kind");
        owned["metadata"]["ownerReferences"][0]["kind"] = json!("ChaosRun");
        controller.post(&path, &owned).await.refused(403, &[TARGETS]);
    });
}

#[test]
fn row_34_an_administrator_creates_an_injection() {
    with(async |site| {
        let own = site.namespace("own").await;
        for namespace in [&*own, RELEASE] {
            let path = format!("{RUMPUS}/namespaces/{namespace}/chaosinjections");
            let forged = objects::injection(&site.named("forged"), "any");
            site.admin.post(&path, &forged).await.refused(403, &[WRITERS, "create a ChaosRun instead"]);
        }
    });
}

#[test]
fn deleting_is_never_judged_and_the_garbage_collector_gets_through() {
    with(async |site| {
        let own = site.namespace("own").await;
        let node = site.node("a").await;
        let controller = site.controller().await;
        let runs = format!("{RUMPUS}/namespaces/{own}/chaosruns");
        let injections = format!("{RUMPUS}/namespaces/{own}/chaosinjections");
        let owned = async |name: &str| {
            let run = site.admin.post(&runs, &run(name, &experiment(&[]))).await.ok();
            let mut injection = objects::injection(name, &node);
            injection["metadata"]["ownerReferences"] = json!([{
                "apiVersion": "rumpus.dev/v1alpha1", "kind": "ChaosRun", "name": name,
                "uid": run["metadata"]["uid"], "controller": true, "blockOwnerDeletion": false,
            }]);
            controller.post(&injections, &injection).await.ok();
        };
        owned("orphaned").await;
        let orphan = json!({ "propagationPolicy": "Orphan" });
        site.admin.delete(&format!("{runs}/orphaned"), &orphan).await.ok();
        let gone = async |path: String| site.admin.get(&path).await.code == 404;
        until("the run is gone and its Injection an orphan", async || {
            let injection = site.admin.get(&format!("{injections}/orphaned")).await.ok();
            injection["metadata"]["ownerReferences"].is_null() && gone(format!("{runs}/orphaned")).await
        })
        .await;
        for (name, policy) in [("background", "Background"), ("foreground", "Foreground")] {
            owned(name).await;
            site.admin.delete(&format!("{runs}/{name}"), &json!({ "propagationPolicy": policy })).await.ok();
            until("run and Injection are gone", async || {
                gone(format!("{runs}/{name}")).await && gone(format!("{injections}/{name}")).await
            })
            .await;
        }
        owned("last").await;
        site.admin.delete(&format!("/api/v1/namespaces/{own}"), &Value::Null).await.ok();
        until("the namespace is gone", async || gone(format!("/api/v1/namespaces/{own}")).await).await;
    });
}
