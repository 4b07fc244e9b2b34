//! How fast the webhook takes batches when nothing slows it down: over loopback, with an intake that only counts.
//!
//! ```text
//! cargo run --release -p kubevigil-sources --example webhook_load -- [SECONDS] [CONNECTIONS] [BYTES OF AN EVENT]
//! ```
//!
//! Sender and server share the machine's cores, so the server alone is faster than the figure; the CPU time of the whole
//! process is printed beside it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "an example"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use kubevigil_sources::webhook::{Webhook, WebhookConfig};
use kubevigil_sources::{Batch, Intake, Refused};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

const EVENTS: usize = 400;

struct Nothing;

#[async_trait]
impl Intake for Nothing {
    async fn accept(&self, _: Batch) -> Result<(), Refused> {
        Ok(())
    }
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|text| text.parse::<usize>().unwrap());
    let time = Duration::from_secs(arguments.next().unwrap_or(5) as u64);
    let connections = arguments.next().unwrap_or(4);
    let request: Arc<[u8]> = request(arguments.next().unwrap_or(1700)).into();

    let config = WebhookConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        ..WebhookConfig::default()
    };
    let webhook = Webhook::bind(config).await.unwrap();
    let (address, counters) = (webhook.address(), webhook.counters());
    let stop = CancellationToken::new();
    let serving = tokio::spawn(webhook.serve(Arc::new(Nothing), stop.clone()));

    let start = Instant::now();
    let sending =
        (0..connections).map(|_| tokio::spawn(send(address, Arc::clone(&request), start + time)));
    let mut latencies = Vec::new();
    for sender in sending.collect::<Vec<_>>() {
        latencies.extend(sender.await.unwrap());
    }
    let elapsed = start.elapsed().as_secs_f64();
    stop.cancel();
    serving.await.unwrap();

    latencies.sort_unstable();
    let events = counters.source.events.get() as f64;
    let bytes = counters.source.bytes.get() as f64;
    println!(
        "{connections} connections, batches of {EVENTS} events, {} bytes each",
        request.len()
    );
    println!(
        "{:.0} events a second, {:.0} MB a second",
        events / elapsed,
        bytes / elapsed / 1e6
    );
    println!(
        "median {:?}, p99 {:?} a batch",
        latencies[latencies.len() / 2],
        latencies[latencies.len() * 99 / 100]
    );
    println!(
        "{:.0} events a second of CPU, sender included",
        events / cpu_seconds()
    );
}

async fn send(address: SocketAddr, request: Arc<[u8]>, end: Instant) -> Vec<Duration> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut latencies = Vec::new();
    let mut answer = [0; 1024];
    while Instant::now() < end {
        let start = Instant::now();
        stream.write_all(&request).await.unwrap();
        let read = stream.read(&mut answer).await.unwrap();
        assert!(
            answer[..read].starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&answer[..read])
        );
        latencies.push(start.elapsed());
    }
    latencies
}

fn request(size: usize) -> Vec<u8> {
    let head = r#"{"level":"RequestResponse","auditID":"b46cdb77-02a1-40f2-bc47-425a17747977","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/dev/pods","verb":"create","user":{"username":"system:serviceaccount:dev:ci-bot","groups":["system:serviceaccounts","system:authenticated"]},"sourceIPs":["10.0.0.7"],"objectRef":{"resource":"pods","namespace":"dev","apiVersion":"v1"},"requestReceivedTimestamp":"2026-11-23T05:12:20.801681Z","stageTimestamp":"2026-11-23T05:12:20.802196Z","requestObject":{"kind":"Pod""#;
    let mut event = head.to_owned();
    while event.len() + 40 < size {
        event.push_str(r#","label":{"name":"value","list":[1,2]}"#);
    }
    event.push_str("}}");
    let items = vec![event; EVENTS].join(",");
    let body = format!(
        r#"{{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{{}},"items":[{items}]}}"#
    );
    let length = body.len();
    format!("POST /k8s_audit?timeout=30s HTTP/1.1\r\nHost: audit\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// User and system time of this process, in seconds, from the kernel's hundredths.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = text
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks: f64 = fields[11..13]
        .iter()
        .map(|field| field.parse::<f64>().unwrap())
        .sum();
    ticks / 100.0
}
