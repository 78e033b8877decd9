//! `/healthz`, `/readyz`, `/metrics`: read only, nothing about any object, no other route.

use super::metrics::Metrics;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What health is judged by.
#[derive(Debug)]
pub(crate) struct Health {
    pub(crate) metrics: Metrics,
    /// Milliseconds of the monotonic clock at which the loop last turned.
    pub(crate) turned: AtomicU64,
    /// Why it is not ready; empty when it is.
    pub(crate) unready: std::sync::Mutex<String>,
    pub(crate) clock: super::clock::Clock,
}

/// How long the loop may stand still: it turns at least once a second.
const STUCK: u64 = 30_000;

/// Serves until it is dropped.
///
/// # Errors
/// The socket broke.
pub(crate) async fn serve(listener: tokio::net::TcpListener, health: Arc<Health>) -> std::io::Result<()> {
    let app = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(health);
    axum::serve(listener, app).await
}

async fn healthz(State(health): State<Arc<Health>>) -> (StatusCode, &'static str) {
    let age = health.clock.millis().saturating_sub(health.turned.load(Ordering::Relaxed));
    if age > STUCK { (StatusCode::INTERNAL_SERVER_ERROR, "stuck\n") } else { (StatusCode::OK, "ok\n") }
}

async fn readyz(State(health): State<Arc<Health>>) -> (StatusCode, String) {
    let why = health.unready.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    if why.is_empty() { (StatusCode::OK, "ok\n".into()) } else { (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")) }
}

async fn metrics(State(health): State<Arc<Health>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], health.metrics.text())
}
