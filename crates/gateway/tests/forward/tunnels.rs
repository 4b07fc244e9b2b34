//! Upgraded connections: bytes both ways, each direction with an end of its own.

use crate::wire::{Between, End, Wire};

fn exec(protocol: &str) -> String {
    format!(
        "POST /api/v1/namespaces/a/pods/b/exec?command=sh&stdin=true HTTP/1.1\r\nhost: g\r\nconnection: Upgrade\r\n\
         upgrade: {protocol}\r\nx-stream-protocol-version: v4.channel.k8s.io\r\ncontent-length: 0\r\n\r\n"
    )
}

async fn open(between: &Between, protocol: &str) -> (Wire, Wire) {
    let mut client = between.client(&exec(protocol)).await;
    let mut server = between.accept().await;
    let head = server.head().await;
    assert!(head.contains("connection: Upgrade\n"), "{head}");
    assert!(head.contains(&format!("upgrade: {protocol}\n")), "{head}");
    assert!(
        head.contains("x-stream-protocol-version: v4.channel.k8s.io"),
        "{head}"
    );
    // The first bytes of the new protocol come with the answer.
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\nX-Stream-Protocol-Version: v4\r\n\r\nhello"
    );
    server.send(&answer).await;
    assert_eq!(
        client.head().await,
        format!(
            "HTTP/1.1 101 Switching Protocols\nconnection: Upgrade\nupgrade: {protocol}\nx-stream-protocol-version: v4"
        )
    );
    client.until("hello").await;
    (client, server)
}

#[tokio::test]
async fn bytes_pass_both_ways_and_each_way_ends_alone() {
    for protocol in ["SPDY/3.1", "websocket"] {
        let between = Between::usual().await;
        let (mut client, mut server) = open(&between, protocol).await;
        for text in ["ping", "pong", "\0\r\n\r\nGET / HTTP/1.1\r\n\r\n"] {
            client.send(text).await;
            server.until(text).await;
            server.send(text).await;
            client.until(text).await;
        }
        client.send("last words").await;
        client.finish().await;
        let (input, end) = server.rest().await;
        assert_eq!((input.as_str(), end), ("last words", End::Closed));
        server.send("the answer to that").await;
        drop(server);
        let (output, end) = client.rest().await;
        assert_eq!((output.as_str(), end), ("the answer to that", End::Closed));
    }
}

#[tokio::test]
async fn the_upstreams_end_comes_first_too() {
    let between = Between::usual().await;
    let (mut client, mut server) = open(&between, "SPDY/3.1").await;
    server.finish().await;
    let (_, end) = client.rest().await;
    assert_eq!(end, End::Closed);
    client.send("still there").await;
    server.until("still there").await;
    drop(client);
    server.rest().await;
}

#[tokio::test]
async fn a_reset_of_one_side_ends_the_other() {
    for client_resets in [true, false] {
        let between = Between::usual().await;
        let (mut client, mut server) = open(&between, "websocket").await;
        if client_resets {
            client.reset();
            server.rest().await;
        } else {
            server.reset();
            client.rest().await;
        }
    }
}

#[tokio::test]
async fn a_drain_ends_tunnels() {
    let between = Between::usual().await;
    let (mut client, mut server) = open(&between, "websocket").await;
    assert!(client.is_silent().await);
    between.drain.cancel();
    server.rest().await;
    client.rest().await;
}

#[tokio::test]
async fn an_upgrade_that_is_refused_is_an_ordinary_answer() {
    let between = Between::usual().await;
    let mut client = between.client(&exec("SPDY/3.1")).await;
    let mut server = between.accept().await;
    server.head().await;
    server
        .send("HTTP/1.1 403 Forbidden\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")
        .await;
    let head = client.head().await;
    assert_eq!(
        head,
        "HTTP/1.1 403 Forbidden\ncontent-length: 2\ncontent-type: application/json"
    );
    client.until("{}").await;
    // Both connections go on as what they were.
    client.send("GET /next HTTP/1.1\r\nhost: g\r\n\r\n").await;
    assert!(server.head().await.starts_with("GET /next"));
}

#[tokio::test]
async fn an_upgrade_never_takes_a_kept_connection() {
    let between = Between::usual().await;
    let mut client = between
        .client("GET /warm HTTP/1.1\r\nhost: g\r\n\r\n")
        .await;
    let mut server = between.accept().await;
    server.head().await;
    server
        .send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        .await;
    client.until("ok").await;
    open(&between, "websocket").await;
}

#[tokio::test]
async fn much_passes_through_a_tunnel() {
    let between = Between::usual().await;
    let (mut client, mut server) = open(&between, "SPDY/3.1").await;
    let block = "0123456789abcdef".repeat(64 * 1024);
    let sending = async {
        for _ in 0..8 {
            client.send(&block).await;
        }
        client.finish().await;
        client
    };
    let (mut client, (received, _)) = tokio::join!(sending, server.rest());
    assert_eq!(received.len(), 8 * block.len());
    drop(server);
    client.rest().await;
}
