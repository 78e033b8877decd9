//! Network faults: felt by the pods that are named, by nobody else, and gone afterwards.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use rumpus_tests::kernel::lab::{Arrivals, Flow};
use rumpus_tests::live::pod::Pod;

use super::cli::{kubectl, rumpus, say};
use super::parts::{NODES, ended};
use super::run::{experiment, partition};
use super::shop::Shop;
use crate::site::{with, within};

/// Reads a policy of policies/ with its namespace replaced.
fn policy(name: &str, namespace: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies").join(name);
    let text = fs::read_to_string(path).expect("the policy is read");
    assert!(text.contains("namespace: shop}"), "the policy names another namespace");
    text.replace("namespace: shop}", &format!("namespace: {namespace}}}"))
}

#[test]
fn a_policy_slows_the_calls_to_a_service_until_it_is_stopped() {
    with(async |site| {
        let shop = Shop::open(site, "slow").await;
        let server = shop.deployment("postgres", 1).await.remove(0);
        let client = shop.deployment("checkout", 1).await.remove(0);
        let other = shop.pod("other", NODES[0]).await;
        let service: SocketAddr = (shop.service("postgres", 7000).await, 7000).into();
        let _echo = server.net.udp_echo_at((server.address, 7000).into()).expect("an echo starts");
        let fast = Duration::from_millis(60);
        within(Duration::from_secs(30), "the Service answers", async || {
            client.round_trip(service).expect("a socket").is_some_and(|trip| trip < fast)
        })
        .await;
        let before = [&server, &client, &other].map(|pod| pod.dump().expect("a dump"));

        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("policy.yaml");
        fs::write(&file, policy("latency-to-service.yaml", &shop.namespace)).expect("the policy is written");
        kubectl(&["apply", "--filename", &file.display().to_string()]);

        let planned = say(&["-n", &shop.namespace, "plan", "policy/latency-to-service", "-o", "json"]);
        assert_eq!(planned.code, 0, "{}", planned.text);
        let runs = site.admin.get(&shop.ours("chaosruns")).await.ok();
        assert_eq!(runs["items"], json!([]), "a plan writes nothing");

        let follow =
            rumpus(&["-n", &shop.namespace, "run", "policy/latency-to-service", "--arm", "--reason", "a test"])
                .stdout(std::process::Stdio::piped())
                .spawn()
                .expect("the command starts");
        let slow = Duration::from_millis(100);
        within(Duration::from_secs(20), "the client's calls are slow", async || {
            client.round_trip(service).expect("a socket").is_some_and(|trip| trip >= slow)
        })
        .await;
        let trips = client.round_trips(service, 20).expect("a socket");
        assert!(trips.iter().all(|trip| trip.is_some_and(|trip| trip >= slow)), "{trips:?}");
        let free = other.round_trip(service).expect("a socket");
        assert!(free.is_some_and(|trip| trip < fast), "another pod is slow as well: {free:?}");

        let runs = site.admin.get(&shop.ours("chaosruns")).await.ok();
        let name = runs["items"][0]["metadata"]["name"].as_str().expect("there is a run").to_owned();
        let run = shop.run(&name);
        run.in_effect().await;
        let uid = shop.injections().await[0]["metadata"]["uid"].clone();
        let stopped = say(&["-n", &shop.namespace, "stop", &name]);
        assert_eq!(stopped.code, 0, "{}", stopped.text);
        let again = client.round_trip(service).expect("a socket");
        assert!(again.is_some_and(|trip| trip < fast), "still slow after `stop` said that it is over: {again:?}");
        let status = run.over().await;
        assert_eq!(status["effective"], "True", "{status:#}");
        assert!(ended(site, &client.node, &uid).await.is_some_and(|one| one["clean"].is_string()), "not attested");
        let said = follow.wait_with_output().expect("the follower ends");
        let story = String::from_utf8_lossy(&said.stdout);
        assert!(story.contains(&client.node), "the story does not name the node:\n{story}");
        for (pod, before) in [&server, &client, &other].into_iter().zip(&before) {
            pod.expect_unchanged(before).expect("nothing is left");
        }
    });
}

/// Sends 500 datagrams a second until `stop`.
fn flow(from: &Pod, to: &Pod, stop: &AtomicBool) -> Arrivals {
    Flow {
        from: &from.net,
        to: &to.net,
        source: (from.address, 0).into(),
        target: (to.address, 0).into(),
        count: u32::MAX,
        gap: Duration::from_millis(2),
        patience: Duration::from_millis(300),
        tos: 0,
    }
    .send_until(stop)
    .expect("a flow is sent")
}

#[test]
fn two_overlapping_partitions_come_and_go_and_no_packet_leaks() {
    with(async |site| {
        let shop = Shop::open(site, "overlap").await;
        let db = Arc::new(shop.pod("db", NODES[0]).await);
        let cache = shop.pod("cache", NODES[1]).await;
        let web = Arc::new(shop.pod("web", NODES[1]).await);
        let before = [&*db, &cache, &*web].map(|pod| pod.dump().expect("a dump"));

        let first = shop.start("first", &experiment("web", &partition("db"), Some("2m"))).await;
        first.in_effect().await;
        let stop = Arc::new(AtomicBool::new(false));
        let flows = [(&web, &db), (&db, &web)].map(|(from, to)| {
            let (from, to, stop) = (Arc::clone(from), Arc::clone(to), Arc::clone(&stop));
            thread::spawn(move || flow(&from, &to, &stop))
        });
        // It shares the target and one of two peers with the first.
        let both = json!({ "partition": { "how": "Drop", "direction": "Both", "peers": { "pods": [
            { "selector": { "matchLabels": { "app": "db" } } },
            { "selector": { "matchLabels": { "app": "cache" } } },
        ] } } });
        let second = shop.start("second", &experiment("web", &both, Some("1m"))).await;
        second.in_effect().await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        second.stop().await;
        second.over().await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        stop.store(true, Ordering::SeqCst);
        for flow in flows {
            let arrivals = flow.join().expect("a flow ends");
            assert!(arrivals.sent > 400, "only {} datagrams were sent", arrivals.sent);
            assert_eq!(arrivals.all.len(), 0, "of {} datagrams some got through", arrivals.sent);
        }
        first.stop().await;
        let status = first.over().await;
        assert_eq!(status["effective"], "True", "{status:#}");
        for (pod, before) in [&*db, &cache, &*web].into_iter().zip(&before) {
            pod.expect_unchanged(before).expect("nothing is left");
        }
    });
}

#[test]
fn nothing_stays_in_a_pod_after_many_runs() {
    with(async |site| {
        let shop = Shop::open(site, "many").await;
        let web = shop.pod("web", NODES[2]).await;
        let db = shop.pod("db", NODES[0]).await;
        let before = [&web, &db].map(|pod| pod.dump().expect("a dump"));
        let rounds = if std::env::var_os("RUMPUS_SOAK").is_some() { 100 } else { 15 };
        for round in 0..rounds {
            let fault = match round % 3 {
                0 => partition("db"),
                1 => json!({ "latency": { "delay": "20ms", "direction": "Both" } }),
                _ => json!({ "loss": { "percent": 10, "direction": "Egress" } }),
            };
            let run = shop.start(&format!("round-{round}"), &experiment("web", &fault, Some("1m"))).await;
            run.in_effect().await;
            run.stop().await;
            run.over().await;
            for (pod, before) in [&web, &db].into_iter().zip(&before) {
                pod.expect_unchanged(before).unwrap_or_else(|error| panic!("after round {round}: {error:#}"));
            }
        }
    });
}

#[test]
fn a_peer_that_is_replaced_leaves_the_fault_and_its_old_address_is_left_alone() {
    with(async |site| {
        let shop = Shop::open(site, "peers").await;
        let web = shop.pod("web", NODES[0]).await;
        let db = shop.pods_on("db", &[NODES[1], NODES[1]]).await;
        let stranger = shop.pod("stranger", NODES[1]).await;
        let run = shop.start("run", &experiment("web", &partition("db"), Some("2m"))).await;
        run.in_effect().await;

        let [gone, stays] = &db[..] else { panic!("two pods were asked for") };
        let path = format!("{}/{}", shop.core("pods"), gone.name);
        site.admin.remove(&path).await.ok();
        // A stranger gets the address that the peer had.
        let address = gone.address.to_string();
        within(Duration::from_secs(30), "the peer is gone", async || site.admin.get(&path).await.code == 404).await;
        stranger.net.tool("ip", &["address", "add", &format!("{address}/32"), "dev", "eth0"]).expect("it gets it");
        let _echo = stranger.net.udp_echo_at((gone.address, 7001).into()).expect("an echo starts");
        let _other = stays.net.udp_echo_at((stays.address, 7001).into()).expect("an echo starts");
        within(Duration::from_secs(20), "the stranger is reached at the old address", async || {
            web.round_trip((gone.address, 7001).into()).expect("a socket").is_some()
        })
        .await;
        // The fault is ended and begun anew without the peer that left.
        within(Duration::from_secs(20), "the peer that stayed is cut off again", async || {
            web.round_trip((stays.address, 7001).into()).expect("a socket").is_none()
        })
        .await;
        run.in_effect().await;
        let reached = web.round_trip((gone.address, 7001).into()).expect("a socket");
        assert!(reached.is_some(), "the stranger is cut off at the address that it was given");
        let revisions: Vec<Value> =
            shop.injections().await.iter().map(|injection| injection["spec"]["revision"].clone()).collect();
        assert!(revisions.contains(&json!(1)), "{revisions:?}");
        run.stop().await;
        run.over().await;
        within(Duration::from_secs(5), "the peer is reached again", async || {
            web.round_trip((stays.address, 7001).into()).expect("a socket").is_some()
        })
        .await;
    });
}
