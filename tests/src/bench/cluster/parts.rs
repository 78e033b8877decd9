//! The parts of Rumpus that run in the cluster, found as processes of this machine, and what they weigh.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::api::Api;
use super::site::{name, text};
use crate::bench::path::megabytes;
use crate::bench::site::status_kb;
use crate::live::process;

/// The namespace of the installation; `cargo xtask` installs it there.
pub(super) const RELEASE: &str = "rumpus-system";

/// Who calls the API server, as the audit log shows it.
pub(super) const CONTROLLER: &str = "system:serviceaccount:rumpus-system:rumpus-controller";
/// The same of every agent.
pub(super) const AGENT: &str = "system:serviceaccount:rumpus-system:rumpus-agent";

/// Resident memory of one process, in kB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Weight {
    pub all: u64,
    /// Without files: what it has allocated.
    pub anonymous: u64,
}

/// What the parts weigh at one instant.
#[derive(Debug, Clone)]
pub(super) struct Weights {
    pub controller: Weight,
    pub agents: Vec<Weight>,
}

impl Weight {
    pub(super) fn show(self) -> String {
        format!("{} ({} anonymous)", megabytes(self.all), megabytes(self.anonymous))
    }
}

impl Weights {
    /// Says what the lightest and the heaviest agent weigh.
    pub(super) fn agents(&self) -> String {
        let [least, most] = [self.agents.iter().min(), self.agents.iter().max()].map(|one| one.map(|one| one.show()));
        match (least, most) {
            (Some(least), Some(most)) if least != most => format!("{least} to {most}"),
            (Some(one), _) => one,
            (None, _) => "no agent".to_owned(),
        }
    }
}

/// Weighs the controller and every agent.
pub(super) async fn weigh(api: &Api) -> Result<Weights> {
    // Leader and follower watch the same: the heavier one counts.
    let controllers = pods_of(api, "controller").await?.iter().map(weight).collect::<Result<Vec<_>>>()?;
    let controller = controllers.into_iter().max().context("there is no controller")?;
    let agents = pods_of(api, "agent").await?.iter().map(weight).collect::<Result<Vec<_>>>()?;
    Ok(Weights { controller, agents })
}

/// Returns the pod of one of the agents.
pub(super) async fn agent(api: &Api) -> Result<Value> {
    pods_of(api, "agent").await?.pop().context("there is no agent")
}

/// Returns the ids of all their containers: one that was started again has another.
pub(super) async fn containers(api: &Api) -> Result<BTreeSet<String>> {
    let mut pods = pods_of(api, "controller").await?;
    pods.extend(pods_of(api, "agent").await?);
    pods.iter().map(container).collect()
}

fn container(pod: &Value) -> Result<String> {
    let id = text(&pod["status"]["containerStatuses"][0]["containerID"], "a part's container")?;
    Ok(id.split_once("://").map_or(id.as_str(), |(_, id)| id).to_owned())
}

async fn pods_of(api: &Api, component: &str) -> Result<Vec<Value>> {
    let selector = format!("labelSelector=app.kubernetes.io%2Fcomponent%3D{component}");
    let mut pods = api.list(&format!("/api/v1/namespaces/{RELEASE}/pods?{selector}")).await?;
    // Not those of the fleet.
    pods.retain(|pod| name(pod).starts_with("rumpus-"));
    pods.retain(|pod| pod["metadata"]["deletionTimestamp"].is_null() && pod["status"]["phase"] == "Running");
    Ok(pods)
}

/// An agent shares its node's process ids, so the oldest process of the container is the one.
fn weight(pod: &Value) -> Result<Weight> {
    let uid = text(&pod["metadata"]["uid"], "a pod's UID")?;
    let id = container(pod)?;
    let processes = process::of_pod(&uid)?.into_iter().filter(|process| process.container == id);
    let pid = processes.map(|process| process.pid).min().context("a part has no process")?;
    let pid = u32::try_from(pid).context("a process id out of range")?;
    let read = |field| status_kb(pid, field).with_context(|| format!("read {field} of process {pid}"));
    Ok(Weight { all: read("VmRSS")?, anonymous: read("RssAnon")? })
}
