//! Clients that take too long, send too much or are too many.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;

use crate::stage::{Stage, eventually};

const ASK: &[u8] = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn a_header_that_comes_slowly_is_cut_off() {
    let stage = Stage::with(|config| config.header_timeout_seconds = 1).await;
    let mut wire = stage.connect().await;
    wire.send(b"GET /a HTTP/1.1\r\nHost").await;
    assert!(wire.closes_within(Duration::from_secs(4)).await);
    let mut silent = stage.connect().await;
    assert!(silent.closes_within(Duration::from_secs(4)).await);
    assert_eq!(stage.handle.counters().slow_headers.get(), 2);
}

#[tokio::test]
async fn between_requests_a_connection_may_rest_longer_than_a_header_may_take() {
    let stage = Stage::with(|config| config.header_timeout_seconds = 1).await;
    let mut wire = stage.connect().await;
    for _ in 0..2 {
        wire.send(ASK).await;
        wire.until("{}\n").await;
        tokio::time::sleep(Duration::from_millis(1700)).await;
    }
    assert_eq!(stage.upstream.seen().len(), 2);
}

#[tokio::test]
async fn a_connection_without_requests_is_closed_in_the_end() {
    let stage = Stage::with(|config| config.idle_timeout_seconds = 1).await;
    let mut wire = stage.connect().await;
    wire.send(ASK).await;
    wire.until("{}\n").await;
    assert!(wire.closes_within(Duration::from_secs(4)).await);
}

#[tokio::test]
async fn a_watch_may_be_silent_for_longer_than_anything_else() {
    let stage = Stage::with(|config| {
        config.idle_timeout_seconds = 1;
        config.header_timeout_seconds = 1;
        config.stall_timeout_seconds = 1;
        config.request_timeout_seconds = 1;
    })
    .await;
    let mut wire = stage.connect().await;
    wire.send(b"GET /api/v1/pods?watch=1 HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    wire.until("{}").await;
    assert!(!wire.closes_within(Duration::from_secs(3)).await);
}

#[tokio::test]
async fn headers_beyond_the_limits_are_answered_with_431() {
    let many = (0..300)
        .map(|number| format!("X-{number}: a\r\n"))
        .collect::<String>();
    let long = format!("X: {}\r\n", "a".repeat(140_000));
    for headers in [many, long] {
        let stage = Stage::new().await;
        let ask = format!("GET /a HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
        let answer = stage.send(ask.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        assert!(stage.upstream.seen().is_empty());
    }
}

#[tokio::test]
async fn headers_within_the_limits_reach_the_upstream() {
    let stage = Stage::new().await;
    let headers = (0..200).map(|number| format!("X-{number}: {}\r\n", "a".repeat(500)));
    let headers = headers.collect::<String>();
    let ask = format!("GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n");
    let answer = stage.send(ask.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(stage.upstream.seen()[0].header("x-199")[0].len(), 500);
}

#[tokio::test]
async fn where_all_are_busy_further_connections_wait() {
    let stage = Stage::with(|config| config.max_connections = 2).await;
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut wire = stage.connect().await;
        wire.send(b"GET /api/v1/pods?watch=1 HTTP/1.1\r\nHost: a\r\n\r\n")
            .await;
        wire.until("{}").await;
        busy.push(wire);
    }
    let mut third = stage.connect().await;
    third.send(ASK).await;
    let early = tokio::time::timeout(Duration::from_millis(300), third.0.read_u8());
    assert!(early.await.is_err(), "no place yet");
    busy.pop();
    third.until("{}\n").await;
    assert_eq!(stage.handle.counters().full.get(), 1);
}

#[tokio::test]
async fn whoever_idles_longest_makes_room_but_nobody_who_is_busy() {
    let stage = Stage::with(|config| config.max_connections = 3).await;
    let mut watch = stage.connect().await;
    watch
        .send(b"GET /api/v1/pods?watch=1 HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    watch.until("{}").await;
    let (mut silent, mut idle) = (stage.connect().await, stage.connect().await);
    idle.send(ASK).await;
    idle.until("{}\n").await;
    tokio::time::sleep(Duration::from_millis(1300)).await;
    let mut fresh = Vec::new();
    for _ in 0..2 {
        let mut wire = stage.connect().await;
        wire.send(ASK).await;
        wire.until("{}\n").await;
        fresh.push(wire);
    }
    assert!(silent.closes_within(Duration::from_secs(1)).await);
    assert!(idle.closes_within(Duration::from_secs(1)).await);
    assert!(!watch.closes_within(Duration::from_millis(300)).await);
    assert_eq!(stage.handle.counters().full.get(), 2);
}

#[tokio::test]
async fn half_a_header_keeps_nobody_else_out() {
    let stage = Stage::with(|config| config.max_connections = 4).await;
    let mut partial = Vec::new();
    for _ in 0..4 {
        let mut wire = stage.connect().await;
        wire.send(b"GET /x").await;
        partial.push(wire);
    }
    let fresh = stage.send(b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let fresh = tokio::time::timeout(Duration::from_secs(2), fresh).await;
    assert!(fresh.unwrap().starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_tunnel_counts_until_it_ends() {
    let stage = Stage::with(|config| config.max_long_running = 2).await;
    let path = "/api/v1/namespaces/a/pods/b/exec?command=ls";
    let ask = format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
    );
    let mut tunnel = stage.connect().await;
    tunnel.send(ask.as_bytes()).await;
    tunnel.until("101 Switching").await;
    let second = stage.send(ask.as_bytes()).await;
    assert!(second.starts_with("HTTP/1.1 429 "), "{second}");
    drop(tunnel);
    let ended = format!("ResponseComplete {path} 101");
    eventually("the end", || stage.log.lines().contains(&ended)).await;
    let mut third = stage.connect().await;
    third.send(ask.as_bytes()).await;
    third.until("101 Switching").await;
}

#[tokio::test]
async fn a_body_that_stands_still_ends_its_request() {
    let stage = Stage::with(|config| config.stall_timeout_seconds = 1).await;
    let mut wire = stage.connect().await;
    wire.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhel")
        .await;
    let answer = wire.until("\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert_eq!(stage.handle.counters().stalled_bodies.get(), 1);
    eventually("an event", || !stage.log.events().is_empty()).await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_cut_off_unless_it_follows_a_log() {
    let stage = Stage::with(|config| config.stall_timeout_seconds = 1).await;
    let mut follower = stage.connect().await;
    let log = "/api/v1/namespaces/a/pods/b/log?follow=1&watch=1&endless=1";
    let ask = format!("GET {log} HTTP/1.1\r\nHost: a\r\n\r\n");
    follower.send(ask.as_bytes()).await;
    follower.some().await;
    let mut wire = stage.connect().await;
    wire.send(b"GET /a?watch=1&endless=1 HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    wire.some().await;
    let slow_readers = || stage.handle.counters().slow_readers.get();
    eventually("a slow reader", || slow_readers() == 1).await;
    let is_cut =
        |line: &String| line.starts_with("ResponseComplete /a?") || line.starts_with("Panic /a?");
    eventually("an event", || stage.log.lines().iter().any(is_cut)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(slow_readers(), 1);
    assert!(!follower.some().await.is_empty());
}

#[tokio::test]
async fn requests_that_are_too_many_are_sent_away_and_recorded() {
    let stage = Stage::with(|config| {
        config.max_requests = 2;
        config.max_long_running = 2;
    })
    .await;
    // One caller may have half of them.
    for path in ["/api/v1/pods?watch=1", "/a?watch=1"] {
        let mut inside = stage.connect().await;
        inside
            .send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())
            .await;
        inside.until("{}").await;
        let ask = format!("GET {path}&second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answer = stage.send(ask.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
        assert!(answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
        assert!(
            answer.ends_with("Too many requests, please try again later.\n"),
            "{answer}"
        );
        let recorded = format!("ResponseComplete {path}&second 429");
        eventually("an event", || stage.log.lines().contains(&recorded)).await;
        drop(inside);
        let again = || async {
            let mut wire = stage.connect().await;
            wire.send(ask.as_bytes()).await;
            wire.some().await.starts_with("HTTP/1.1 200 ")
        };
        let mut answered = false;
        for _ in 0..40 {
            answered = answered || again().await;
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        assert!(answered, "there is room again");
    }
    assert!(stage.handle.counters().sent_away.get() >= 2);
    assert!(stage.upstream.seen().len() >= 4);
}
