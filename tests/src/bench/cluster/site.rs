//! What belongs to one run of the bench: namespaces, a node and Halts, all of them with its name.
//!
//! [`sweep`] takes everything away that has the name, whoever made it and however that ended.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::time::sleep;

use super::Options;
use super::api::{Api, until};
use super::audit::Audit;
use super::crowd::Crowd;
use super::parts::{self, RELEASE, Weights};
use super::shop::Shop;
use crate::live::api::RUMPUS;

/// How long faults may take to end before their pods are taken away under them.
const END: Duration = Duration::from_secs(30);

/// How long ten thousand pods and their namespace may take to go.
const GONE: Duration = Duration::from_secs(600);

/// Between two looks whether they are gone.
const LOOK: Duration = Duration::from_millis(500);

const NAMESPACES: &str = "/api/v1/namespaces";
const NODES: &str = "/api/v1/nodes";

/// Where the bench works.
pub(super) struct Site<'a> {
    pub api: Api,
    pub audit: Audit,
    pub options: &'a Options,
    /// The nodes on which faults can be done.
    pub nodes: Vec<String>,
    /// What the parts weighed before the first run.
    pub fresh: Weights,
    pub id: String,
    crowd: OnceCell<Crowd>,
}

impl<'a> Site<'a> {
    pub(super) async fn open(options: &'a Options, id: &str) -> Result<Self> {
        let api = Api::administrator().await?;
        let nodes = proven(&api).await?;
        let fresh = parts::weigh(&api).await?;
        let (audit, id) = (Audit::open(&options.audit)?, id.to_owned());
        Ok(Self { api, audit, options, nodes, fresh, id, crowd: OnceCell::new() })
    }

    /// Returns how often a section is to be measured whose own number this is.
    pub(super) fn rounds(&self, own: usize) -> usize {
        self.options.rounds.min(own)
    }

    /// Returns a node, counted in turn.
    pub(super) fn node(&self, number: usize) -> &str {
        self.nodes.get(number % self.nodes.len().max(1)).map_or("", String::as_str)
    }

    pub(super) fn named(&self, part: &str) -> String {
        format!("{}-{part}", self.id)
    }

    /// Makes a namespace that has opted in.
    pub(super) async fn shop(&self, part: &str) -> Result<Shop> {
        Shop::open(&self.api, &self.named(part), &json!({ "rumpus.dev/chaos": "enabled" })).await
    }

    /// Makes a namespace that has not.
    pub(super) async fn silent_shop(&self, part: &str) -> Result<Shop> {
        Shop::open(&self.api, &self.named(part), &json!({})).await
    }

    /// Returns the fifty pods and their peer, started on first use.
    pub(super) async fn crowd(&self) -> Result<&Crowd> {
        self.crowd.get_or_try_init(|| Crowd::gather(self)).await
    }

    /// Removes what a section made, whether it succeeded or not, but the crowd.
    pub(super) async fn clear(&self) -> Result<()> {
        let crowd = self.crowd.get().map(|crowd| crowd.shop.namespace.as_str());
        sweep(&self.api, &self.id, crowd).await
    }
}

/// Returns the nodes whose agents have proven the rules of admission.
async fn proven(api: &Api) -> Result<Vec<String>> {
    let mut nodes = api.list(&format!("{RUMPUS}/chaosnodes")).await?;
    nodes.retain(|node| node["status"]["admission"] == "proven");
    let mut names: Vec<String> = nodes.iter().map(name).collect();
    names.sort();
    ensure!(names.len() >= 3, "three nodes with agents are needed, these are ready: {}", names.join(", "));
    names.truncate(3);
    Ok(names)
}

/// Removes everything of a run of the bench but, if it is named, one namespace's pods.
pub(super) async fn sweep(api: &Api, id: &str, keep: Option<&str>) -> Result<()> {
    let prefix = format!("{id}-");
    let ours = async |path: &str| -> Result<Vec<String>> {
        let names = api.list(path).await?.iter().map(name).collect::<Vec<_>>();
        Ok(names.into_iter().filter(|name| name.starts_with(&prefix)).collect())
    };
    let halts = format!("{RUMPUS}/chaoshalts");
    for halt in ours(&halts).await? {
        api.delete(&format!("{halts}/{halt}")).await?;
    }
    let namespaces = ours(NAMESPACES).await?;
    for namespace in &namespaces {
        end_runs(api, namespace).await?;
    }
    for namespace in namespaces.iter().filter(|name| Some(name.as_str()) != keep) {
        api.delete(&format!("{NAMESPACES}/{namespace}")).await?;
    }
    until(GONE, "the bench's namespaces are gone", async || {
        sleep(LOOK).await;
        Ok(ours(NAMESPACES).await?.iter().all(|name| Some(name.as_str()) == keep))
    })
    .await?;
    let agents = format!("/api/v1/namespaces/{RELEASE}/pods");
    for pod in ours(&agents).await? {
        api.delete(&format!("{agents}/{pod}")).await?;
    }
    let nodes = format!("{RUMPUS}/chaosnodes");
    for node in ours(&nodes).await? {
        api.delete(&format!("{nodes}/{node}")).await?;
    }
    // Only now: pods of a node that is gone are somebody else's business, too.
    for node in ours(NODES).await? {
        api.delete(&format!("{NODES}/{node}")).await?;
    }
    Ok(())
}

async fn end_runs(api: &Api, namespace: &str) -> Result<()> {
    let [runs, injections] =
        ["chaosruns", "chaosinjections"].map(|plural| format!("{RUMPUS}/namespaces/{namespace}/{plural}"));
    api.delete(&runs).await?;
    // A node that is silent may not keep the rest from being removed: what it holds ends with its lease.
    let ended = until(END, "the faults have ended", async || Ok(api.list(&injections).await?.is_empty())).await;
    ended.or_else(|error| {
        super::progress(&format!("{namespace}: {error:#}"));
        Ok(())
    })
}

/// Returns an object's name.
pub(super) fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

/// Returns a text that an object has to have.
pub(super) fn text(value: &Value, what: &str) -> Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("{what} is missing"))
}
