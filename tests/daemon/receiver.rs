//! A server that takes alerts, as falcosidekick or a chat's webhook does.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::Value;
use tokio::runtime::Runtime;

/// What the server does with requests.
#[derive(Clone, Copy)]
pub(crate) enum Mode {
    Take,
    TakeAfter(Duration),
    Refuse(StatusCode),
}

/// A server on a port of its own.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    _runtime: Runtime,
}

struct Shared {
    mode: Mutex<Mode>,
    alerts: Mutex<Vec<Value>>,
    refusals: Mutex<usize>,
}

impl Receiver {
    /// Starts to listen.
    pub(crate) fn new(mode: Mode) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let shared = Arc::new(Shared {
            mode: Mutex::new(mode),
            alerts: Mutex::default(),
            refusals: Mutex::default(),
        });
        let routes = Router::new()
            .route("/alerts", post(receive))
            .with_state(Arc::clone(&shared));
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, routes).await });
        Self {
            address,
            shared,
            _runtime: runtime,
        }
    }

    /// Where alerts are posted to.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/alerts", self.address)
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.shared.mode.lock().unwrap() = mode;
    }

    /// The alerts that were taken, in order.
    pub(crate) fn alerts(&self) -> Vec<Value> {
        self.shared.alerts.lock().unwrap().clone()
    }

    /// How many requests were refused.
    pub(crate) fn refusals(&self) -> usize {
        *self.shared.refusals.lock().unwrap()
    }
}

async fn receive(State(shared): State<Arc<Shared>>, body: String) -> StatusCode {
    let mode = *shared.mode.lock().unwrap();
    match mode {
        Mode::Refuse(status) => {
            *shared.refusals.lock().unwrap() += 1;
            return status;
        }
        Mode::TakeAfter(wait) => tokio::time::sleep(wait).await,
        Mode::Take => {}
    }
    let mut alerts = shared.alerts.lock().unwrap();
    match serde_json::from_str(&body).unwrap() {
        Value::Array(batch) => alerts.extend(batch),
        alert => alerts.push(alert),
    }
    StatusCode::OK
}
