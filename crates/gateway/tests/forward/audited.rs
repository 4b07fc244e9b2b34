//! What the events say of tunnels and of answers that break off.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use kubevigil_audit::event::Stage;
use kubevigil_audit::policy::PolicyFile;
use kubevigil_gateway::forward::Forward;
use kubevigil_record::auditing::Auditing;
use kubevigil_record::auditor::OUTCOME;
use kubevigil_record::layer::{AuditLayer, AuditService};
use kubevigil_record::sink::{Events, Sink, SinkError};
use tower_layer::Layer as _;

use crate::wire::{Between, Wanted};

/// Keeps stage and code of each event, and what the last one says of the outcome.
#[derive(Default)]
struct Stages(Mutex<Vec<(Stage, u16)>>, Mutex<Option<String>>);

#[async_trait]
impl Sink for Stages {
    fn name(&self) -> String {
        "stages".to_owned()
    }

    async fn emit(&self, events: Events<'_>) -> Result<(), SinkError> {
        let code = |status: &Option<_>| {
            let status: Option<&kubevigil_record::event::ResponseStatus> = status.as_ref();
            status.map_or(0, |status| status.code)
        };
        let seen = events
            .iter()
            .map(|event| (event.stage.clone(), code(&event.response_status)));
        self.0.lock().unwrap().extend(seen);
        let last = events
            .last()
            .and_then(|event| event.annotations.get(OUTCOME));
        *self.1.lock().unwrap() = last.cloned();
        Ok(())
    }
}

impl Stages {
    fn seen(&self) -> Vec<(Stage, u16)> {
        self.0.lock().unwrap().clone()
    }

    fn outcome(&self) -> Option<String> {
        self.1.lock().unwrap().clone()
    }
}

async fn audited() -> (Between, Arc<Auditing>, Arc<Stages>) {
    let text = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n";
    let policy = PolicyFile::read("policy.yaml", text).policy.unwrap();
    let stages = Arc::new(Stages::default());
    let auditing = Auditing::new(policy, Arc::clone(&stages) as Arc<dyn Sink>);
    let layer = AuditLayer::new(Arc::clone(&auditing));
    let around = |forward: Forward| -> AuditService<Forward> { layer.layer(forward) };
    let between = Between::inside(Wanted::default(), around).await;
    (between, auditing, stages)
}

#[tokio::test]
async fn the_last_event_of_a_tunnel_comes_at_its_end() {
    let (between, auditing, stages) = audited().await;
    let request = "GET /api/v1/namespaces/a/pods/b/exec?command=sh HTTP/1.1\r\nhost: g\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
    let mut client = between.client(request).await;
    let mut server = between.accept().await;
    server.head().await;
    server
        .send("HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\nhello")
        .await;
    client.until("hello").await;
    assert!(client.is_silent().await);
    let begun = [(Stage::RequestReceived, 0), (Stage::ResponseStarted, 101)];
    assert_eq!(stages.seen(), begun);
    drop(server);
    client.rest().await;
    drop(client);
    auditing.settle().await;
    assert_eq!(stages.seen()[2..], [(Stage::ResponseComplete, 101)]);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_a_panic() {
    for target in ["/api/v1/pods", "/api/v1/pods?watch=true"] {
        let (between, auditing, stages) = audited().await;
        let mut client = between
            .client(&format!("GET {target} HTTP/1.1\r\nhost: g\r\n\r\n"))
            .await;
        let mut server = between.accept().await;
        server.head().await;
        server
            .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
            .await;
        client.until("hello").await;
        server.reset();
        client.rest().await;
        auditing.settle().await;
        assert_eq!(stages.seen().last(), Some(&(Stage::Panic, 500)), "{target}");
    }
}

#[tokio::test]
async fn an_upstream_that_never_answers_is_a_bad_gateway() {
    let (between, auditing, stages) = audited().await;
    let mut client = between
        .client("POST /api/v1/namespaces/a/pods HTTP/1.1\r\nhost: g\r\n\r\n")
        .await;
    let mut server = between.accept().await;
    server.head().await;
    server.reset();
    assert!(client.head().await.starts_with("HTTP/1.1 502"));
    auditing.settle().await;
    let expected = [(Stage::RequestReceived, 0), (Stage::ResponseComplete, 502)];
    assert_eq!(stages.seen(), expected);
    assert_eq!(stages.outcome().as_deref(), Some("unknown"));
}

#[tokio::test]
async fn a_time_out_leaves_open_what_the_server_does_unless_it_is_that_of_a_pod() {
    let cases = [
        (
            "/api/v1/namespaces/a/pods",
            "504 Gateway Timeout",
            Some("unknown"),
        ),
        (
            "/api/v1/namespaces/a/pods",
            "500 Internal Server Error",
            None,
        ),
        (
            "/api/v1/namespaces/a/pods/b/proxy/",
            "504 Gateway Timeout",
            None,
        ),
    ];
    for (target, answer, expected) in cases {
        let (between, auditing, stages) = audited().await;
        let mut client = between
            .client(&format!("POST {target} HTTP/1.1\r\nhost: g\r\n\r\n"))
            .await;
        let mut server = between.accept().await;
        server.head().await;
        server
            .send(&format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n"))
            .await;
        client.head().await;
        auditing.settle().await;
        assert_eq!(stages.outcome().as_deref(), expected, "{target} {answer}");
    }
}
