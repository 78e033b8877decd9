//! The node's own probes of a pod: left alone by a network fault unless the policy says otherwise.

use std::time::Duration;

use serde_json::json;

use rumpus_tests::live::objects;

use super::parts::NODES;
use super::run::experiment;
use super::shop::Shop;
use crate::site::{with, within};

async fn is_ready(shop: &Shop) -> bool {
    objects::is_ready(&shop.site.admin.get(&format!("{}/web", shop.core("pods"))).await.ok())
}

#[test]
fn the_nodes_probes_pass_unless_they_are_included() {
    with(async |site| {
        let shop = Shop::open(site, "probes").await;
        let mut spec = objects::pod_spec();
        spec["nodeName"] = json!(NODES[2]);
        spec["containers"][0]["readinessProbe"] = json!({
            "httpGet": { "port": 8080, "path": "/index.html" },
            "periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 1,
        });
        spec["containers"][0]["ports"] = json!([{ "containerPort": 8080 }]);
        let metadata = json!({ "name": "web", "labels": { "app": "web" } });
        site.admin.post(&shop.core("pods"), &json!({ "metadata": metadata, "spec": spec })).await.ok();
        let web = shop.ready("web", 1).await.remove(0);
        let before = web.dump().expect("a dump");
        let cut = |probes: &str| json!({ "partition": { "how": "Drop", "direction": "Both", "probes": probes } });

        let run = shop.start("exempt", &experiment("web", &cut("Exempt"), Some("1m"))).await;
        run.in_effect().await;
        for _second in 0..6 {
            assert!(is_ready(&shop).await, "the node's probe fails although it is exempt");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        run.stop().await;
        run.over().await;

        let run = shop.start("include", &experiment("web", &cut("Include"), Some("1m"))).await;
        run.in_effect().await;
        within(Duration::from_secs(20), "the pod is not ready", async || !is_ready(&shop).await).await;
        run.stop().await;
        run.over().await;
        within(Duration::from_secs(20), "the pod is ready again", async || is_ready(&shop).await).await;
        web.expect_unchanged(&before).expect("nothing is left");
    });
}
