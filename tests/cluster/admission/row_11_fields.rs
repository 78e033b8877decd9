//! Fields that say more than their writer may, and fields that do not exist.

use serde_json::{Value, json};

use crate::objects::{experiment, policy, run};
use crate::site::with;
use rumpus_tests::live::api::RUMPUS;

#[test]
fn row_11_requested_by_somebody_else() {
    with(async |site| {
        let own = site.namespace("own").await;
        let user = site.named("operator");
        for role in ["rumpus-operator", "edit"] {
            site.bind(role, &user, &own).await;
        }
        let person = site.admin.person(&user);
        let path = format!("{RUMPUS}/namespaces/{own}/chaosruns");
        let by = |name: &str, who: &str| {
            let mut run = run(name, &experiment(&[]));
            run["spec"]["requestedBy"] = json!(who);
            run
        };
        person.post(&path, &by("forged", "somebody")).await.refused(422, &["spec.requestedBy", &user]);
        site.admin.post(&path, &by("forged", &user)).await.refused(422, &["spec.requestedBy"]);
        person.post(&path, &by("own", &user)).await.ok();
        person.post(&path, &run("none", &experiment(&[]))).await.ok();
        for (name, changed) in [("own", json!("somebody")), ("own", Value::Null), ("none", json!(user))] {
            let patch = json!({ "spec": { "requestedBy": changed } });
            person.merge(&format!("{path}/{name}"), &patch).await.refused(422, &["immutable"]);
        }
    });
}

/// Every level at which an operator writes, and a value that is whole without the unknown field.
fn levels() -> Vec<(&'static str, Value)> {
    let selector = json!({ "matchExpressions": [{ "key": "app", "operator": "Exists" }] });
    let mut full = experiment(&[]);
    full["targets"]["pods"]["selector"] = selector.clone();
    full["targets"]["pods"]["exclude"] = selector.clone();
    full["limits"] = json!({ "minHealthy": 1 });
    full["faults"][0]["latency"]["peers"] = json!({
        "pods": [{ "selector": selector }], "except": { "addresses": ["10.0.0.1"] },
    });
    [
        "",
        "/experiment",
        "/experiment/targets",
        "/experiment/targets/pods",
        "/experiment/targets/pods/selector",
        "/experiment/targets/pods/selector/matchExpressions/0",
        "/experiment/targets/pods/exclude",
        "/experiment/pick",
        "/experiment/faults/0",
        "/experiment/faults/0/latency",
        "/experiment/faults/0/latency/peers",
        "/experiment/faults/0/latency/peers/pods/0",
        "/experiment/faults/0/latency/peers/pods/0/selector",
        "/experiment/faults/0/latency/peers/except",
        "/experiment/limits",
        "/experiment/steadyState",
        "/experiment/steadyState/none",
    ]
    .map(|level| (level, full.clone()))
    .to_vec()
}

#[test]
fn row_12_an_unknown_field_at_every_level() {
    with(async |site| {
        let own = site.namespace("own").await;
        let path = format!("{RUMPUS}/namespaces/{own}/chaospolicies");
        let (_, whole) = levels().remove(0);
        site.admin.post(&format!("{path}?fieldValidation=Strict&dryRun=All"), &policy("whole", &whole)).await.ok();
        for (level, experiment) in levels() {
            let mut wrong = policy("wrong", &experiment);
            let place = wrong.pointer_mut(&format!("/spec{level}")).expect("the level exists");
            place["secretRef"] = json!({ "name": "s", "namespace": "kube-system" });
            let strict = site.admin.post(&format!("{path}?fieldValidation=Strict"), &wrong).await;
            assert!([400, 422].contains(&strict.code), "strictly at {level:?}: {strict:?}");
            assert!(strict.body["message"].to_string().contains("secretRef"), "strictly at {level:?}: {strict:?}");
            // A client that asks for no validation loses the field: the limit that docs/admission.md names.
            let lax = site.admin.post(&format!("{path}?fieldValidation=Ignore&dryRun=All"), &wrong).await.ok();
            assert!(!lax["spec"].to_string().contains("secretRef"), "unvalidated at {level:?}: {lax}");
            let applied = site.admin.apply(&format!("{path}/wrong"), &wrong).await;
            assert!(applied.code >= 400, "by server-side apply at {level:?}: {applied:?}");
            assert!(applied.body["message"].to_string().contains("secretRef"), "applied at {level:?}: {applied:?}");
        }
    });
}
