//! Calls to the API server as the administrator; a refusal is an error here, for it means that nothing is measured.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use http::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::live::api::{Answer, Caller};

/// Between two questions for the same thing: often enough for what is not measured by them, and no burden.
const TICK: Duration = Duration::from_millis(25);

/// The administrator.
#[derive(Clone)]
pub(super) struct Api(Caller);

impl Api {
    pub(super) async fn administrator() -> Result<Self> {
        Ok(Self(Caller::administrator().await?))
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value> {
        whole(path, self.call(Method::GET, path, "application/json", &Value::Null).await?)
    }

    /// The same; `None` if there is nothing of that name.
    pub(super) async fn find(&self, path: &str) -> Result<Option<Value>> {
        let answer = self.call(Method::GET, path, "application/json", &Value::Null).await?;
        if answer.code == 404 { Ok(None) } else { whole(path, answer).map(Some) }
    }

    /// Returns the items of a list.
    pub(super) async fn list(&self, path: &str) -> Result<Vec<Value>> {
        Ok(self.get(path).await?["items"].as_array().cloned().unwrap_or_default())
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        whole(path, self.call(Method::POST, path, "application/json", body).await?)
    }

    pub(super) async fn merge(&self, path: &str, body: &Value) -> Result<Value> {
        whole(path, self.call(Method::PATCH, path, "application/merge-patch+json", body).await?)
    }

    /// Deletes one object, or all of a list; what is not there is fine.
    pub(super) async fn delete(&self, path: &str) -> Result<()> {
        let options = json!({ "propagationPolicy": "Background" });
        let answer = self.call(Method::DELETE, path, "application/json", &options).await?;
        if answer.code == 404 { Ok(()) } else { whole(path, answer).map(drop) }
    }

    async fn call(&self, method: Method, path: &str, kind: &str, body: &Value) -> Result<Answer> {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.0.exchange(method, path, kind, bytes).await
    }
}

fn whole(path: &str, answer: Answer) -> Result<Value> {
    ensure!((200..300).contains(&answer.code), "{path}: {} {}", answer.code, answer.body["message"]);
    Ok(answer.body)
}

/// Asks again until the answer is yes.
pub(super) async fn until(limit: Duration, what: &str, mut ask: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + limit;
    while !ask().await? {
        if Instant::now() >= end {
            bail!("after {} s not yet: {what}", limit.as_secs());
        }
        sleep(TICK).await;
    }
    Ok(())
}
