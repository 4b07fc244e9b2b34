//! What breaks on one side breaks on the other, and never looks like an end.

use std::time::Duration;

use crate::wire::{Between, End, Wanted};

const GET: &str = "GET /api/v1/pods HTTP/1.1\r\nhost: g\r\n\r\n";
const POST: &str = "POST /api/v1/pods HTTP/1.1\r\nhost: g\r\ncontent-length: 2\r\n\r\n{}";

#[tokio::test]
async fn an_answer_that_breaks_off_breaks_off() {
    let beginnings = [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n8\r\nhello",
    ];
    for beginning in beginnings {
        for resets in [false, true] {
            let between = Between::usual().await;
            let mut client = between.client(GET).await;
            let mut server = between.accept().await;
            server.head().await;
            server.send(beginning).await;
            client.until("hello").await;
            if resets {
                server.reset();
            } else {
                drop(server);
            }
            let (rest, _) = client.rest().await;
            assert!(!rest.contains(r"0\r\n"), "{beginning}: {rest}");
        }
    }
}

#[tokio::test]
async fn bad_chunks_break_the_answer_off() {
    let between = Between::usual().await;
    let mut client = between.client(GET).await;
    let mut server = between.accept().await;
    server.head().await;
    server
        .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
        .await;
    client.until("hello\r\n").await;
    server.send("zz\r\nx\r\n0\r\n\r\n").await;
    let (rest, _) = client.rest().await;
    assert_eq!(rest, "");
}

#[tokio::test]
async fn a_reset_behind_the_last_byte_is_an_end() {
    let between = Between::usual().await;
    let mut client = between.client(GET).await;
    let mut server = between.accept().await;
    server.head().await;
    server
        .send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
        .await;
    client.until("hello").await;
    server.reset();
    client.send(GET).await;
    let mut server = between.accept().await;
    server.head().await;
    server
        .send("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nagain!")
        .await;
    client.until("again!").await;
}

#[tokio::test]
async fn no_answer_at_all_is_a_bad_gateway() {
    // Answers that are none.
    let beginnings = [
        "",
        "HTTP/1.1 200 OK\r\ncontent-le",
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
    ];
    for beginning in beginnings {
        let between = Between::usual().await;
        let mut client = between.client(POST).await;
        let mut server = between.accept().await;
        server.until("{}").await;
        server.send(beginning).await;
        drop(server);
        let head = client.head().await;
        assert!(
            head.starts_with("HTTP/1.1 502 Bad Gateway"),
            "{beginning}: {head}"
        );
        assert!(!head.contains("retry-after"), "{head}");
        let status = client.until("}\n").await;
        assert!(
            status.contains(r#""reason":"BadGateway","code":502}"#),
            "{status}"
        );
    }
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_unavailable() {
    let between = Between::usual().await;
    let address = between.address;
    drop(between.upstream);
    let mut client = crate::wire::Wire::to(address).await;
    client.send(POST).await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    assert!(head.contains("retry-after: 1"), "{head}");
    let status = client.until("}\n").await;
    assert!(
        status.contains("cannot be reached: connection refused"),
        "{status}"
    );
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_a_timeout() {
    let between = Between::start(Wanted {
        allowed: Duration::from_millis(200),
        ..Wanted::default()
    })
    .await;
    let mut client = between.client(GET).await;
    let mut server = between.accept().await;
    server.head().await;
    assert!(client.head().await.starts_with("HTTP/1.1 504"));
    let status = client.until("}\n").await;
    assert!(
        status.contains("did not complete within the allotted timeout"),
        "{status}"
    );
    let (_, end) = server.rest().await;
    assert_eq!(end, End::Closed);
}

#[tokio::test]
async fn long_running_requests_and_moving_bodies_are_no_timeout() {
    let between = Between::start(Wanted {
        allowed: Duration::from_millis(200),
        ..Wanted::default()
    })
    .await;
    let watch = "GET /api/v1/pods?watch=1 HTTP/1.1\r\nhost: g\r\n\r\n";
    let mut watching = between.client(watch).await;
    let mut watched = between.accept().await;
    let mut client = between
        .client("PUT /x HTTP/1.1\r\nhost: g\r\ncontent-length: 8\r\n\r\n")
        .await;
    let mut server = between.accept().await;
    server.head().await;
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(80)).await;
        client.send("x").await;
    }
    server.until("xxxxxxxx").await;
    server
        .send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .await;
    assert!(client.head().await.starts_with("HTTP/1.1 200"));
    watched
        .send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .await;
    assert!(watching.head().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_client_that_goes_away_is_gone_for_the_upstream() {
    for beginning in [
        "",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        let between = Between::usual().await;
        let mut client = between.client(GET).await;
        let mut server = between.accept().await;
        server.head().await;
        server.send(beginning).await;
        if !beginning.is_empty() {
            client.until("hello").await;
        }
        client.reset();
        server.rest().await;
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_whole_request() {
    let cases = [
        "content-length: 10\r\n\r\nhello",
        "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ];
    for request in cases {
        let between = Between::usual().await;
        let request = format!("POST /x HTTP/1.1\r\nhost: g\r\n{request}");
        let client = between.client(&request).await;
        let mut server = between.accept().await;
        server.until("hello").await;
        client.reset();
        let (rest, _) = server.rest().await;
        assert!(!rest.contains('0'), "{rest}");
    }
}

#[tokio::test]
async fn bad_chunks_of_a_client_are_refused() {
    let between = Between::usual().await;
    let request = "POST /x HTTP/1.1\r\nhost: g\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n";
    let mut client = between.client(request).await;
    let mut server = between.accept().await;
    let (seen, _) = server.rest().await;
    assert!(
        !seen.contains("smuggled") && !seen.contains(r"0\r\n\r\n"),
        "{seen}"
    );
    let (answer, _) = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
}

/// As for Go's server: whoever closes one direction is taken to have gone. Otherwise a quiet watch would outlive its client.
#[tokio::test]
async fn a_client_that_closes_its_direction_has_gone() {
    let between = Between::usual().await;
    let mut client = between.client(GET).await;
    let mut server = between.accept().await;
    server.head().await;
    client.finish().await;
    server.rest().await;
    let (answer, _) = client.rest().await;
    assert_eq!(answer, "");
}

#[tokio::test]
async fn an_upstream_that_has_said_everything_is_still_read() {
    let between = Between::usual().await;
    let mut client = between.client(GET).await;
    let mut server = between.accept().await;
    server.head().await;
    server
        .send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
        .await;
    server.finish().await;
    client.until("hello").await;
    client.send(GET).await;
    let mut server = between.accept().await;
    server.head().await;
}
