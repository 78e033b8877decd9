//! Requests to the API server, with the answer as it came: a test is about codes and messages.
//!
//! Nothing is retried and nothing is taken for an error here.

use anyhow::{Context as _, Result};
use http::{Method, Request};
use kube::client::Body;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

/// Where the kinds of ours live.
pub(crate) const RUMPUS: &str = "/apis/rumpus.dev/v1alpha1";

/// How a body is meant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Patch {
    Merge,
    Apply,
}

/// What the API server said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) body: Value,
}

impl Answer {
    fn text(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }

    /// Requires success.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert!((200..300).contains(&self.code), "expected success, got {}: {}", self.code, self.text());
        self.body
    }

    /// Requires this refusal, and that its message contains each of `parts`.
    #[track_caller]
    pub(crate) fn refused(self, code: u16, parts: &[&str]) {
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
    pub(crate) fn refused_by_role(self) {
        assert_eq!(self.code, 403, "the message: {}", self.text());
        assert!(self.text().contains(" cannot "), "not a role's refusal: {}", self.text());
        assert!(!self.text().contains("ValidatingAdmissionPolicy"), "not a role's refusal: {}", self.text());
    }
}

/// Somebody who asks.
#[derive(Clone)]
pub(crate) struct Caller {
    client: Client,
    headers: Vec<(&'static str, String)>,
}

impl Caller {
    /// The administrator, from `RUMPUS_KUBECONFIG`.
    pub(crate) async fn administrator() -> Result<Self> {
        Ok(Self { client: Client::try_from(config().await?)?, headers: Vec::new() })
    }

    /// Whoever holds this token.
    pub(crate) async fn holder(token: &str) -> Result<Self> {
        let mut config = config().await?;
        config.auth_info = AuthInfo { token: Some(token.into()), ..AuthInfo::default() };
        Ok(Self { client: Client::try_from(config)?, headers: Vec::new() })
    }

    /// The administrator in the name of a user who is in these groups.
    pub(crate) fn impersonate(&self, user: &str, groups: &[&str]) -> Self {
        let mut headers = vec![("Impersonate-User", user.to_owned())];
        headers.extend(groups.iter().map(|group| ("Impersonate-Group", (*group).to_owned())));
        Self { client: self.client.clone(), headers }
    }

    /// A person who has logged in.
    pub(crate) fn person(&self, name: &str) -> Self {
        self.impersonate(name, &["system:authenticated"])
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, "application/json", &Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, "application/json", body).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, "application/json", body).await
    }

    pub(crate) async fn merge(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PATCH, path, "application/merge-patch+json", body).await
    }

    /// Server-side apply.
    pub(crate) async fn apply(&self, path: &str, body: &Value) -> Answer {
        let mark = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{mark}fieldManager=admission-tests&force=true");
        self.send(Method::PATCH, &path, "application/apply-patch+yaml", body).await
    }

    pub(crate) async fn patch(&self, how: Patch, path: &str, body: &Value) -> Answer {
        match how {
            Patch::Merge => self.merge(path, body).await,
            Patch::Apply => self.apply(path, body).await,
        }
    }

    /// Deletes, with these options (`Null`: none).
    pub(crate) async fn delete(&self, path: &str, options: &Value) -> Answer {
        self.send(Method::DELETE, path, "application/json", options).await
    }

    /// Deletes a pod that no kubelet will say farewell to.
    pub(crate) async fn remove(&self, path: &str) -> Answer {
        self.delete(path, &json!({ "gracePeriodSeconds": 0, "propagationPolicy": "Background" })).await
    }

    async fn send(&self, method: Method, path: &str, kind: &str, body: &Value) -> Answer {
        self.exchange(method, path, kind, body).await.expect("the API server answers")
    }

    async fn exchange(&self, method: Method, path: &str, kind: &str, body: &Value) -> Result<Answer> {
        let mut request = Request::builder().method(method).uri(path).header("Content-Type", kind);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let bytes = if body.is_null() { Vec::new() } else { serde_json::to_vec(body)? };
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
        .context("RUMPUS_KUBECONFIG names no kubeconfig; run `cargo xtask test --only admission`")?;
    Ok(Config::from_custom_kubeconfig(Kubeconfig::read_from(file)?, &KubeConfigOptions::default()).await?)
}
