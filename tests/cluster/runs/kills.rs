//! Faults that are done once: a process, a container or a pod is gone, seen through a descriptor of it.

use std::time::Duration;

use serde_json::{Value, json};

use super::parts::NODES;
use super::run::experiment;
use super::shop::{Shop, container};
use crate::site::{Site, with, within};

/// How long a victim may take to die on a busy machine; what the bench measures is far below.
const DEATH: Duration = Duration::from_secs(15);

/// Kills one of two pods' containers and expects it to be started again, and the other to live on.
async fn kill(site: &'static Site, part: &str, fault: Value) {
    let shop = Shop::open(site, part).await;
    let web = shop.pod("web", NODES[1]).await;
    let other = shop.pod("other", NODES[1]).await;
    let (id, restarts) = container(&shop, &web).await;
    let (other_id, _) = container(&shop, &other).await;
    let victim = web.first_process(&id).expect("it runs");
    let bystander = other.first_process(&other_id).expect("it runs");

    let run = shop.start("kill", &experiment("web", &fault, None)).await;
    assert!(victim.ends_within(DEATH).expect("the kernel says"), "the victim lives on");
    let status = run.over().await;
    assert_eq!(status["effective"], "True", "{status:#}");
    assert_eq!(status["effectiveTargets"], 1, "{status:#}");
    within(Duration::from_secs(60), "the container is started again", async || {
        container(&shop, &web).await.1 == restarts + 1
    })
    .await;
    assert!(!bystander.ends_within(Duration::ZERO).expect("the kernel says"), "a pod that nobody named died");
}

#[test]
fn a_process_is_killed() {
    with(async |site| kill(site, "process", json!({ "kill": { "signal": "KILL" } })).await);
}

#[test]
fn a_process_that_ignores_the_signal_is_killed_after_its_grace() {
    // The first process of a container ignores what it has no handler for.
    with(async |site| kill(site, "grace", json!({ "kill": { "signal": "TERM", "grace": "1s" } })).await);
}

#[test]
fn a_container_is_killed_whole() {
    with(async |site| kill(site, "container", json!({ "kill": { "container": true } })).await);
}

/// Ends one pod of a Deployment and expects another UID in its place.
async fn end_pod(site: &'static Site, part: &str, fault: Value) {
    let shop = Shop::open(site, part).await;
    let before = shop.deployment("web", 2).await;
    let mut experiment = experiment("web", &fault, None);
    experiment["pick"] = json!({ "count": 1 });
    let run = shop.start("end", &experiment).await;
    let status = run.over().await;
    assert_eq!(status["cluster"]["done"], 1, "{status:#}");
    let after = shop.ready("web", 2).await;
    let kept = after.iter().filter(|pod| before.iter().any(|other| other.uid == pod.uid)).count();
    assert_eq!(kept, 1, "one pod is replaced and the other kept");
    assert_eq!(shop.injections().await.len(), 0, "the controller does it itself");
}

#[test]
fn a_pod_is_deleted() {
    with(async |site| end_pod(site, "delete", json!({ "podDelete": {} })).await);
}

#[test]
fn a_pod_is_evicted() {
    with(async |site| end_pod(site, "evict", json!({ "podEvict": {} })).await);
}

#[test]
fn an_eviction_that_a_disruption_budget_forbids_is_not_done() {
    with(async |site| {
        let shop = Shop::open(site, "budget").await;
        let before = shop.deployment("web", 2).await;
        let budget = json!({
            "metadata": { "name": "web" },
            "spec": { "minAvailable": 2, "selector": { "matchLabels": { "app": "web" } } },
        });
        let path = format!("/apis/policy/v1/namespaces/{}/poddisruptionbudgets", shop.namespace);
        site.admin.post(&path, &budget).await.ok();
        within(Duration::from_secs(30), "the budget is counted", async || {
            let budget = site.admin.get(&format!("{path}/web")).await.ok();
            budget["status"]["currentHealthy"] == 2 && budget["status"]["disruptionsAllowed"] == 0
        })
        .await;
        for (name, fault) in [("evict", json!({ "podEvict": {} })), ("delete", json!({ "podDelete": {} }))] {
            let run = shop.start(name, &experiment("web", &fault, None)).await;
            let status = run.refused().await;
            assert!(status["refusals"].to_string().contains("web"), "it names the budget: {status:#}");
        }
        let after = shop.ready("web", 2).await;
        assert!(after.iter().all(|pod| before.iter().any(|other| other.uid == pod.uid)), "a pod was replaced");
    });
}
