//! The server for health checks and metrics.
//!
//! `/healthz` says that the process does its work and need not be started anew, `/readyz` that it can take events, `/metrics` counts (OpenMetrics text).

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::run::metrics::Metrics;

/// A bound health server.
#[derive(Debug)]
pub(crate) struct HealthServer {
    listener: TcpListener,
}

impl HealthServer {
    /// Takes the address, so that a port in use is known before anything starts.
    pub(crate) async fn bind(address: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address).await.with_context(|| {
            format!("cannot listen on {address} for health checks and metrics; choose another address with health.listen")
        })?;
        Ok(Self { listener })
    }

    /// The address in use.
    pub(crate) fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown`.
    pub(crate) async fn serve(self, metrics: Arc<Metrics>, shutdown: CancellationToken) {
        let routes = Router::new()
            .route("/healthz", get(liveness))
            .route("/readyz", get(readiness))
            .route("/metrics", get(exposition))
            .with_state(metrics);
        let served = axum::serve(self.listener, routes)
            .with_graceful_shutdown(shutdown.cancelled_owned())
            .await;
        if let Err(error) = served {
            tracing::error!(%error, "the health server stopped");
        }
    }
}

async fn liveness(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    answer(metrics.broken().map(str::to_owned))
}

async fn readiness(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    answer(metrics.not_ready())
}

fn answer(trouble: Option<String>) -> impl IntoResponse {
    match trouble {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

async fn exposition(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match metrics.encode() {
        Ok(text) => (StatusCode::OK, [(header::CONTENT_TYPE, TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}
