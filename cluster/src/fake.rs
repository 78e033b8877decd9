//! An API server for the tests of adapters: it answers what a test tells it, and keeps what it was asked.
//!
//! It judges nothing: no roles, no admission, no schema. What depends on those is tried on a real one.

use crate::api::Cluster;
use http::{Method, Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tower::BoxError;

/// What was asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    pub method: Method,
    pub path: String,
    pub query: String,
    /// Null where there was none.
    pub body: Value,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// 200 with this object.
    Object(Value),
    /// This code with a Status of this reason and message.
    Status(u16, &'static str, String),
    /// A watch that says these events and ends.
    Events(Vec<Value>),
    /// Nothing, for ever.
    Silence,
    /// The connection breaks.
    Broken,
}

/// The calls so far, in their order.
#[derive(Clone, Debug, Default)]
pub struct Calls(Arc<Mutex<Vec<Asked>>>);

impl Calls {
    /// Returns a copy of what was asked so far.
    pub fn all(&self) -> Vec<Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Starts a server in this process; needs a tokio runtime.
pub fn server(limit: Duration, answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> (Cluster, Calls) {
    let calls = Calls::default();
    let kept = calls.clone();
    let answer = Arc::new(answer);
    let service = tower::service_fn(move |request: Request<Body>| {
        let (kept, answer) = (kept.clone(), Arc::clone(&answer));
        async move {
            let asked = asked(request).await?;
            let answer = answer(&asked);
            kept.0.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
            respond(answer).await
        }
    });
    (Cluster::new(Client::new(service, "default"), limit), calls)
}

async fn asked(request: Request<Body>) -> Result<Asked, BoxError> {
    let (parts, body) = request.into_parts();
    let bytes = body.collect_bytes().await?;
    let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes)? };
    let query = parts.uri.query().unwrap_or_default().to_owned();
    Ok(Asked { method: parts.method, path: parts.uri.path().to_owned(), query, body })
}

async fn respond(answer: Answer) -> Result<Response<Body>, BoxError> {
    let (code, text) = match answer {
        Answer::Object(object) => (200, object.to_string()),
        Answer::Status(code, reason, message) => {
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
                                "reason": reason, "message": message});
            (code, status.to_string())
        }
        Answer::Events(events) => (200, events.iter().map(|event| format!("{event}\n")).collect()),
        Answer::Silence => std::future::pending().await,
        Answer::Broken => return Err("the connection broke".into()),
    };
    Ok(Response::builder().status(StatusCode::from_u16(code)?).body(Body::from(text.into_bytes()))?)
}
