//! How long it took to find out who asks.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use kubevigil_gateway::answer::OwnBody;
use kubevigil_gateway::identity::{
    AuthenticateLayer, IdentityConfig, IdentityMode, TokenReviewConfig,
};
use kubevigil_record::auditing::{Auditing, wall_clock};
use kubevigil_record::layer::{Arrived, AuditLayer};
use kubevigil_record::request::RequestHead;
use kubevigil_record::sink::Sink;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tower_layer::Layer as _;

use crate::request::asking;
use crate::stack::{Kept, headers, impersonating, metadata, texts};
use crate::upstream::Upstream;

#[tokio::test]
async fn what_took_long_is_annotated() {
    let slow = |answer: Value| {
        Upstream::answering(move |_, _| {
            std::thread::sleep(Duration::from_millis(300));
            (201, answer.clone())
        })
    };
    let tokens =
        slow(json!({"status": {"authenticated": true, "user": {"username": "jane"}}})).await;
    let rights = slow(json!({"status": {"allowed": true}})).await;
    let config = IdentityConfig {
        mode: IdentityMode::Impersonate,
        token_review: Some(TokenReviewConfig::default()),
        ..IdentityConfig::default()
    };
    let kept = Arc::new(Kept::default());
    let auditing = Auditing::new(metadata(), Arc::clone(&kept) as Arc<dyn Sink>);
    let forward = tower::service_fn(async |_: Request<_>| {
        Ok::<_, Infallible>(Response::new(OwnBody::default()))
    });
    let audited =
        AuditLayer::new(Arc::clone(&auditing)).layer(impersonating(&rights).layer(forward));
    let authenticator = Arc::new(asking(&config, &tokens.reviewer()));
    let service = AuthenticateLayer::new(authenticator).layer(audited);
    let mut request = Request::get("/api/v1/pods")
        .body(OwnBody::default())
        .unwrap();
    *request.headers_mut() = headers(&texts(&[
        ("authorization", "Bearer t"),
        ("impersonate-user", "bob"),
    ]));
    let head = RequestHead::read("GET", "/api/v1/pods", request.headers(), None).unwrap();
    request.extensions_mut().insert(Arrived {
        head,
        at: wall_clock(),
    });
    service.oneshot(request).await.unwrap();
    auditing.drain().await;
    let events = kept.0.lock().unwrap();
    let names: Vec<&str> = events
        .last()
        .unwrap()
        .annotations
        .keys()
        .map(String::as_str)
        .collect();
    let expected = ["authentication", "impersonation", "total"];
    assert_eq!(
        names,
        expected.map(|part| format!("apiserver.latency.k8s.io/{part}"))
    );
}
