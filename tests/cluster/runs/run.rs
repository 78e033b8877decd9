//! One ChaosRun and what becomes of it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use rumpus_tests::live::api::{Answer, RUMPUS};
pub(crate) use rumpus_tests::live::objects::{experiment, partition};

use super::shop::Shop;
use crate::site::within;

/// How long a step of a run may take on a busy machine; promises have bounds of their own.
const STEP: Duration = Duration::from_secs(30);

/// A run.
pub(crate) struct Run<'a> {
    shop: &'a Shop,
    pub(crate) name: String,
    pub(crate) path: String,
}

impl Shop {
    /// Returns the path of a collection of ours in this namespace.
    pub(crate) fn ours(&self, plural: &str) -> String {
        format!("{RUMPUS}/namespaces/{}/{plural}", self.namespace)
    }

    /// Asks for a run, armed.
    pub(crate) async fn ask(&self, name: &str, experiment: &Value) -> Answer {
        let mut run = crate::objects::run(name, experiment);
        run["spec"]["mode"] = json!("Armed");
        self.site.admin.post(&self.ours("chaosruns"), &run).await
    }

    /// Starts a run, armed.
    pub(crate) async fn start(&self, name: &str, experiment: &Value) -> Run<'_> {
        self.ask(name, experiment).await.ok();
        self.run(name)
    }

    /// Names a run that somebody else started.
    pub(crate) fn run(&self, name: &str) -> Run<'_> {
        Run { shop: self, name: name.to_owned(), path: format!("{}/{name}", self.ours("chaosruns")) }
    }

    /// Returns the Injections of this namespace.
    pub(crate) async fn injections(&self) -> Vec<Value> {
        let list = self.site.admin.get(&self.ours("chaosinjections")).await.ok();
        list["items"].as_array().cloned().unwrap_or_default()
    }
}

impl Run<'_> {
    pub(crate) async fn status(&self) -> Value {
        self.shop.site.admin.get(&self.path).await.ok()["status"].clone()
    }

    /// Waits until every target is in effect, as the status says.
    pub(crate) async fn in_effect(&self) {
        let in_effect = |status: &Value| {
            assert_ne!(status["state"], "Finished", "it ended before it was in effect: {status:#}");
            status["state"] == "Running"
        };
        self.until(STEP, in_effect).await;
    }

    /// Waits until it has finished and every node attests the end, and returns the status.
    pub(crate) async fn over(&self) -> Value {
        self.over_within(STEP).await
    }

    /// The same with a bound of its own.
    pub(crate) async fn over_within(&self, limit: Duration) -> Value {
        self.until(limit, |status| status["state"] == "Finished" && status["confirmation"] == "Confirmed").await
    }

    /// Waits until it has finished, confirmed or not, and returns the status.
    pub(crate) async fn finished_within(&self, limit: Duration) -> Value {
        self.until(limit, |status| status["state"] == "Finished").await
    }

    /// Waits until it is refused, when there is no end that a node could attest, and returns the status.
    pub(crate) async fn refused(&self) -> Value {
        let status = self.finished_within(STEP).await;
        assert_eq!(status["verdict"], "Refused", "{status:#}");
        assert!(status["confirmation"].is_null(), "it confirms an end of nothing: {status:#}");
        status
    }

    async fn until(&self, limit: Duration, wanted: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let status = self.status().await;
            if wanted(&status) {
                return status;
            }
            assert!(began.elapsed() < limit, "run {} is not there yet: {status:#}", self.name);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Asks it to stop.
    pub(crate) async fn stop(&self) {
        self.shop.site.admin.merge(&self.path, &json!({ "spec": { "stop": true } })).await.ok();
    }

    /// Deletes it and waits until it is gone, so that its name is free again.
    pub(crate) async fn remove(&self) {
        self.delete("Background").await;
        within(STEP, "the run is gone", async || self.shop.site.admin.get(&self.path).await.code == 404).await;
    }

    /// Deletes it in one of the three ways.
    pub(crate) async fn delete(&self, how: &str) {
        self.shop.site.admin.delete(&self.path, &json!({ "propagationPolicy": how })).await.ok();
    }
}
