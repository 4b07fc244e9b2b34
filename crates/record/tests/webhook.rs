//! The webhook backend against a real server on loopback that answers by a script (spec 11).

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kubevigil_kubeconfig::Access;
use kubevigil_record::event::AuditEvent;
use kubevigil_record::sink::{ErrorCounters, Sink as _};
use kubevigil_record::webhook::{INITIAL_BACKOFF, Waits, WebhookSink};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A receiver: it answers each request with the next head of its script, and hangs up where there is none.
struct Receiver {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    async fn start(script: Vec<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        tokio::spawn(async move {
            let mut script = script.into_iter();
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = read_request(&mut stream).await;
                kept.lock().unwrap().push(request);
                let Some(head) = script.next().filter(|head| !head.is_empty()) else {
                    continue;
                };
                let answer =
                    format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.split_once("content-length: ").map_or(0, |(_, rest)| {
                rest.split("\r\n").next().unwrap().parse::<usize>().unwrap()
            });
            if body.len() >= length {
                return text;
            }
        }
        let mut part = [0; 4096];
        let count = stream.read(&mut part).await.unwrap();
        if count == 0 {
            return text;
        }
        bytes.extend_from_slice(&part[..count]);
    }
}

/// Notes the waits and does not wait.
#[derive(Clone, Default)]
struct Noted(Arc<Mutex<Vec<f64>>>);

#[async_trait]
impl Waits for Noted {
    async fn wait(&self, time: Duration) {
        self.0.lock().unwrap().push(time.as_secs_f64());
    }
}

struct Outcome {
    kept: Result<(), String>,
    requests: Vec<String>,
    waits: Vec<f64>,
    lost: u64,
}

async fn send(script: Vec<&'static str>, events: &[Arc<AuditEvent>]) -> Outcome {
    let receiver = Receiver::start(script).await;
    let counters = Arc::new(ErrorCounters::default());
    let server = format!("http://{}/k8s_audit/?ignored=1", receiver.address);
    let access = Access::direct(&server, None).unwrap();
    let waits = Noted::default();
    let sink = WebhookSink::from_access(&access, INITIAL_BACKOFF, Arc::clone(&counters))
        .unwrap()
        .waiting(waits.clone());
    let kept = sink.emit(events).await.map_err(|error| error.to_string());
    Outcome {
        kept,
        requests: receiver.requests(),
        waits: waits.0.lock().unwrap().clone(),
        lost: counters.get("webhook"),
    }
}

fn event(id: &str) -> Arc<AuditEvent> {
    Arc::new(AuditEvent {
        audit_id: id.to_owned(),
        ..AuditEvent::default()
    })
}

#[tokio::test]
async fn a_batch_is_one_list_that_is_posted() {
    let outcome = send(vec!["200 OK"], &[event("a"), event("b")]).await;
    assert_eq!(outcome.kept, Ok(()));
    let [request] = outcome.requests.as_slice() else {
        panic!("{:?}", outcome.requests);
    };
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("POST /k8s_audit?timeout=30s HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(
        head.contains("\r\ncontent-type: application/json\r\n"),
        "{head}"
    );
    assert!(
        head.contains("\r\naccept: application/json, */*\r\n"),
        "{head}"
    );
    assert!(body.starts_with(r#"{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[{"level":"","auditID":"a","#), "{body}");
    assert!(body.ends_with("}]}\n"), "{body}");
}

#[tokio::test]
async fn every_failure_is_tried_again_four_times_and_longer_each_time() {
    let script = vec![
        "400 Bad Request",
        "",
        "503 Busy",
        "302 Found",
        "200 OK\r\nContent-Type: a b",
    ];
    let outcome = send(script, &[event("a"), event("b")]).await;
    assert_eq!(
        outcome.kept,
        Err("webhook: the answer 200 has a Content-Type that is none".to_owned())
    );
    assert_eq!((outcome.requests.len(), outcome.lost), (5, 2));
    let shortest = [10.0, 15.0, 22.5, 33.75];
    assert_eq!(outcome.waits.len(), shortest.len());
    for (wait, shortest) in outcome.waits.iter().zip(shortest) {
        assert!(
            (shortest..=shortest * 1.2).contains(wait),
            "{:?}",
            outcome.waits
        );
    }
    let body = |request: &String| request.split_once("\r\n\r\n").unwrap().1.to_owned();
    let bodies: Vec<String> = outcome.requests.iter().map(body).collect();
    assert!(
        bodies.iter().all(|body| *body == bodies[0]),
        "the same batch every time"
    );
}

#[tokio::test]
async fn a_batch_that_is_taken_at_last_is_not_lost() {
    let outcome = send(
        vec!["500 No", "", "429 Slow", "204 No Content"],
        &[event("a")],
    )
    .await;
    assert_eq!(
        (outcome.kept, outcome.requests.len(), outcome.lost),
        (Ok(()), 4, 0)
    );
}

#[tokio::test]
async fn retry_after_is_obeyed_within_a_try_ten_times() {
    let busy = "503 Busy\r\nRetry-After: 7";
    let mut script = vec![busy; 11];
    script.push("200 OK");
    let outcome = send(script, &[event("a")]).await;
    assert_eq!((outcome.kept, outcome.requests.len()), (Ok(()), 12));
    assert_eq!(outcome.waits[..10], [7.0; 10]);
    assert!(
        (10.0..=12.0).contains(&outcome.waits[10]),
        "{:?}",
        outcome.waits
    );
}

#[tokio::test]
async fn an_event_that_cannot_be_written_does_not_cost_the_others() {
    let bad = AuditEvent {
        request_object: Some("a: yaml".into()),
        ..AuditEvent::default()
    };
    let outcome = send(vec!["200 OK"], &[Arc::new(bad.clone()), event("b")]).await;
    assert!(outcome.kept.is_err());
    assert!(outcome.requests[0].contains(r#""items":[{"level":"","auditID":"b","#));
    assert_eq!(outcome.lost, 1);
    let outcome = send(vec![], &[Arc::new(bad)]).await;
    assert_eq!((outcome.requests.len(), outcome.lost), (0, 1));
}
