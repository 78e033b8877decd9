//! The rules themselves, as the API server understood them.

use serde_json::Value;

use crate::site::{until, with};

const POLICIES: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
const BINDINGS: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings";

fn ours(list: &Value) -> Vec<Value> {
    let items = list["items"].as_array().cloned().unwrap_or_default();
    let ours = |item: &Value| item["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("rumpus-"));
    items.into_iter().filter(ours).collect()
}

#[test]
fn every_expression_has_the_type_that_it_needs() {
    with(async |site| {
        let checked = async || {
            let rules = ours(&site.admin.get(POLICIES).await.ok());
            rules.len() >= 7
                && rules.iter().all(|rule| rule["status"]["observedGeneration"] == rule["metadata"]["generation"])
        };
        until("the controller manager has checked each rule", checked).await;
        for rule in ours(&site.admin.get(POLICIES).await.ok()) {
            let name = &rule["metadata"]["name"];
            let checking = &rule["status"]["typeChecking"];
            assert!(checking.is_object(), "{name}: was not checked");
            assert_eq!(checking["expressionWarnings"], Value::Null, "{name}");
        }
    });
}

#[test]
fn every_rule_is_bound_and_denies() {
    with(async |site| {
        let rules = ours(&site.admin.get(POLICIES).await.ok());
        let bindings = ours(&site.admin.get(BINDINGS).await.ok());
        assert_eq!(rules.len(), bindings.len());
        for rule in &rules {
            let name = &rule["metadata"]["name"];
            assert_eq!(rule["spec"]["failurePolicy"], "Fail", "{name}");
            let bound: Vec<&Value> = bindings.iter().filter(|binding| &binding["spec"]["policyName"] == name).collect();
            assert_eq!(bound.len(), 1, "{name}");
            assert_eq!(&bound[0]["metadata"]["name"], name);
            assert_eq!(bound[0]["spec"]["validationActions"], serde_json::json!(["Deny"]), "{name}");
            assert_eq!(bound[0]["spec"]["matchResources"], Value::Null, "{name}");
        }
    });
}

/// What the API server fills in stands in the chart already, so that the controller can compare.
#[test]
fn what_is_stored_is_what_was_written() {
    with(async |site| {
        let files = ["halts", "injections", "nodes", "pods", "targets"];
        let mut seen = 0;
        for file in files {
            let path = format!("{}/../chart/files/admission/{file}.yaml", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(path).expect("the chart is here");
            let text = text
                .replace("@NAMESPACE@", crate::site::RELEASE)
                .replace("@OPT_IN_LABEL@", "rumpus.dev/chaos")
                .replace("@OPT_IN_VALUE@", "enabled")
                .replace("@PROTECTED@", "['kube-node-lease','kube-public','kube-system','rumpus-system']");
            let written: Vec<Value> = serde_saphyr::from_multiple(&text).expect("it is YAML");
            for document in written {
                let kind = if document["kind"] == "ValidatingAdmissionPolicy" { POLICIES } else { BINDINGS };
                let name = document["metadata"]["name"].as_str().expect("it has a name");
                let stored = site.admin.get(&format!("{kind}/{name}")).await.ok();
                assert_eq!(stored["spec"], document["spec"], "{name}");
                seen += 1;
            }
        }
        assert_eq!(seen, 14);
    });
}
