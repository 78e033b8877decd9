//! The roles as a whole: what no part of Rumpus may ever do.

use serde_json::{Value, json};

use crate::site::{RELEASE, with};

/// Group, resource (with subresource), verbs: each of them would be more than chaos.
const FORBIDDEN: &[(&str, &str, &[&str])] = &[
    ("", "secrets", &["get", "list", "watch", "create", "update", "patch", "delete"]),
    ("", "configmaps", &["get", "list", "watch", "create", "update", "patch", "delete"]),
    ("", "nodes", &["create", "update", "patch", "delete"]),
    ("", "nodes/status", &["update", "patch"]),
    ("", "nodes/proxy", &["get", "create"]),
    ("", "pods", &["create", "update", "patch", "deletecollection"]),
    ("", "pods/exec", &["get", "create"]),
    ("", "pods/attach", &["get", "create"]),
    ("", "pods/portforward", &["get", "create"]),
    ("", "pods/ephemeralcontainers", &["update", "patch"]),
    ("", "pods/log", &["get"]),
    ("", "serviceaccounts/token", &["create"]),
    ("", "serviceaccounts", &["impersonate", "create", "update", "patch", "delete"]),
    ("", "users", &["impersonate"]),
    ("", "groups", &["impersonate"]),
    ("authentication.k8s.io", "userextras", &["impersonate"]),
    ("", "namespaces", &["create", "update", "patch", "delete"]),
    ("apps", "deployments", &["create", "update", "patch", "delete"]),
    ("apps", "daemonsets", &["create", "update", "patch", "delete"]),
    ("rbac.authorization.k8s.io", "clusterroles", &["create", "update", "patch", "delete", "bind", "escalate"]),
    ("rbac.authorization.k8s.io", "clusterrolebindings", &["create", "update", "patch", "delete"]),
    ("rbac.authorization.k8s.io", "roles", &["create", "update", "patch", "delete", "bind", "escalate"]),
    ("rbac.authorization.k8s.io", "rolebindings", &["create", "update", "patch", "delete"]),
    ("admissionregistration.k8s.io", "validatingadmissionpolicies", &["create", "update", "patch", "delete"]),
    ("admissionregistration.k8s.io", "validatingadmissionpolicybindings", &["create", "update", "patch", "delete"]),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations", &["create", "update", "patch", "delete"]),
    ("apiextensions.k8s.io", "customresourcedefinitions", &["create", "update", "patch", "delete"]),
    ("certificates.k8s.io", "certificatesigningrequests", &["create", "update", "patch"]),
    ("rumpus.dev", "chaospolicies", &["create", "update", "patch", "delete"]),
    ("rumpus.dev", "chaosruns", &["update", "patch", "deletecollection"]),
    ("rumpus.dev", "chaoshalts", &["update", "patch", "delete", "resume"]),
    ("rumpus.dev", "chaosinjections", &["deletecollection"]),
];

#[test]
fn neither_component_may_do_more_than_chaos() {
    with(async |site| {
        for account in ["rumpus-agent", "rumpus-controller"] {
            for (group, resource, verbs) in FORBIDDEN {
                for verb in *verbs {
                    for namespace in ["", RELEASE, "default"] {
                        let allowed = may(site, account, group, resource, verb, namespace).await;
                        assert!(!allowed, "{account} may {verb} {resource}.{group} in {namespace:?}");
                    }
                }
            }
        }
        // The controller begins the runs of schedules, which an admission rule judges, and takes finished ones away.
        for verb in ["create", "delete"] {
            assert!(
                !may(site, "rumpus-agent", "rumpus.dev", "chaosruns", verb, "default").await,
                "an agent may {verb}"
            );
        }
        // The question itself can be answered with yes.
        assert!(may(site, "rumpus-agent", "rumpus.dev", "chaoshalts", "list", "").await);
        assert!(may(site, "rumpus-controller", "rumpus.dev", "chaosinjections", "create", "default").await);
    });
}

async fn may(
    site: &crate::site::Site,
    account: &str,
    group: &str,
    resource: &str,
    verb: &str,
    namespace: &str,
) -> bool {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let review = json!({ "spec": {
        "user": format!("system:serviceaccount:{RELEASE}:{account}"),
        "groups": ["system:serviceaccounts", format!("system:serviceaccounts:{RELEASE}"), "system:authenticated"],
        "resourceAttributes": {
            "group": group, "resource": resource, "subresource": subresource, "verb": verb, "namespace": namespace,
        },
    } });
    let answer = site.admin.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", &review).await.ok();
    assert!(answer["status"]["allowed"] != Value::Null, "no answer: {answer}");
    answer["status"]["allowed"] == true
}
