//! Installs Rumpus with its own chart, as its users do, from the image of the checkout.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::folder::Folder;
use super::programs::{self, Programs};
use super::{image, kubeconfig, kubectl, wait};
use crate::command::{capture, command};
use crate::place;

/// Where the release lies; the tests know it by this name.
const NAMESPACE: &str = "rumpus-system";

/// How long the parts may take on a machine that is busy with other things.
const START: Duration = Duration::from_secs(240);

/// Tests run side by side.
const ACTIVE_RUNS: u32 = 32;

/// Loads the image into every node and brings the release to the chart's present state.
pub(crate) fn run(folder: &Folder, programs: &Programs, archive: &Path) -> Result<()> {
    let began = Instant::now();
    image::load(programs, archive)?;
    let hash = hash(archive)?;
    let mut helm = command(programs::helm()?, ["upgrade", "--install", "rumpus"]);
    helm.arg(place::root()?.join("chart")).args(["--namespace", NAMESPACE, "--create-namespace"]);
    helm.args(["--set", "image.repository=docker.io/library/rumpus,image.pullPolicy=Never"]);
    helm.args(["--set", &format!("maxActiveRuns={ACTIVE_RUNS},agent.maxUnavailable=100%")]);
    // The image keeps its name when its content changes: only this makes pods of the new one.
    for part in ["agent", "controller"] {
        helm.args(["--set-string", &format!("{part}.podAnnotations.image={hash}")]);
    }
    capture(helm.env("KUBECONFIG", kubeconfig::admin(folder)?)).context("install Rumpus")?;
    wait::until(START, "Rumpus is ready", || Ok(()), || is_ready(folder, programs))?;
    println!("   installed Rumpus in {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}

/// How many controllers the chart starts.
pub(crate) const CONTROLLERS: u8 = 2;

/// Changes the number of controllers, and waits until that many are there.
pub(crate) fn scale_controller(folder: &Folder, programs: &Programs, replicas: u8) -> Result<()> {
    let namespace = format!("--namespace={NAMESPACE}");
    let count = format!("--replicas={replicas}");
    kubectl::ask(folder, &programs.kubernetes, &["scale", "deployment", "rumpus-controller", &namespace, &count])?;
    wait::until(
        START,
        &format!("{replicas} controllers run"),
        || Ok(()),
        || match replicas {
            0 => {
                let selector = "--selector=app.kubernetes.io/component=controller";
                let args = ["get", "pods", &namespace, selector, "--output=name"];
                let pods = kubectl::ask(folder, &programs.kubernetes, &args)?;
                ensure!(pods.trim().is_empty(), "a controller still runs");
                Ok(())
            }
            _ => is_ready(folder, programs),
        },
    )
}

/// Whether the controller and each node's agent are there, as the chart wants them, and able to inject.
pub(crate) fn is_ready(folder: &Folder, programs: &Programs) -> Result<()> {
    let get = |args: &[&str]| -> Result<Value> {
        let text = kubectl::ask(folder, &programs.kubernetes, &[args, &["--output=json"]].concat())?;
        serde_json::from_str(&text).context("read what kubectl says")
    };
    let namespace = format!("--namespace={NAMESPACE}");
    let controller = get(&["get", "deployment", "rumpus-controller", &namespace])?;
    ensure!(is_current(&controller), "the controller is not there yet");
    let replicas = |of: &str| controller[of]["replicas"].as_u64();
    let available = controller["status"]["availableReplicas"].as_u64();
    ensure!(available.is_some() && available == replicas("spec"), "not every controller is ready");
    ensure!(replicas("status") == replicas("spec"), "an old controller is still there");
    let agents = get(&["get", "daemonset", "rumpus-agent", &namespace])?;
    ensure!(is_current(&agents), "the agents are not there yet");
    for count in ["desiredNumberScheduled", "updatedNumberScheduled", "numberReady"] {
        ensure!(agents["status"][count] == 3, "agents {count}: {} of 3", agents["status"][count]);
    }
    let nodes = get(&["get", "chaosnodes"])?;
    let proven = nodes["items"].as_array().into_iter().flatten().filter(|node| node["status"]["admission"] == "proven");
    ensure!(proven.count() == 3, "not every agent has proven the admission policies");
    Ok(())
}

/// Whether what runs is what was asked for last.
fn is_current(object: &Value) -> bool {
    let seen = &object["status"]["observedGeneration"];
    seen.is_number() && *seen == object["metadata"]["generation"]
}

/// Tells one image from another: the same binary makes the same archive.
fn hash(archive: &Path) -> Result<String> {
    let bytes = fs::read(archive).with_context(|| format!("read {}", archive.display()))?;
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    Ok(format!("{:016x}", hasher.finish()))
}
