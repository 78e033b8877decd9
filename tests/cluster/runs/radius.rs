//! What a namespace allows of itself, over all runs that hit pods in it.

use std::time::Duration;

use serde_json::json;

use rumpus_tests::live::pod::Pod;

use super::cli::say;
use super::parts::{self, NODES};
use super::run::{experiment, partition};
use super::shop::Shop;
use crate::objects;
use crate::site::{with, within};

/// Whether Rumpus has a rule in a pod's network.
fn is_hit(pod: &Pod) -> bool {
    pod.net.tool("nft", &["list", "ruleset"]).expect("nft answers").contains("rumpus")
}

#[test]
fn a_second_run_is_refused_while_the_first_one_has_all_pods_that_a_namespace_allows() {
    with(async |site| {
        let shop = Shop::open(site, "radius").await;
        let path = format!("/api/v1/namespaces/{}", shop.namespace);
        let allows = async |pods: &str| {
            let annotation = json!({ "metadata": { "annotations": { "rumpus.dev/max-pods": pods } } });
            site.admin.merge(&path, &annotation).await.ok();
        };
        // The controller learns of it while the pods start.
        allows("2").await;
        let web = shop.pods_on("web", &[NODES[0], NODES[1]]).await;
        let api = shop.pod("api", NODES[2]).await;
        let web_from_api = experiment("web", &partition("api"), Some("5m"));
        let api_from_web = experiment("api", &partition("web"), Some("5m"));

        let first = shop.start("first", &web_from_api).await;
        first.in_effect().await;
        assert!(web.iter().all(is_hit) && !is_hit(&api));

        let status = shop.start("second", &api_from_web).await.refused().await;
        let why = &status["refusals"][0];
        assert_eq!(why["reason"], "TooManyPodsInNamespace", "{status:#}");
        let held = format!("3 pods (1 wanted, 2 held by {}/first)", shop.namespace);
        for words in [held.as_str(), "rumpus.dev/max-pods is 2"] {
            assert!(why["message"].as_str().is_some_and(|text| text.contains(words)), "{words:?} is not in {why}");
        }
        assert!(!is_hit(&api), "a run that was refused hits a pod");
        within(Duration::from_secs(10), "an Event says so", async || {
            let list = format!("/apis/events.k8s.io/v1/namespaces/{}/events", shop.namespace);
            let list = site.admin.get(&list).await.ok();
            let all = list["items"].as_array().cloned().unwrap_or_default();
            all.iter().any(|e| e["regarding"]["name"] == "second" && e["reason"] == "TooManyPodsInNamespace")
        })
        .await;
        let metrics = parts::ask_controller(site, "/metrics").await.expect("it answers");
        assert!(metrics.contains("rumpus_refusals_total{reason=\"TooManyPodsInNamespace\"}"), "{metrics}");
        let policy = objects::policy("api", &api_from_web);
        site.admin.post(&shop.ours("chaospolicies"), &policy).await.ok();
        let said = say(&["-n", &shop.namespace, "plan", "policy/api"]);
        assert_eq!(said.code, 3, "{}", said.text);
        assert!(said.text.contains("TooManyPodsInNamespace"), "{}", said.text);

        first.stop().await;
        first.over().await;
        let third = shop.start("third", &api_from_web).await;
        third.in_effect().await;
        assert!(is_hit(&api));
        third.stop().await;
        third.over().await;

        allows("a few").await;
        within(Duration::from_secs(30), "what is no number refuses", async || {
            // A dry run is judged as an armed one.
            let name = format!("dry-{}", site.number());
            site.admin.post(&shop.ours("chaosruns"), &objects::run(&name, &api_from_web)).await.ok();
            let status = shop.run(&name).finished_within(Duration::from_secs(30)).await;
            status["refusals"][0]["reason"] == "NamespaceLimitInvalid"
        })
        .await;
    });
}
