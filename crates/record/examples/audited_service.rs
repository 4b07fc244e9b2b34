//! A small API server of its own, audited to standard output.
//!
//! `cargo run -p kubevigil-record --example audited_service`, and in another terminal
//! `curl -i localhost:8080/apis/shop.example.com/v1/namespaces/dev/orders/7`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Path, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use axum::{Router, serve};
use kubevigil_audit::policy::PolicyFile;
use kubevigil_record::auditing::Auditing;
use kubevigil_record::event::UserInfo;
use kubevigil_record::layer::{AuditLayer, Caller, PeerAddress};
use kubevigil_record::log::{LogOptions, LogSink};
use tokio::net::TcpListener;

const POLICY: &str = "
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- {level: None, nonResourceURLs: [/healthz]}
- {level: RequestResponse, verbs: [create, update, patch, delete]}
- {level: Metadata}
";

const ORDERS: &str = "/apis/shop.example.com/v1/namespaces/{namespace}/orders";
const ORDER: &str = "/apis/shop.example.com/v1/namespaces/{namespace}/orders/{name}";

async fn order(Path((namespace, name)): Path<(String, String)>) -> String {
    format!(r#"{{"kind":"Order","metadata":{{"namespace":"{namespace}","name":"{name}"}}}}"#)
}

/// Tells the layer who asks. This service believes everybody; take the name from a checked token instead.
async fn introduce(
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let name = request.headers().get("x-user");
    let name = name.and_then(|name| name.to_str().ok());
    if let Some(name) = name.map(ToOwned::to_owned) {
        let user = UserInfo {
            username: name,
            groups: vec!["system:authenticated".to_owned()],
            ..UserInfo::default()
        };
        request.extensions_mut().insert(Caller::Known(user));
    }
    request.extensions_mut().insert(PeerAddress(peer.ip()));
    next.run(request).await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let policy = PolicyFile::read("policy.yaml", POLICY).policy;
    let log = LogSink::open(&LogOptions::new("-"), Arc::default())?;
    let auditing = Auditing::new(policy.ok_or("the policy has mistakes")?, Arc::new(log));

    let service = Router::new()
        .route(
            ORDERS,
            get(async || r#"{"kind":"OrderList","items":[]}"#).post(async |body: String| body),
        )
        .route(ORDER, get(order))
        .route("/healthz", get(async || "ok"))
        .layer(AuditLayer::new(Arc::clone(&auditing)))
        .layer(from_fn(introduce))
        .into_make_service_with_connect_info::<SocketAddr>();
    let listener = TcpListener::bind("127.0.0.1:8080").await?;
    let stopped = async {
        // Without a signal handler it runs until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    serve(listener, service)
        .with_graceful_shutdown(stopped)
        .await?;
    auditing.drain().await;
    Ok(())
}
