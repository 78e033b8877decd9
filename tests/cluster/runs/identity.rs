//! Only what the plan names is hit, whatever comes to stand in its place.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::ends::Pair;
use super::parts::{NODES, RUN_BOUND};
use super::run::{experiment, partition};
use super::shop::{Shop, container};
use crate::site::{with, within};

#[test]
fn a_container_that_is_started_again_stays_cut_off_and_is_restored() {
    with(async |site| {
        let pair = Pair::on(site, "restart", [NODES[0], NODES[1]]).await;
        let run = pair.cut("2m").await;
        let (id, restarts) = container(&pair.shop, &pair.web).await;
        pair.web.first_process(&id).expect("it runs").signal(Signal::KILL).expect("it is killed");
        within(Duration::from_secs(60), "the container is started again", async || {
            container(&pair.shop, &pair.web).await.1 > restarts
        })
        .await;
        assert!(!pair.talks(), "a pod's network outlives its containers, and so does the fault");
        run.stop().await;
        run.over().await;
        pair.heals_within(Duration::from_secs(5)).await;
        pair.is_as_before().await;
    });
}

#[test]
fn a_pod_of_the_same_name_and_another_uid_is_not_hit() {
    with(async |site| {
        let pair = Pair::on(site, "again", [NODES[1], NODES[0]]).await;
        let run = pair.cut("2m").await;
        let path = format!("{}/{}", pair.shop.core("pods"), pair.web.name);
        site.admin.remove(&path).await.ok();
        within(Duration::from_secs(30), "the pod is gone", async || site.admin.get(&path).await.code == 404).await;
        let again = pair.shop.pod("web", NODES[1]).await;
        assert_eq!(again.name, pair.web.name);
        assert_ne!(again.uid, pair.web.uid);
        let clean = pair.shop.pod("clean", NODES[1]).await;
        let trip = again.round_trip((pair.db.address, 7002).into()).expect("a socket");
        assert!(trip.is_some(), "another pod of the same name is cut off");
        let rules =
            |pod: &rumpus_tests::live::pod::Pod| pod.net.tool("nft", &["list", "ruleset"]).expect("nft answers");
        assert_eq!(rules(&again), rules(&clean), "there are rules in another pod of the same name");
        run.stop().await;
        let status = run.over().await;
        assert_eq!(status["verdict"], "Aborted", "{status:#}");
    });
}

#[test]
fn a_pod_that_is_labelled_after_the_plan_is_not_hit() {
    with(async |site| {
        let pair = Pair::on(site, "label", [NODES[0], NODES[1]]).await;
        let late = pair.shop.pod("late", NODES[0]).await;
        let run = pair.cut("2m").await;
        let label = json!({ "metadata": { "labels": { "app": "web" } } });
        site.admin.merge(&format!("{}/{}", pair.shop.core("pods"), late.name), &label).await.ok();
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(late.round_trip((pair.db.address, 7002).into()).expect("a socket").is_some(), "it is cut off as well");
        assert_eq!(run.status().await["targets"], 1);
        run.stop().await;
        run.over().await;
        pair.is_as_before().await;
    });
}

#[test]
fn a_rollout_in_the_midst_of_it_hits_only_pods_that_were_planned() {
    with(async |site| {
        let shop = Shop::open(site, "rollout").await;
        let before = shop.deployment("web", 3).await;
        let path = format!("/apis/apps/v1/namespaces/{}/deployments/web", shop.namespace);
        let stamp = json!({ "spec": { "template": { "metadata": { "annotations": { "stamp": "1" } } } } });
        let fault = json!({ "partition": { "how": "Drop", "direction": "Both" } });
        let asked = experiment("web", &fault, Some("5s"));
        let (rolled, run) = tokio::join!(site.admin.merge(&path, &stamp), shop.start("run", &asked));
        rolled.ok();
        let mut known: Vec<Value> = before.iter().map(|pod| json!(pod.uid)).collect();
        let mut hit = Vec::new();
        within(Duration::from_secs(60), "the run is over", async || {
            for injection in shop.injections().await {
                let targets = injection["spec"]["targets"].as_array().cloned().unwrap_or_default();
                hit.extend(targets.iter().map(|target| target["uid"].clone()));
            }
            run.status().await["state"] == "Finished"
        })
        .await;
        let status = run.over().await;
        // Pods of the new generation that ran by then may have been planned; none may be hit beyond the plan.
        let after = shop.ready("web", 3).await;
        known.extend(after.iter().map(|pod| json!(pod.uid)));
        hit.sort_by_key(ToString::to_string);
        hit.dedup();
        assert_eq!(json!(hit.len()), status["targets"].as_u64().map_or(json!(0), |count| json!(count)), "{status:#}");
        for pod in &after {
            let planned = hit.contains(&json!(pod.uid));
            let rules = pod.net.tool("nft", &["list", "ruleset"]).expect("nft answers");
            assert!(!rules.contains("rumpus"), "rules are left in {} (planned: {planned})", pod.name);
        }
    });
}

#[test]
fn a_run_that_is_deleted_as_soon_as_it_is_made_leaves_nothing() {
    with(async |site| {
        let pair = Pair::on(site, "race", [NODES[2], NODES[1]]).await;
        let rounds = if std::env::var_os("RUMPUS_SOAK").is_some() { 100 } else { 10 };
        for round in 0..rounds {
            // Seeded instants from the creation to well after the effect.
            let after = Duration::from_millis((round * 37) % 250);
            let name = format!("race-{round}");
            let run = pair.shop.start(&name, &experiment("web", &partition("db"), Some("1m"))).await;
            tokio::time::sleep(after).await;
            run.delete("Background").await;
            within(RUN_BOUND, "nothing of the run is left", async || pair.shop.injections().await.is_empty()).await;
            // What was under way at that moment has had its time.
            tokio::time::sleep(Duration::from_millis(300)).await;
            assert!(pair.talks(), "a run deleted {after:?} after it was made is in effect");
            pair.is_as_before().await;
        }
    });
}
