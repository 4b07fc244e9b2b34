//! Slow and long requests, and the others meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::wire::{Between, SOON};

#[tokio::test]
async fn a_slow_reader_holds_the_upstream_back() {
    let between = Between::usual().await;
    let client = between
        .client("GET /big HTTP/1.1\r\nhost: g\r\nconnection: close\r\n\r\n")
        .await;
    let mut upstream = between.accept().await;
    let total = 64 * 1024 * 1024;
    upstream.head().await;
    upstream
        .send(&format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {total}\r\n\r\n"
        ))
        .await;
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let writing = tokio::spawn(async move {
        let block = "x".repeat(64 * 1024);
        while counter.load(Ordering::Relaxed) < total {
            upstream.send(&block).await;
            counter.fetch_add(block.len(), Ordering::Relaxed);
        }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = sent.load(Ordering::Relaxed);
    // Sockets hold some megabytes each, the gateway little more than nothing.
    assert!(
        before < 24 * 1024 * 1024,
        "{before} bytes were taken for a client that reads none"
    );
    let mut client = client;
    let (body, _) = client.rest().await;
    assert!(body.len() > total);
    writing.await.unwrap();
}

#[tokio::test]
async fn a_slow_upstream_holds_the_client_back() {
    let between = Between::usual().await;
    let total = 64 * 1024 * 1024;
    let head = format!("POST /big HTTP/1.1\r\nhost: g\r\ncontent-length: {total}\r\n\r\n");
    let mut client = between.client(&head).await;
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let writing = tokio::spawn(async move {
        let block = "x".repeat(64 * 1024);
        while counter.load(Ordering::Relaxed) < total {
            client.send(&block).await;
            counter.fetch_add(block.len(), Ordering::Relaxed);
        }
    });
    let mut server = between.accept().await;
    server.head().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = sent.load(Ordering::Relaxed);
    assert!(
        before < 24 * 1024 * 1024,
        "{before} bytes were taken for an upstream that reads none"
    );
    drop(server);
    writing.abort();
}

#[tokio::test]
async fn requests_are_answered_while_a_hundred_watches_go_on() {
    let between = Between::usual().await;
    let mut watches = Vec::new();
    for number in 0..100 {
        let target = format!("/api/v1/pods?watch=1&n={number}");
        let mut client = between
            .client(&format!("GET {target} HTTP/1.1\r\nhost: g\r\n\r\n"))
            .await;
        let mut server = between.accept().await;
        server.head().await;
        server
            .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            .await;
        client.head().await;
        watches.push((client, server));
    }
    let mut client = between
        .client("GET /healthz HTTP/1.1\r\nhost: g\r\n\r\n")
        .await;
    let mut server = between.accept().await;
    for round in 0..20 {
        server.head().await;
        server
            .send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .await;
        client.until("ok").await;
        client
            .send("GET /healthz HTTP/1.1\r\nhost: g\r\n\r\n")
            .await;
        for (number, (watcher, watched)) in watches.iter_mut().enumerate() {
            let event = format!("{{\"event\":\"{round}-{number}\"}}\n");
            watched
                .send(&format!("{:x}\r\n{event}\r\n", event.len()))
                .await;
            let seen = tokio::time::timeout(SOON, watcher.until(&event))
                .await
                .unwrap();
            assert_eq!(seen.matches("event").count(), 1, "{seen}");
        }
    }
    assert!(between.is_left_alone().await);
}
