//! Helm in the midst of a fault, and what it leaves: the CRDs, the users' objects, and on each node an empty folder.
//!
//! These tests replace what others rely on, so each runs alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::cli::kubectl;
use super::ends::Pair;
use super::parts::{self, NODES};
use crate::objects::anew;
use crate::site::{RELEASE, Site, within};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// Runs helm on the release's namespace, to its end and off this thread.
async fn helm(args: &[&str]) -> String {
    let mut command = Command::new(std::env::var_os("RUMPUS_HELM").expect("RUMPUS_HELM names the program"));
    command.args(args).args(["--namespace", RELEASE]);
    command.env("KUBECONFIG", std::env::var_os("RUMPUS_KUBECONFIG").expect("RUMPUS_KUBECONFIG names a file"));
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.expect("it does not panic").expect("helm starts");
    assert!(output.status.success(), "helm {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("helm writes text")
}

fn chart() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../chart").display().to_string()
}

/// Brings the release to the chart again, with the values that it has.
async fn upgrade(set: &str) {
    let chart = chart();
    let mut args = vec!["upgrade", "rumpus", &chart, "--reset-then-reuse-values"];
    args.extend(["--set-string", set]);
    helm(&args).await;
}

/// The state directory of a node, seen through its kubelet's eyes.
fn state_of(node: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root/var/lib/rumpus", parts::kubelet(node).pid))
}

/// Waits until every part carries this mark, or none.
async fn marked(site: &Site, mark: &Value) {
    within(Duration::from_secs(120), "every part was replaced", async || {
        let mut pods = parts::pods_of(site, "agent").await;
        pods.extend(parts::pods_of(site, "controller").await);
        pods.len() == NODES.len() + parts::CONTROLLERS as usize
            && pods.iter().all(|pod| pod["metadata"]["annotations"]["test"] == *mark)
    })
    .await;
    parts::all_well(site).await;
}

#[test]
fn an_upgrade_and_a_rollback_in_the_midst_of_a_fault_end_it_first() {
    parts::alone_on_well_parts(async |site| {
        let stamp = format!("{}", std::process::id());
        let pairs = [("upgrade", json!(stamp)), ("rollback", Value::Null)];
        for (part, mark) in pairs {
            let pair = Pair::on(site, part, [NODES[0], NODES[1]]).await;
            let run = pair.cut("3m").await;
            let uid = pair.injection().await;
            if part == "upgrade" {
                upgrade(&format!("agent.podAnnotations.test={stamp},controller.podAnnotations.test={stamp}")).await;
            } else {
                helm(&["rollback", "rumpus"]).await;
            }
            pair.heals_within(Duration::from_secs(40)).await;
            marked(site, &mark).await;
            pair.attested(&uid).await;
            pair.is_as_before().await;
            run.over_within(Duration::from_secs(60)).await;
        }
    });
}

#[test]
fn uninstalling_in_the_midst_of_a_fault_leaves_the_definitions_and_the_users_objects() {
    parts::alone_on_well_parts(async |site| {
        let pair = Pair::on(site, "uninstall", [NODES[1], NODES[2]]).await;
        let run = pair.cut("3m").await;
        let folder = tempfile::tempdir().expect("a folder");
        let values = folder.path().join("values.yaml");
        fs::write(&values, helm(&["get", "values", "rumpus", "--output", "yaml"]).await).expect("they are written");
        let manifest = helm(&["get", "manifest", "rumpus"]).await;
        helm(&["uninstall", "rumpus", "--wait"]).await;
        let talks = pair.talks();
        let left = left_of(site, &manifest).await;
        let states = NODES.map(|node| (node, entries(&state_of(node))));
        let object = site.admin.get(&run.path).await;
        let chart = chart();
        let values = values.display().to_string();
        helm(&["install", "rumpus", &chart, "--values", &values]).await;
        parts::all_well(site).await;
        assert!(talks, "helm said that it is uninstalled, and the fault is in effect");
        assert_eq!(left, [] as [String; 0], "objects of the chart are left");
        assert_eq!(object.code, 200, "the user's run is gone");
        for (node, entries) in states {
            assert_eq!(entries, [] as [String; 0], "the state directory of {node} is not empty");
        }
        pair.is_as_before().await;
        // Helm takes an agent's rights away before it ends: its last word may not have been taken, and then the next
        // installation does not know what became of it.
        let status = run.finished_within(Duration::from_secs(60)).await;
        assert_ne!(status["verdict"], "Pass", "{status:#}");
        if status["confirmation"] != "Confirmed" {
            assert_eq!(status["unconfirmedNodes"], json!([NODES[1]]), "{status:#}");
        }
    });
}

fn entries(folder: &Path) -> Vec<String> {
    let Ok(list) = fs::read_dir(folder) else { return Vec::new() };
    list.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

/// Returns what still exists of a manifest, but for the definitions.
async fn left_of(site: &Site, manifest: &str) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("manifest.yaml");
    fs::write(&file, manifest).expect("it is written");
    let mut left = Vec::new();
    within(Duration::from_secs(60), "the pods are gone", async || {
        parts::pods_of(site, "agent").await.is_empty() && parts::pods_of(site, "controller").await.is_empty()
    })
    .await;
    let file = file.display().to_string();
    let found = kubectl(&["get", "--ignore-not-found", "--output", "name", "--filename", &file]);
    for line in found.lines() {
        if !line.starts_with("customresourcedefinition") {
            left.push(line.to_owned());
        }
    }
    left
}

#[test]
fn deleting_the_definitions_in_the_midst_of_a_fault_ends_it() {
    parts::alone_on_well_parts(async |site| {
        let pair = Pair::on(site, "definitions", [NODES[2], NODES[0]]).await;
        let _run = pair.cut("3m").await;
        let name = "chaosinjections.rumpus.dev";
        let kept = site.admin.get(&format!("{DEFINITIONS}/{name}")).await.ok();
        site.admin.delete(&format!("{DEFINITIONS}/{name}"), &Value::Null).await.ok();
        let began = std::time::Instant::now();
        let healed = tokio::time::timeout(parts::OUTLIVED, pair.heals_within(parts::OUTLIVED)).await;
        within(Duration::from_secs(30), "the definition is gone", async || {
            site.admin.get(&format!("{DEFINITIONS}/{name}")).await.code == 404
        })
        .await;
        let mut again = anew(&kept);
        again.as_object_mut().expect("an object").remove("status");
        site.admin.post(DEFINITIONS, &again).await.ok();
        within(Duration::from_secs(30), "the definition is served", async || {
            let now = site.admin.get(&format!("{DEFINITIONS}/{name}")).await.ok();
            let conditions = now["status"]["conditions"].as_array().cloned().unwrap_or_default();
            conditions.iter().any(|one| one["type"] == "Established" && one["status"] == "True")
        })
        .await;
        healed.expect("the fault ends");
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
        pair.is_as_before().await;
        // A watch of something that was gone for a while comes back by itself.
        parts::all_well(site).await;
        let again = pair
            .shop
            .start(
                "again",
                &super::run::experiment(
                    "web",
                    &json!({ "latency": { "delay": "10ms", "direction": "Both" } }),
                    Some("1m"),
                ),
            )
            .await;
        again.in_effect().await;
        again.stop().await;
        again.over().await;
        pair.is_as_before().await;
    });
}
