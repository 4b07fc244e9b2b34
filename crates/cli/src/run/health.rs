//! The server for health checks and metrics.
//!
//! `/healthz` says that the process does its work and need not be started anew, `/readyz` that it can take events, `/metrics` counts (OpenMetrics text).

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use kubevigil_connections::{ListenError, listen};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What the server asks of the process that it speaks for.
pub(crate) trait Vitals: Send + Sync {
    /// Why the process must be started anew; `None` while it works.
    fn broken(&self) -> Option<String>;

    /// Why it cannot take anything now; `None` when it can.
    fn not_ready(&self) -> Option<String>;

    /// All metrics as OpenMetrics text.
    ///
    /// # Errors
    ///
    /// When they cannot be written as text, which none of ours is known to do.
    fn exposition(&self) -> Result<String, fmt::Error>;
}

/// A bound health server.
#[derive(Debug)]
pub(crate) struct HealthServer {
    listener: TcpListener,
    address: SocketAddr,
}

impl HealthServer {
    /// Takes the address, so that a port in use is known before anything starts. `setting` is where it can be changed.
    pub(crate) async fn bind(
        address: SocketAddr,
        setting: &'static str,
    ) -> Result<Self, ListenError> {
        let (listener, address) = listen(address, setting).await?;
        Ok(Self { listener, address })
    }

    /// The address in use.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`.
    pub(crate) async fn serve(self, vitals: Arc<dyn Vitals>, shutdown: CancellationToken) {
        let routes = Router::new()
            .route("/healthz", get(liveness))
            .route("/readyz", get(readiness))
            .route("/metrics", get(exposition))
            .with_state(vitals);
        let served = axum::serve(self.listener, routes)
            .with_graceful_shutdown(shutdown.cancelled_owned())
            .await;
        if let Err(error) = served {
            tracing::error!(%error, "the health server stopped");
        }
    }
}

async fn liveness(State(vitals): State<Arc<dyn Vitals>>) -> impl IntoResponse {
    answer(vitals.broken())
}

async fn readiness(State(vitals): State<Arc<dyn Vitals>>) -> impl IntoResponse {
    answer(vitals.not_ready())
}

fn answer(trouble: Option<String>) -> impl IntoResponse {
    match trouble {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

async fn exposition(State(vitals): State<Arc<dyn Vitals>>) -> impl IntoResponse {
    const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match vitals.exposition() {
        Ok(text) => (StatusCode::OK, [(header::CONTENT_TYPE, TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}
