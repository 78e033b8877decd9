//! What a run and its controller tell: Events, columns, metrics, health, logs; and what a dry run leaves alone.

use std::time::Duration;

use serde_json::{Value, json};

use super::cli::kubectl;
use super::ends::Pair;
use super::parts::{self, NODES};
use super::run::{experiment, partition};
use crate::objects;
use crate::site::{RELEASE, with, within};

#[test]
fn a_run_is_told_by_events_columns_and_metrics() {
    with(async |site| {
        let pair = Pair::on(site, "told", [NODES[0], NODES[1]]).await;
        let run = pair.cut("2m").await;
        run.stop().await;
        run.over().await;
        within(Duration::from_secs(10), "Events tell of the run", async || {
            let path = format!("/apis/events.k8s.io/v1/namespaces/{}/events", pair.shop.namespace);
            let list = site.admin.get(&path).await.ok();
            let events = list["items"].as_array().cloned().unwrap_or_default();
            let of_run =
                |event: &&Value| event["regarding"]["kind"] == "ChaosRun" && event["regarding"]["name"] == "cut";
            events.iter().filter(of_run).count() >= 2
        })
        .await;
        let table = kubectl(&["get", "chaosruns", "-n", &pair.shop.namespace]);
        for word in ["STATE", "VERDICT", "CONFIRMATION", "Finished", "Aborted", "Confirmed"] {
            assert!(table.contains(word), "{word} is no column:\n{table}");
        }
        for path in ["/healthz", "/readyz"] {
            let answer = parts::ask_controller(site, path).await.expect("it answers");
            assert!(answer.lines().next().is_some_and(|line| line.contains(" 200 ")), "{path}: {answer}");
        }
        let metrics = parts::ask_controller(site, "/metrics").await.expect("it answers");
        assert!(metrics.contains("# TYPE rumpus_"), "{metrics}");
        let missing = parts::ask_controller(site, "/absent").await.expect("it answers");
        assert!(missing.lines().next().is_some_and(|line| line.contains(" 404 ")), "{missing}");
    });
}

#[test]
fn every_line_of_a_log_is_json() {
    with(async |site| {
        for component in ["agent", "controller"] {
            for pod in parts::pods_of(site, component).await {
                let name = pod["metadata"]["name"].as_str().expect("a name");
                let path = format!("/api/v1/namespaces/{RELEASE}/pods/{name}/log?tailLines=50");
                let log = site.admin.get(&path).await;
                // What is not one JSON value comes as text; a log of one line is one.
                let one_line = log.body["timestamp"].is_string();
                let text = log.body["message"].as_str().filter(|_| !one_line);
                let text = text.map_or_else(|| log.body.to_string(), str::to_owned);
                for line in text.lines() {
                    let value: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{name}: {line}"));
                    assert!(value["timestamp"].is_string() || value["message"].is_string(), "{name}: {line}");
                }
            }
        }
    });
}

#[test]
fn a_dry_run_writes_nothing_but_itself() {
    with(async |site| {
        let pair = Pair::on(site, "dry", [NODES[2], NODES[1]]).await;
        let run = objects::run("dry", &experiment("web", &partition("db"), Some("1m")));
        site.admin.post(&pair.shop.ours("chaosruns"), &run).await.ok();
        let status = pair.shop.run("dry").finished_within(Duration::from_secs(20)).await;
        assert_eq!(status["verdict"], "NotApplicable", "{status:#}");
        assert_eq!(status["plan"]["nodes"], json!([{ "node": NODES[2], "targets": 1 }]), "{status:#}");
        let seed = status["plan"]["seed"].clone();
        assert_eq!(pair.shop.injections().await, [] as [Value; 0]);
        assert!(pair.talks(), "a dry run did something");
        pair.is_as_before().await;
        // Armed with the same seed it takes the same pods, by the same plan.
        let mut armed = objects::run("armed", &experiment("web", &partition("db"), Some("1m")));
        armed["spec"]["mode"] = json!("Armed");
        armed["spec"]["seed"] = seed;
        site.admin.post(&pair.shop.ours("chaosruns"), &armed).await.ok();
        let armed = pair.shop.run("armed");
        armed.in_effect().await;
        assert_eq!(armed.status().await["plan"]["hash"], status["plan"]["hash"], "another plan");
        armed.stop().await;
        armed.over().await;
        pair.is_as_before().await;
    });
}
