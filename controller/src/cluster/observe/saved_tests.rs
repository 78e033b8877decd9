//! A cluster that somebody saved: the same snapshot as of lists, and nothing silently left out.

use super::At;
use super::look::{Saved, SavedError};
use rumpus_model::cluster::World;
use rumpus_model::cluster::world::Rules;
use serde_json::{Value, json};
use std::time::Duration;

fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}"), "labels": {"app": "web"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "uid": "uid-web", "controller": true}]},
        "spec": {"nodeName": "node-1", "containers": [{"name": "app", "image": "x"}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    })
}

fn list(more: &[Value]) -> String {
    let mut items = vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "uid": "n", "labels": {"rumpus.dev/chaos": "enabled"}}}),
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1", "uid": "o"}}),
        json!({"apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": "web", "namespace": "shop", "uid": "uid-web", "generation": 1}, "spec": {"replicas": 2}}),
    ];
    items.extend(more.iter().cloned());
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

async fn world(json: &str) -> World {
    let now = At { boot: Duration::ZERO, wall: jiff::Timestamp::from_second(1_800_000_000).unwrap() };
    Saved::read(json).unwrap().world(&Rules::default(), now).await
}

#[tokio::test]
async fn it_is_the_snapshot_of_its_objects() {
    let world = world(&list(&[pod("web-0"), pod("web-1")])).await;
    let pods = world.pods.unwrap();
    assert_eq!(
        (pods.len(), pods[0].ready, pods[0].owner.as_ref().unwrap().to_string()),
        (2, true, "StatefulSet/web".into())
    );
    assert_eq!(world.owners.unwrap().values().next().unwrap().desired, Some(2));
    assert_eq!((world.namespaces.unwrap().len(), world.nodes.unwrap().len()), (1, 1));
    // What the file has none of is none, not unknown.
    assert_eq!((world.budgets.unwrap().len(), world.services.unwrap().len()), (0, 0));
}

#[tokio::test]
async fn a_pod_that_cannot_be_read_hides_no_other_and_a_budget_makes_all_unknown() {
    let mut bad = pod("web-1");
    bad["spec"]["containers"] = json!("none");
    let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "web", "namespace": "shop", "uid": "b"}, "spec": "none"});
    let world = world(&list(&[pod("web-0"), bad, budget])).await;
    assert_eq!(world.pods.unwrap().len(), 1);
    let why = world.budgets.unwrap_err().why;
    assert!(why.contains("web cannot be read"), "{why}");
}

#[test]
fn what_is_no_list_of_a_cluster_is_refused() {
    assert!(matches!(Saved::read(&list(&[])), Err(SavedError::Missing("Pod"))));
    for text in ["", "{}", "[]", "{\"items\": 1}", "kind: List"] {
        assert!(matches!(Saved::read(text), Err(SavedError::Unreadable(_))), "{text}");
    }
}
