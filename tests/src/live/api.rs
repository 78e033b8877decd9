//! Requests to the API server, with the answer as it came: a test is about codes and messages.
//!
//! Nothing is retried and nothing is taken for an error here.
#![expect(clippy::expect_used, reason = "a test stops where nobody answers")]

use std::fmt;

use anyhow::{Context as _, Result};
use http::{Method, Request};
use kube::client::Body;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

/// Where the kinds of ours live.
pub const RUMPUS: &str = "/apis/rumpus.dev/v1alpha1";

/// How a body is meant.
#[derive(Debug, Clone, Copy)]
pub enum Patch {
    Merge,
    Apply,
}

/// What the API server said.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub body: Value,
}

impl Answer {
    fn text(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }

    /// Requires success.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!((200..300).contains(&self.code), "expected success, got {}: {}", self.code, self.text());
        self.body
    }

    /// Requires this refusal, and that its message contains each of `parts`.
    #[track_caller]
    pub fn refused(self, code: u16, parts: &[&str]) {
        assert_eq!(
            self.code,
            code,
            "the message: {} {}",
            self.text(),
            if self.code < 300 { "(it was done)" } else { "" }
        );
        for part in parts {
            assert!(self.text().contains(part), "{part:?} is not in the message: {}", self.text());
        }
    }

    /// Requires that a role, and not a rule of admission, says no.
    #[track_caller]
    pub fn refused_by_role(self) {
        assert_eq!(self.code, 403, "the message: {}", self.text());
        assert!(self.text().contains(" cannot "), "not a role's refusal: {}", self.text());
        assert!(!self.text().contains("ValidatingAdmissionPolicy"), "not a role's refusal: {}", self.text());
    }
}

/// Somebody who asks.
#[derive(Clone)]
pub struct Caller {
    client: Client,
    headers: Vec<(&'static str, String)>,
}

/// Nothing of it is shown: its headers may carry a token.
impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Caller")
    }
}

impl Caller {
    /// The administrator, from `RUMPUS_KUBECONFIG`.
    pub async fn administrator() -> Result<Self> {
        Ok(Self { client: Client::try_from(config().await?)?, headers: Vec::new() })
    }

    /// Whoever holds this token.
    pub async fn holder(token: &str) -> Result<Self> {
        let mut config = config().await?;
        config.auth_info = AuthInfo { token: Some(token.into()), ..AuthInfo::default() };
        Ok(Self { client: Client::try_from(config)?, headers: Vec::new() })
    }

    /// The administrator in the name of a user who is in these groups.
    pub fn impersonate(&self, user: &str, groups: &[&str]) -> Self {
        let mut headers = vec![("Impersonate-User", user.to_owned())];
        headers.extend(groups.iter().map(|group| ("Impersonate-Group", (*group).to_owned())));
        Self { client: self.client.clone(), headers }
    }

    /// A person who has logged in.
    pub fn person(&self, name: &str) -> Self {
        self.impersonate(name, &["system:authenticated"])
    }

    /// Returns what it asks with.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, "application/json", &Value::Null).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, "application/json", body).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, "application/json", body).await
    }

    pub async fn merge(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PATCH, path, "application/merge-patch+json", body).await
    }

    /// Server-side apply.
    pub async fn apply(&self, path: &str, body: &Value) -> Answer {
        let mark = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{mark}fieldManager=cluster-tests&force=true");
        self.send(Method::PATCH, &path, "application/apply-patch+yaml", body).await
    }

    pub async fn patch(&self, how: Patch, path: &str, body: &Value) -> Answer {
        match how {
            Patch::Merge => self.merge(path, body).await,
            Patch::Apply => self.apply(path, body).await,
        }
    }

    /// Deletes, with these options (`Null`: none).
    pub async fn delete(&self, path: &str, options: &Value) -> Answer {
        self.send(Method::DELETE, path, "application/json", options).await
    }

    /// Deletes a pod that no kubelet will say farewell to.
    pub async fn remove(&self, path: &str) -> Answer {
        self.delete(path, &json!({ "gracePeriodSeconds": 0, "propagationPolicy": "Background" })).await
    }

    async fn send(&self, method: Method, path: &str, kind: &str, body: &Value) -> Answer {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.exchange(method, path, kind, bytes).await.expect("the API server answers")
    }

    /// Creates from text of a media type.
    ///
    /// # Panics
    /// If the API server does not answer.
    pub async fn post_text(&self, path: &str, kind: &str, text: &str) -> Answer {
        self.exchange(Method::POST, path, kind, text.as_bytes().to_vec()).await.expect("the API server answers")
    }

    /// Sends one request of any kind.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn exchange(&self, method: Method, path: &str, kind: &str, bytes: Vec<u8>) -> Result<Answer> {
        let mut request = Request::builder().method(method).uri(path).header("Content-Type", kind);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let response = self.client.send(request.body(Body::from(bytes))?).await.context(path.to_owned())?;
        let code = response.status().as_u16();
        let bytes = response.into_body().collect_bytes().await.context("read the answer")?;
        // Before authentication some answers are plain text.
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_plain| json!({ "message": String::from_utf8_lossy(&bytes) }));
        Ok(Answer { code, body })
    }
}

async fn config() -> Result<Config> {
    let file = std::env::var_os("RUMPUS_KUBECONFIG")
        .context("RUMPUS_KUBECONFIG names no kubeconfig; run `cargo xtask test --only cluster`")?;
    Ok(Config::from_custom_kubeconfig(Kubeconfig::read_from(file)?, &KubeConfigOptions::default()).await?)
}
