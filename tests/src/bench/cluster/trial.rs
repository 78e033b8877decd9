//! One ChaosRun of the bench, followed through the API until nothing of it is left.

use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use serde_json::{Value, json};

use super::api::until;
use super::audit::Moment;
use super::shop::Shop;

/// How long a step may take before it counts as failed; no figure comes from it.
const STEP: Duration = Duration::from_secs(60);

/// After the end of one run and before the next: the kernel is still freeing what the last one had, and a fault rarely
/// begins within milliseconds of another one's end in the same pod.
const PAUSE: Duration = Duration::from_millis(200);

/// A run.
pub(super) struct Trial<'a> {
    shop: &'a Shop,
    pub name: String,
}

impl<'a> Trial<'a> {
    pub(super) fn new(shop: &'a Shop, name: &str) -> Self {
        Self { shop, name: name.to_owned() }
    }

    fn path(&self) -> String {
        format!("{}/{}", self.shop.ours("chaosruns"), self.name)
    }

    /// Waits until its status says that every target is in effect.
    pub(super) async fn in_effect(&self) -> Result<()> {
        let what = format!("run {} is in effect", self.name);
        let waited = until(STEP, &what, async || {
            let status = self.status().await?;
            ensure!(status["state"] != "Finished", "run {} ended before it was in effect", self.name);
            Ok(status["state"] == "Running")
        });
        self.explained(waited.await).await
    }

    /// Waits until it has finished and every node attests the end; a run that was refused is an error.
    pub(super) async fn over(&self) -> Result<()> {
        let what = format!("run {} is over and confirmed", self.name);
        let waited = until(STEP, &what, async || {
            let status = self.status().await?;
            ensure!(status["refusals"].as_array().is_none_or(Vec::is_empty), "run {} was refused", self.name);
            Ok(status["state"] == "Finished" && status["confirmation"] == "Confirmed")
        });
        self.explained(waited.await).await
    }

    /// Adds to an error what the run's status says.
    pub(super) async fn explained<T>(&self, result: Result<T>) -> Result<T> {
        let Err(error) = result else { return result };
        let told = self.status().await.map_or_else(|why| format!("{why:#}"), |status| told(&status));
        Err(anyhow!("{error:#}; {told}"))
    }

    /// Asks it to stop.
    pub(super) async fn stop(&self) -> Result<()> {
        self.shop.api.merge(&self.path(), &json!({ "spec": { "stop": true } })).await.map(drop)
    }

    /// Deletes it, and returns the instant right before that was asked for.
    pub(super) async fn delete(&self) -> Result<Moment> {
        self.shop.api.get(&self.path()).await?;
        let at = Moment::now()?;
        self.shop.api.delete(&self.path()).await?;
        Ok(at)
    }

    /// Waits until neither it nor an Injection of it is there, and returns when that was seen; then pauses.
    pub(super) async fn gone(&self) -> Result<Moment> {
        let (path, injections) = (self.path(), self.shop.ours("chaosinjections"));
        until(STEP, &format!("nothing is left of run {}", self.name), async || {
            let left = self.shop.api.list(&injections).await?;
            Ok(!left.iter().any(|one| one["spec"]["run"]["name"] == *self.name)
                && self.shop.api.find(&path).await?.is_none())
        })
        .await?;
        let at = Moment::now()?;
        tokio::time::sleep(PAUSE).await;
        Ok(at)
    }

    async fn status(&self) -> Result<Value> {
        Ok(self.shop.api.get(&self.path()).await?["status"].clone())
    }
}

/// What a run's status says of how it went.
fn told(status: &Value) -> String {
    let what = |one: &Value| one["what"].as_str().unwrap_or_default().to_owned();
    let story: Vec<String> = status["timeline"].as_array().into_iter().flatten().map(what).collect();
    format!("state {}, refusals {}, {}", status["state"], status["refusals"], story.join(", then "))
}
