//! Slow, large and many: what a hostile or broken sender can do, and what it cannot.

use std::io::Write;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::server::{Mode, Server, list, list_of};
use crate::wire::{Wire, exchange, post};

pub(crate) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_slow_header_is_cut_off_in_time() {
    let server = Server::with(|config| config.header_timeout_seconds = 1).await;
    let start = Instant::now();
    let mut wire = Wire::connect(server.address).await;
    let dripping = async {
        for byte in b"POST /k8s_audit HTTP/1.1\r\nHost: a\r\n".iter().cycle() {
            wire.send(&[*byte]).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            if server.counters.slow_headers.get() > 0 {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), dripping)
        .await
        .expect("was cut off");
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(wire.answer().await, None);
}

#[tokio::test]
async fn a_silent_connection_is_cut_off_like_a_slow_header() {
    let server = Server::with(|config| config.header_timeout_seconds = 1).await;
    let mut wire = Wire::connect(server.address).await;
    let end = tokio::time::timeout(Duration::from_secs(5), wire.answer()).await;
    assert_eq!(end.expect("was cut off"), None);
}

#[tokio::test]
async fn between_batches_a_connection_may_rest_longer_than_a_header_may_take() {
    let server = Server::with(|config| {
        config.header_timeout_seconds = 1;
        config.idle_timeout_seconds = 3;
    })
    .await;
    let mut wire = Wire::connect(server.address).await;
    assert_eq!(wire.post(list(1).as_bytes()).await.status, 200);
    tokio::time::sleep(Duration::from_millis(1800)).await;
    assert_eq!(wire.post(list(1).as_bytes()).await.status, 200);
    let end = tokio::time::timeout(Duration::from_secs(6), wire.answer()).await;
    assert_eq!(end.expect("closed when idle"), None);
    assert_eq!(server.counters.slow_headers.get(), 0);
}

#[tokio::test]
async fn a_slow_body_is_answered_with_408() {
    let server = Server::with(|config| config.body_timeout_seconds = 1).await;
    let mut wire = Wire::connect(server.address).await;
    wire.send(b"POST /k8s_audit HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"a").await;
    let answer = wire.answer().await.unwrap();
    assert_eq!(
        (answer.status, answer.header("connection")),
        (408, Some("close"))
    );
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_answered_with_413_announced_or_not() {
    let server = Server::with(|config| config.max_body_bytes = 100_000).await;
    let large = "x".repeat(100_001);
    let announced = post(&[], large.as_bytes());
    let chunk = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    let head = "POST /k8s_audit HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    for request in [announced, format!("{head}{chunk}").into_bytes()] {
        let answer = exchange(server.address, &request).await;
        assert_eq!(
            (answer.status, answer.header("connection")),
            (413, Some("close"))
        );
    }
    assert_eq!(server.counters.oversized.get(), 2);
}

#[tokio::test]
async fn the_default_takes_the_largest_batches_that_are_seen() {
    let server = Server::start().await;
    let count = (39 << 20) / crate::server::EVENT.len();
    let body = list(count);
    assert!(body.len() > 39 << 20);
    assert_eq!(
        exchange(server.address, &post(&[], body.as_bytes()))
            .await
            .status,
        200
    );
    assert_eq!(server.intake.events().len(), count);
}

#[tokio::test]
async fn a_sender_that_asks_before_sending_too_much_is_told_at_once() {
    let server = Server::with(|config| config.max_body_bytes = 100_000).await;
    let head = b"POST /k8s_audit HTTP/1.1\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 900000\r\n\r\n";
    let start = Instant::now();
    assert_eq!(exchange(server.address, head).await.status, 413);
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn gzip_bodies_are_read_and_bombs_are_not() {
    let server = Server::with(|config| config.max_body_bytes = 1 << 20).await;
    let good = gzip(list(50).as_bytes());
    let bomb = gzip(&vec![b' '; 200 << 20]);
    assert!(bomb.len() < 1 << 20, "a small bomb: {}", bomb.len());
    let send = async |body: &[u8]| {
        exchange(server.address, &post(&["Content-Encoding: gzip"], body)).await
    };
    assert_eq!(send(&good).await.status, 200);
    assert_eq!(server.intake.events().len(), 50);
    assert_eq!(send(&bomb).await.status, 413);
    assert_eq!(send(&good[..good.len() - 4]).await.status, 400, "cut off");
    assert_eq!(
        send(&[good.as_slice(), b"tail"].concat()).await.status,
        400,
        "something behind it"
    );
}

#[tokio::test]
async fn chunked_bodies_and_requests_in_a_row_are_read() {
    let server = Server::start().await;
    let mut wire = Wire::connect(server.address).await;
    let body = list(3);
    let (one, two) = body.split_at(body.len() / 2);
    let chunked = format!(
        "POST /k8s_audit HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n",
        one.len(),
        two.len()
    );
    let mut pipeline = chunked.into_bytes();
    pipeline.extend(post(&[], list(1).as_bytes()));
    pipeline.extend(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    pipeline.extend(post(&[], b"oops"));
    pipeline.extend(post(&[], list(2).as_bytes()));
    wire.send(&pipeline).await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(wire.answer().await.unwrap().status);
    }
    assert_eq!(statuses, [200, 200, 200, 400, 200]);
    assert_eq!(server.intake.events().len(), 6);
    assert_eq!(server.counters.connections.get(), 1);
}

#[tokio::test]
async fn bodies_share_one_budget_of_memory() {
    let server = Server::with(|config| {
        config.max_body_bytes = 64 << 10;
        config.max_memory_bytes = 128 << 10;
        config.accept_timeout_seconds = 3;
    })
    .await;
    server.intake.set(Mode::Hang);
    let body = list(200);
    assert!(
        body.len() > 40 << 10 && body.len() < 64 << 10,
        "{}",
        body.len()
    );
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let mut wire = Wire::connect(server.address).await;
        wire.send(&post(&[], body.as_bytes())).await;
        waiting.push(wire);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let answer = exchange(server.address, &post(&[], body.as_bytes())).await;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (429, Some("1"))
    );
    let small = exchange(server.address, &post(&[], b"oops")).await;
    assert_eq!(small.status, 400, "what fits is still read");
}

/// An event of two bytes costs a hundred times as much until it is durable.
#[tokio::test]
async fn a_small_body_of_very_many_tiny_events_is_kept_and_refused_for_good() {
    let server = Server::with(|config| {
        config.max_body_bytes = 512 << 10;
        config.max_memory_bytes = 1 << 20;
    })
    .await;
    let crowd = list_of(&vec!["{}"; 2049]);
    assert!(crowd.len() < 8 << 10);
    let compressed = post(&["Content-Encoding: gzip"], &gzip(crowd.as_bytes()));
    for request in [post(&[], crowd.as_bytes()), compressed] {
        assert_eq!(exchange(server.address, &request).await.status, 413);
    }
    assert_eq!(server.intake.events(), [] as [String; 0]);
    let letters: Vec<_> = server
        .dead_letters()
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    assert_eq!(letters, [crowd], "once, though it came twice");
    let fits = list_of(&vec!["{}"; 2048]);
    let answer = exchange(server.address, &post(&[], fits.as_bytes())).await;
    assert_eq!((answer.status, server.intake.events().len()), (200, 2048));
}

#[tokio::test]
async fn tiny_events_share_the_budget_of_memory_at_what_they_cost() {
    let server = Server::with(|config| {
        config.max_body_bytes = 512 << 10;
        config.max_memory_bytes = 1 << 20;
    })
    .await;
    server.intake.set(Mode::Hang);
    let crowd = list_of(&vec!["{}"; 1500]);
    let mut waiting = Wire::connect(server.address).await;
    waiting.send(&post(&[], crowd.as_bytes())).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let answer = exchange(server.address, &post(&[], crowd.as_bytes())).await;
    assert_eq!(answer.status, 429);
    assert!(server.dead_letters().is_empty());
}

#[tokio::test]
async fn as_many_connections_as_can_be_written_are_no_reason_to_stop() {
    let server = Server::with(|config| config.max_connections = usize::MAX).await;
    let answer = exchange(server.address, &post(&[], list(1).as_bytes())).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn two_hundred_connections_are_served_at_once() {
    let server = Server::start().await;
    let senders: Vec<_> = (0..200)
        .map(|_| {
            let address = server.address;
            tokio::spawn(async move {
                let mut wire = Wire::connect(address).await;
                for _ in 0..5 {
                    assert_eq!(wire.post(list(3).as_bytes()).await.status, 200);
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.unwrap();
    }
    assert_eq!(server.intake.events().len(), 200 * 5 * 3);
    assert_eq!(server.counters.source.batches.get(), 1000);
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let server = Server::with(|config| config.max_connections = 2).await;
    let mut first = Wire::connect(server.address).await;
    let mut second = Wire::connect(server.address).await;
    assert_eq!(first.post(list(1).as_bytes()).await.status, 200);
    assert_eq!(second.post(list(1).as_bytes()).await.status, 200);
    let mut third = Wire::connect(server.address).await;
    third.send(&post(&[], list(1).as_bytes())).await;
    let early = tokio::time::timeout(Duration::from_millis(200), third.answer()).await;
    assert!(early.is_err(), "no place yet");
    drop(first);
    assert_eq!(third.answer().await.unwrap().status, 200);
}
