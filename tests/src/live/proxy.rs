//! Stands between a controller and the API server, and lets what it is told to go wrong.
//!
//! It passes every request on as it came, with the rights of one token, and streams what watches say.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use http::{Method, StatusCode, header};
use kube::Client;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The largest request that is passed on.
const LARGEST: usize = 4 << 20;
/// A client gives up before this: an answer that is lost never comes.
const NEVER: Duration = Duration::from_secs(60);

/// What is done with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The API server never sees it.
    LoseRequest,
    /// It is carried out, and the answer never comes.
    LoseReply,
    /// It is answered with this status, and not carried out.
    Answer(u16),
    /// It is held back this long before it is passed on.
    Hold(Duration),
}

/// What is to go wrong with the next request of a kind.
#[derive(Debug, Clone)]
pub struct Rule {
    pub method: Method,
    /// Part of its path, or of its query.
    pub path: String,
    pub fate: Fate,
}

/// A write that was passed on, and the status that it got.
#[derive(Debug, Clone)]
pub struct Write {
    pub method: Method,
    pub path: String,
    pub body: String,
    pub code: u16,
}

#[derive(Debug, Default)]
struct Shared {
    rules: Mutex<VecDeque<Rule>>,
    writes: Mutex<Vec<Write>>,
}

/// A proxy that listens on loopback until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl Proxy {
    /// Starts one that speaks with the rights of `client`.
    ///
    /// # Errors
    /// If no port is free.
    pub async fn start(client: Client) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("listen on loopback")?;
        let address = listener.local_addr().context("read the own address")?;
        let shared = Arc::new(Shared::default());
        let state = (client, Arc::clone(&shared));
        let routes = Router::new().fallback(pass).with_state(state);
        let server = tokio::spawn(async move { drop(axum::serve(listener, routes).await) });
        Ok(Self { address, shared, server })
    }

    /// Adds what is to go wrong; each rule counts for one request, the first that fits.
    pub fn spoil(&self, rules: impl IntoIterator<Item = Rule>) {
        self.shared.rules.lock().unwrap_or_else(PoisonError::into_inner).extend(rules);
    }

    /// Returns the rules that no request has met yet.
    pub fn left(&self) -> Vec<Rule> {
        self.shared.rules.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Returns every write that the API server has answered, the first one first.
    pub fn writes(&self) -> Vec<Write> {
        self.shared.writes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    fn fate(&self, method: &Method, path: &str) -> Option<Fate> {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let at = rules.iter().position(|rule| rule.method == *method && path.contains(&rule.path))?;
        rules.remove(at).map(|rule| rule.fate)
    }
}

/// Carried out to its end even if whoever asked is gone by then: a request that is on its way does not come back.
async fn pass(State((client, shared)): State<(Client, Arc<Shared>)>, request: Request) -> Response {
    tokio::spawn(carry(client, shared, request)).await.unwrap_or_else(|_panicked| status(500))
}

async fn carry(client: Client, shared: Arc<Shared>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or_else(String::new, ToString::to_string);
    let fate = shared.fate(&parts.method, &path);
    match fate {
        Some(Fate::LoseRequest) => tokio::time::sleep(NEVER).await,
        Some(Fate::Answer(code)) => return status(code),
        Some(Fate::Hold(time)) => tokio::time::sleep(time).await,
        Some(Fate::LoseReply) | None => {}
    }
    let Ok(bytes) = to_bytes(body, LARGEST).await else { return status(413) };
    // The client adds its own.
    for name in [header::AUTHORIZATION, header::HOST, header::CONTENT_LENGTH, header::CONNECTION] {
        parts.headers.remove(name);
    }
    parts.uri = path.parse().unwrap_or_default();
    parts.version = http::Version::HTTP_11;
    let (method, text) = (parts.method.clone(), String::from_utf8_lossy(&bytes).into_owned());
    let forwarded = http::Request::from_parts(parts, kube::client::Body::from(bytes.to_vec()));
    let Ok(answer) = client.send(forwarded).await else { return status(502) };
    if method != Method::GET {
        let write = Write { method, path, body: text, code: answer.status().as_u16() };
        shared.writes.lock().unwrap_or_else(PoisonError::into_inner).push(write);
    }
    if fate == Some(Fate::LoseReply) {
        tokio::time::sleep(NEVER).await;
    }
    answer.map(Body::new)
}

/// An answer as the API server gives it.
fn status(code: u16) -> Response {
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let reason = match code.as_u16() {
        409 => "Conflict",
        410 => "Expired",
        429 => "TooManyRequests",
        _ => "InternalError",
    };
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "the proxy says no", "reason": reason, "code": code.as_u16(),
    });
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}
