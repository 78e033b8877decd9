//! What is not done, and who says so first.

use std::time::Duration;

use serde_json::{Value, json};

use rumpus_tests::live::pod::Pod;

use super::parts::{self, NODES};
use super::run::{experiment, partition};
use super::shop::Shop;
use crate::objects;
use crate::site::{RELEASE, Site, with, within};

/// Starts a run and expects it to be refused with each of these words in its reasons.
async fn refused(shop: &Shop, name: &str, experiment: &Value, words: &[&str]) {
    let status = shop.start(name, experiment).await.refused().await;
    let why = format!("{} {}", status["refusals"], status["plan"]);
    for word in words {
        assert!(why.contains(word), "{word:?} is not in {why}");
    }
    assert_eq!(shop.injections().await, [] as [Value; 0], "something was sent to a node");
}

#[test]
fn a_namespace_that_has_not_opted_in_is_left_alone() {
    with(async |site| {
        let namespace = site.namespace_with("silent", &json!({})).await;
        let account = format!("/api/v1/namespaces/{namespace}/serviceaccounts/default");
        within(Duration::from_secs(30), "the account is there", async || site.admin.get(&account).await.code == 200)
            .await;
        let shop = Shop { site, namespace };
        let web = shop.pod("web", NODES[0]).await;
        refused(&shop, "run", &experiment("web", &partition("web"), Some("1m")), &["rumpus.dev/chaos"]).await;
        let rules = web.net.tool("nft", &["list", "ruleset"]).expect("nft answers");
        assert!(!rules.contains("rumpus"), "{rules}");
    });
}

/// The shop's own Deployment opens a gate; one that is not there, and a host that the administrator did not list, close it.
#[test]
fn a_closed_gate_refuses_and_an_open_one_does_not() {
    with(async |site| {
        let shop = Shop::open(site, "gates").await;
        shop.deployment("web", 2).await;
        let gated = |check: Value| {
            let mut experiment = experiment("web", &json!({ "podDelete": {} }), None);
            experiment["pick"] = json!({ "count": 1 });
            experiment["steadyState"] = json!({ "checks": [check] });
            experiment
        };
        let about = |name: &str| json!({ "name": "there", "role": "Gate", "kubernetes": { "kind": "Deployment", "name": name } });
        let words = ["GateClosed", "Deployment/absent does not exist"];
        refused(&shop, "absent", &gated(about("absent")), &words).await;
        let http = json!({ "name": "up", "role": "Gate", "http": { "url": "http://169.254.169.254/latest" } });
        refused(&shop, "unlisted", &gated(http), &["GateClosed", "checks.hosts"]).await;
        let status = shop.start("open", &gated(about("web"))).await.over().await;
        assert_eq!(status["cluster"]["done"], 1, "{status:#}");
    });
}

#[test]
fn a_pod_in_its_nodes_network_is_left_alone() {
    with(async |site| {
        let shop = Shop::open(site, "hostnet").await;
        let mut pod = objects::pod("web");
        pod["metadata"]["labels"] = json!({ "app": "web" });
        pod["spec"]["hostNetwork"] = json!(true);
        pod["spec"]["nodeName"] = json!(NODES[1]);
        pod["spec"]["volumes"] = json!([]);
        pod["spec"]["containers"][0]["image"] = json!("docker.io/rumpus-testbed/busybox:1");
        pod["spec"]["containers"][0]["command"] = json!(["sleep", "600"]);
        pod["spec"]["terminationGracePeriodSeconds"] = json!(0);
        site.make(&shop.core("pods"), &pod).await;
        within(Duration::from_secs(60), "the pod runs", async || {
            let pod = site.admin.get(&format!("{}/web", shop.core("pods"))).await.ok();
            pod["status"]["phase"] == "Running"
        })
        .await;
        let fault = json!({ "partition": { "how": "Drop", "direction": "Both" } });
        refused(&shop, "run", &experiment("web", &fault, Some("1m")), &["HostNetwork"]).await;
    });
}

#[test]
fn node_targets_need_the_switch() {
    with(async |site| {
        let shop = Shop::open(site, "nodes").await;
        let mut experiment = experiment("web", &json!({ "kill": { "signal": "KILL" } }), None);
        experiment["targets"] = json!({ "nodes": { "names": [NODES[0]] } });
        let answer = shop.ask("run", &experiment).await;
        // The API server takes it: what a node can be targeted for is the controller's to say.
        assert_eq!(answer.code, 201, "{answer:?}");
        let status = shop.run("run").refused().await;
        assert!(status["refusals"].to_string().contains("targets on nodes are not built"), "{status:#}");
    });
}

/// The controller's own token, and an Injection that it should never write.
async fn stolen(site: &'static Site, namespace: &str, target: &Value, node: &str, name: &str) -> String {
    let controller = site.controller().await;
    let run = objects::run(name, &experiment("web", &partition("web"), Some("1m")));
    let runs = format!("{}/namespaces/{namespace}/chaosruns", rumpus_tests::live::api::RUMPUS);
    // A dry run, so that the controller itself is content with it.
    let run = site.make(&runs, &run).await;
    let mut injection = objects::injection(name, node);
    injection["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "rumpus.dev/v1alpha1", "kind": "ChaosRun", "name": name, "uid": run["metadata"]["uid"],
    }]);
    injection["spec"]["run"] = json!({ "name": name, "uid": run["metadata"]["uid"] });
    injection["spec"]["notAfter"] = json!("2036-01-01T00:00:00.000000Z");
    injection["spec"]["fault"] = json!({ "partition": { "how": "Drop", "direction": "Both" } });
    injection["spec"]["targets"] = json!([{
        "uid": target["metadata"]["uid"], "namespace": target["metadata"]["namespace"], "pod": target["metadata"]["name"],
    }]);
    let injections = format!("{}/namespaces/{namespace}/chaosinjections", rumpus_tests::live::api::RUMPUS);
    controller.post(&injections, &injection).await.ok();
    let path = format!("{injections}/{name}");
    controller.merge(&path, &json!({ "spec": { "phase": "Armed" } })).await.ok();
    path
}

#[test]
fn an_agent_refuses_a_pod_of_a_protected_namespace_whoever_asks() {
    with(async |site| {
        let namespace = site.namespace("stolen").await;
        let pods = parts::pods_of(site, "controller").await;
        let target = pods.first().expect("there is a controller");
        assert_eq!(target["metadata"]["namespace"], RELEASE);
        let node = target["spec"]["nodeName"].as_str().expect("it runs somewhere");
        let path = stolen(site, &namespace, target, node, "protected").await;
        let mut status = Value::Null;
        within(Duration::from_secs(30), "the agent answers, or it is gone", async || {
            let answer = site.admin.get(&path).await;
            if answer.code == 200 {
                status = answer.body["status"].clone();
            }
            let state = status["state"].as_str().unwrap_or_default();
            assert!(!["InEffect", "Ending", "Restored", "Done"].contains(&state), "it was begun: {status:#}");
            answer.code == 404 || state == "Refused"
        })
        .await;
        if status["state"] == "Refused" {
            assert_eq!(status["targets"][0]["reason"], "ProtectedNamespace", "{status:#}");
        }
        let rules = Pod::find(target).expect("it runs").net.tool("nft", &["list", "ruleset"]).expect("nft answers");
        assert!(!rules.contains("rumpus"), "rules are in a protected pod: {rules}");
        parts::all_well(site).await;
    });
}

#[test]
fn a_node_without_an_agent_is_said_to_have_none_before_anything_is_done() {
    parts::alone_on_well_parts(async |site| {
        let shop = Shop::open(site, "no-agent").await;
        shop.pods_on("web", &[NODES[0], NODES[2]]).await;
        let set = format!("/apis/apps/v1/namespaces/{RELEASE}/daemonsets/rumpus-agent");
        let only =
            |nodes: Value| json!({ "spec": { "template": { "spec": { "nodeSelector": { "test/agent": nodes } } } } });
        let label = |value: Value| json!({ "metadata": { "labels": { "test/agent": value } } });
        for node in &NODES[..2] {
            site.admin.merge(&format!("/api/v1/nodes/{node}"), &label(json!("yes"))).await.ok();
        }
        site.admin.merge(&set, &only(json!("yes"))).await.ok();
        within(Duration::from_secs(60), "two agents are left", async || {
            let pods = parts::pods_of(site, "agent").await;
            pods.len() == 2 && pods.iter().all(|pod| pod["status"]["containerStatuses"][0]["ready"] == true)
        })
        .await;
        let mut status = Value::Null;
        within(Duration::from_secs(60), "the plan says so", async || {
            let name = format!("run-{}", site.number());
            status = shop.start(&name, &experiment("web", &partition("web"), Some("1m"))).await.refused().await;
            status.to_string().contains("NoAgent")
        })
        .await;
        for node in &NODES[..2] {
            site.admin.merge(&format!("/api/v1/nodes/{node}"), &label(Value::Null)).await.ok();
        }
        site.admin.merge(&set, &only(Value::Null)).await.ok();
        parts::all_well(site).await;
        assert_eq!(status["verdict"], "Refused", "{status:#}");
        assert!(status["refusals"].to_string().contains(NODES[2]), "it names the node: {status:#}");
        assert_eq!(shop.injections().await, [] as [Value; 0], "the other node was sent something");
    });
}
