//! Objects that the tests and the bench give to a cluster, and what is read from those that come back.

use serde_json::{Value, json};

/// Returns the spec of a pod of the testbed's workload, a static busybox: a web server that ends a second after it is
/// asked to.
#[must_use]
pub fn pod_spec() -> Value {
    json!({
        "automountServiceAccountToken": false,
        "terminationGracePeriodSeconds": 1,
        "containers": [{
            "name": "app",
            "image": "docker.io/rumpus-testbed/busybox:1",
            "imagePullPolicy": "Never",
            "command": ["httpd", "-f", "-p", "8080", "-h", "/www"],
        }],
    })
}

/// Whether a pod is ready and not ending.
#[must_use]
pub fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    pod["metadata"]["deletionTimestamp"].is_null()
        && conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"))
}

/// Returns an experiment on all pods of an application; one that is done once has no duration.
#[must_use]
pub fn experiment(app: &str, fault: &Value, duration: Option<&str>) -> Value {
    let mut experiment = json!({
        "targets": { "pods": { "selector": { "matchLabels": { "app": app } } } },
        "pick": { "all": true },
        "faults": [fault],
        "steadyState": { "none": { "reason": "a test" } },
    });
    if let Some(duration) = duration {
        experiment["duration"] = json!(duration);
    }
    experiment
}

/// Returns the fault that lets nothing through between the target and the pods of an application, both ways.
#[must_use]
pub fn partition(peer: &str) -> Value {
    let pods = json!([{ "selector": { "matchLabels": { "app": peer } } }]);
    json!({ "partition": { "how": "Drop", "direction": "Both", "peers": { "pods": pods } } })
}
