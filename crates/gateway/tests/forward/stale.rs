//! Connections that were kept, and died meanwhile.

use std::time::Duration;

use kubevigil_gateway::forward::ForwardLimits;

use crate::wire::{Between, End, Wanted, Wire};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn request(method: &str, target: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nhost: g\r\n\r\n")
}

/// A gateway that keeps one connection, the client that used it, and the upstream's end of it.
async fn with_kept_connection(limits: ForwardLimits) -> (Between, Wire, Wire) {
    let between = Between::start(Wanted {
        limits,
        ..Wanted::default()
    })
    .await;
    let mut client = between.client(&request("GET", "/warm")).await;
    let mut server = between.accept().await;
    server.head().await;
    server.send(OK).await;
    client.until("ok").await;
    (between, client, server)
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_costs_nothing() {
    for method in ["GET", "POST", "DELETE"] {
        let (between, mut client, server) = with_kept_connection(ForwardLimits::default()).await;
        drop(server);
        tokio::time::sleep(Duration::from_millis(50)).await;
        client.send(&request(method, "/x")).await;
        let mut server = between.accept().await;
        server.head().await;
        server.send(OK).await;
        client.until("ok").await;
    }
}

#[tokio::test]
async fn a_request_that_was_lost_on_a_kept_connection_is_sent_again_if_that_is_safe() {
    // Method, target, whether it is sent again.
    let cases = [
        ("GET", "/api/v1/pods", true),
        ("HEAD", "/api/v1/pods", true),
        ("GET", "/api/v1/pods?watch=true", true),
        ("POST", "/api/v1/namespaces/a/pods", false),
        ("DELETE", "/api/v1/namespaces/a/pods/b", false),
        (
            "GET",
            "/api/v1/namespaces/a/pods/b/exec?command=reboot",
            false,
        ),
        ("GET", "/api/v1/namespaces/a/services/b/proxy/pay", false),
    ];
    for (method, target, is_sent_again) in cases {
        let (between, mut client, mut server) =
            with_kept_connection(ForwardLimits::default()).await;
        client.send(&request(method, target)).await;
        server.head().await;
        drop(server);
        if is_sent_again {
            let mut server = between.accept().await;
            let seen = server.head().await;
            assert!(seen.starts_with(&format!("{method} {target} ")), "{seen}");
            server.send(OK).await;
            client.until("200 OK").await;
        } else {
            assert!(
                client.head().await.starts_with("HTTP/1.1 502"),
                "{method} {target}"
            );
            assert!(between.is_left_alone().await, "{method} {target}");
        }
    }
}

#[tokio::test]
async fn a_request_is_lost_once_at_most() {
    let (between, mut client, server) = with_kept_connection(ForwardLimits::default()).await;
    client.send(&request("GET", "/x")).await;
    let mut kept = server;
    kept.head().await;
    drop(kept);
    let mut server = between.accept().await;
    server.head().await;
    drop(server);
    assert!(client.head().await.starts_with("HTTP/1.1 502"));
    assert!(between.is_left_alone().await);
}

#[tokio::test]
async fn bytes_that_nobody_asked_for_are_nobodys_answer() {
    let (between, mut client, mut server) = with_kept_connection(ForwardLimits::default()).await;
    server
        .send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nevil!")
        .await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    client.send(&request("GET", "/x")).await;
    let mut server = between.accept().await;
    server.head().await;
    server.send(OK).await;
    assert!(client.until("ok").await.find("evil").is_none());
}

#[tokio::test]
async fn a_connection_is_not_kept_for_ever() {
    let limits = ForwardLimits {
        idle: Duration::from_millis(200),
        ..ForwardLimits::default()
    };
    let (_between, _client, mut server) = with_kept_connection(limits).await;
    let (rest, end) = server.rest().await;
    assert_eq!((rest.as_str(), end), ("", End::Closed));
}

#[tokio::test]
async fn no_more_connections_are_kept_than_allowed() {
    let limits = ForwardLimits {
        idle_connections: 0,
        ..ForwardLimits::default()
    };
    let (_between, _client, mut server) = with_kept_connection(limits).await;
    let (rest, end) = server.rest().await;
    assert_eq!((rest.as_str(), end), ("", End::Closed));
}

#[tokio::test]
async fn a_connection_on_which_a_request_was_not_read_to_its_end_is_not_used_again() {
    let between = Between::usual().await;
    let mut client = between
        .client("POST /x HTTP/1.1\r\nhost: g\r\ncontent-length: 10\r\n\r\nhello")
        .await;
    let mut server = between.accept().await;
    server.until("hello").await;
    server
        .send("HTTP/1.1 413 Too Large\r\ncontent-length: 4\r\n\r\nbig.")
        .await;
    client.until("big.").await;
    let mut next = between.client(&request("GET", "/y")).await;
    let mut second = between.accept().await;
    assert!(second.head().await.starts_with("GET /y"));
    second.send(OK).await;
    next.until("ok").await;
}

#[tokio::test]
async fn an_old_upstream_gets_a_connection_for_each_request() {
    let between = Between::usual().await;
    let mut client = between.client(&request("GET", "/x")).await;
    let mut server = between.accept().await;
    server.head().await;
    server
        .send("HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok")
        .await;
    client.until("ok").await;
    client
        .send(
            "POST /y HTTP/1.1\r\nhost: g\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        )
        .await;
    let mut server = between.accept().await;
    server.until("2\r\n{}\r\n0\r\n\r\n").await;
}
