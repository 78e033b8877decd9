//! Objects as they are sent, the smallest that are whole.

use serde_json::{Value, json};

/// A pod that runs nothing.
pub(crate) fn pod(name: &str) -> Value {
    json!({
        "metadata": { "name": name },
        "spec": {
            "automountServiceAccountToken": false,
            // As in the chart: a kubelet gets only tokens that a volume of the pod asks for.
            "volumes": [{ "name": "token", "projected": { "sources": [{ "serviceAccountToken": { "path": "token" } }] } }],
            "schedulerName": "nobody",
            "containers": [{ "name": "app", "image": "rumpus-tests/none", "imagePullPolicy": "Never" }],
        },
    })
}

/// A person as the subject of a binding.
pub(crate) fn user(name: &str) -> Value {
    json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name })
}

/// An account of the installation as the subject of a binding.
pub(crate) fn account(name: &str) -> Value {
    json!({ "kind": "ServiceAccount", "name": name, "namespace": crate::site::RELEASE })
}

/// Asks for a token that is bound to an object.
pub(crate) fn token_for(kind: &str, name: &Value, uid: &Value) -> Value {
    json!({ "spec": { "audiences": [], "boundObjectRef": { "apiVersion": "v1", "kind": kind, "name": name, "uid": uid } } })
}

/// An experiment on pods of these namespaces (none: where it is written).
pub(crate) fn experiment(namespaces: &[&str]) -> Value {
    let mut pods = json!({ "selector": { "matchLabels": { "app": "checkout" } } });
    if !namespaces.is_empty() {
        pods["namespaces"] = json!(namespaces);
    }
    json!({
        "targets": { "pods": pods },
        "pick": { "count": 1 },
        "faults": [{ "latency": { "delay": "100ms", "direction": "Egress" } }],
        "duration": "30s",
        "steadyState": { "none": { "reason": "first trial" } },
    })
}

/// A policy with an experiment.
pub(crate) fn policy(name: &str, experiment: &Value) -> Value {
    object("ChaosPolicy", name, &json!({ "experiment": experiment }))
}

/// A run of an experiment.
pub(crate) fn run(name: &str, experiment: &Value) -> Value {
    object("ChaosRun", name, &json!({ "reason": "a test", "experiment": experiment }))
}

/// A Halt of a scope.
pub(crate) fn halt(name: &str, scope: &Value) -> Value {
    object("ChaosHalt", name, &json!({ "scope": scope, "reason": "a test" }))
}

/// A ChaosNode.
pub(crate) fn chaos_node(name: &str) -> Value {
    object("ChaosNode", name, &json!({}))
}

/// An Injection for a node that is not armed, has ended long ago, and is for a pod that never was.
pub(crate) fn injection(name: &str, node: &str) -> Value {
    let spec = json!({
        "nodeName": node,
        "run": { "name": "none", "uid": "00000000-0000-0000-0000-000000000000" },
        "phase": "Planned",
        "epoch": 1,
        "revision": 0,
        "notAfter": "2020-01-01T00:00:00.000000Z",
        "duration": "30s",
        "fault": { "latency": { "delay": "100ms", "direction": "Egress" } },
        "targets": [{ "uid": "00000000-0000-0000-0000-000000000000", "namespace": "none", "pod": "none" }],
    });
    object("ChaosInjection", name, &spec)
}

/// The status of an Injection with a state, as a patch.
pub(crate) fn state(state: &str) -> Value {
    json!({ "apiVersion": "rumpus.dev/v1alpha1", "kind": "ChaosInjection", "status": { "state": state } })
}

/// An object that was read, as it can be created again: without what the server sets.
pub(crate) fn anew(read: &Value) -> Value {
    let mut object = read.clone();
    for field in ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"] {
        object["metadata"].as_object_mut().expect("it has metadata").remove(field);
    }
    object
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({ "apiVersion": "rumpus.dev/v1alpha1", "kind": kind, "metadata": { "name": name }, "spec": spec })
}
