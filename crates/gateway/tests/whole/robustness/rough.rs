//! Upstreams that break off and clients that close half of their connection or read slowly.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{RawUpstream, exchange, gateway, request_line, rest, told};

const GET: &[u8] = b"GET /api/v1/nodes HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const WATCH: &[u8] = b"GET /api/v1/nodes?watch=1 HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_breaks_off_looks_broken_off_and_is_recorded_as_a_panic() {
    for reset in [false, true] {
        let upstream = RawUpstream::start(move |mut stream| async move {
            request_line(&mut stream).await;
            let part = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
            stream.write_all(part).await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
            if reset {
                // What is lost on the way is what a reset is about.
                #[expect(deprecated, reason = "a zero time does not block")]
                stream.set_linger(Some(Duration::ZERO)).unwrap();
            }
        })
        .await;
        let gateway = gateway(upstream.address).await;
        let answer = exchange(gateway.address, GET).await;
        assert!(answer.contains("hello"), "{answer}");
        assert!(
            !answer.ends_with("0\r\n\r\n"),
            "it looks complete: {answer}"
        );
        let events = told(&gateway.finish().await);
        let nodes = || "/api/v1/nodes".to_owned();
        let expected = [
            ("RequestReceived".to_owned(), nodes(), 0),
            ("Panic".to_owned(), nodes(), 500),
        ];
        assert_eq!(events, expected, "reset: {reset}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_hangs_up_without_an_answer_is_an_error_of_the_gateway() {
    let upstream = RawUpstream::start(|mut stream| async move {
        request_line(&mut stream).await;
    })
    .await;
    let gateway = gateway(upstream.address).await;
    let answer = exchange(gateway.address, GET).await;
    let code: u64 = answer.get(9..12).unwrap_or_default().parse().unwrap();
    assert!((502..=503).contains(&code), "{answer}");
    assert!(answer.contains("\"kind\":\"Status\""), "{answer}");
    let events = told(&gateway.finish().await);
    assert_eq!(
        events[1],
        (
            "ResponseComplete".to_owned(),
            "/api/v1/nodes".to_owned(),
            code
        )
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_closes_its_side_counts_as_gone_as_with_the_servers_own_listener() {
    let (news, mut came) = tokio::sync::mpsc::channel(2);
    let upstream = RawUpstream::start(move |mut stream| {
        let news = news.clone();
        async move {
            request_line(&mut stream).await;
            news.send("in").await.unwrap();
            let _ = stream.read(&mut [0]).await;
            news.send("hung up").await.unwrap();
        }
    })
    .await;
    let gateway = gateway(upstream.address).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(GET).await.unwrap();
    assert_eq!(came.recv().await, Some("in"));
    stream.shutdown().await.unwrap();
    let hung_up = tokio::time::timeout(Duration::from_secs(10), came.recv()).await;
    assert_eq!(
        hung_up.expect("the upstream still works for nobody"),
        Some("hung up")
    );
    assert_eq!(rest(&mut stream).await, "");
    let stages: Vec<_> = told(&gateway.finish().await)
        .into_iter()
        .map(|(stage, ..)| stage)
        .collect();
    assert_eq!(stages, ["RequestReceived", "ResponseComplete"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_closes_its_side_behind_an_answer_has_answered() {
    let upstream = RawUpstream::start(|mut stream| async move {
        request_line(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\n\r\nhello")
            .await
            .unwrap();
        stream.shutdown().await.unwrap();
        let _ = stream.read(&mut [0]).await;
    })
    .await;
    let gateway = gateway(upstream.address).await;
    let answer = exchange(gateway.address, GET).await;
    assert!(answer.contains("hello"), "{answer}");
    let events = told(&gateway.finish().await);
    assert_eq!(
        (events[1].0.as_str(), events[1].2),
        ("ResponseComplete", 200)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_ends_its_watch_at_the_upstream() {
    let (gone, mut ended) = tokio::sync::mpsc::channel(1);
    let upstream = RawUpstream::start(move |mut stream| {
        let gone = gone.clone();
        async move {
            request_line(&mut stream).await;
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n";
            stream.write_all(head).await.unwrap();
            let _ = stream.read(&mut [0]).await;
            gone.send(()).await.unwrap();
        }
    })
    .await;
    let gateway = gateway(upstream.address).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(WATCH).await.unwrap();
    let mut answer = [0; 64];
    stream.read_exact(&mut answer).await.unwrap();
    drop(stream);
    let wait = tokio::time::timeout(Duration::from_secs(10), ended.recv()).await;
    assert!(wait.is_ok(), "the upstream still serves a watch of nobody");
    let stages: Vec<_> = told(&gateway.finish().await)
        .into_iter()
        .map(|(stage, ..)| stage)
        .collect();
    assert_eq!(
        stages,
        ["RequestReceived", "ResponseStarted", "ResponseComplete"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_holds_the_upstream_back() {
    const ALL: usize = 256 << 20;
    let written = Arc::new(AtomicUsize::new(0));
    let counter = written.clone();
    let upstream = RawUpstream::start(move |mut stream| {
        let counter = counter.clone();
        async move {
            request_line(&mut stream).await;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {ALL}\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            let piece = vec![b'x'; 1 << 16];
            while counter.load(Ordering::Relaxed) < ALL && stream.write_all(&piece).await.is_ok() {
                counter.fetch_add(piece.len(), Ordering::Relaxed);
            }
        }
    })
    .await;
    let gateway = gateway(upstream.address).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(GET).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    // What sockets and buffers hold; Linux lets a socket on loopback grow to some megabytes.
    let held = written.load(Ordering::Relaxed);
    assert!(
        held < 32 << 20,
        "{held} bytes are held for somebody who does not read"
    );
    let mut buffer = vec![0; 1 << 16];
    let mut read = 0;
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        read += count;
    }
    assert!(read > ALL, "only {read} bytes came");
    let events = told(&gateway.finish().await);
    assert_eq!(events[1].0, "ResponseComplete");
}
