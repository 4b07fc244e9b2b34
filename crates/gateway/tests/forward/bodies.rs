//! Bodies of all sorts pass as they are.

use crate::wire::{Between, End};

const GET: &str = "GET /api/v1/pods HTTP/1.1\r\nhost: g\r\n\r\n";
const LAST_GET: &str = "GET /api/v1/pods HTTP/1.1\r\nhost: g\r\nconnection: close\r\n\r\n";

/// Asks with `request`, answers with `answer`, gives what the client sees without its head's dates.
async fn exchange(request: &str, answer: &str) -> (String, String, End) {
    let between = Between::usual().await;
    let mut client = between.client(request).await;
    let mut server = between.accept().await;
    server.head().await;
    server.send(answer).await;
    let head = client.head().await;
    let (body, end) = client.rest().await;
    (head, body, end)
}

#[tokio::test]
async fn answers_pass_with_their_framing() {
    // Method, answer, head without its first line, body.
    let cases = [
        (
            "GET",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
            "connection: close\ncontent-length: 5",
            "hello",
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            "connection: close\ntransfer-encoding: chunked",
            r"5\r\nhello\r\n0\r\n\r\n",
        ),
        (
            "GET",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "connection: close",
            "",
        ),
        (
            "GET",
            "HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\n\r\n",
            "connection: close\netag: \"1\"",
            "",
        ),
        (
            "HEAD",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
            "connection: close\ncontent-length: 5",
            "",
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx: y\r\n\r\n",
            "connection: close\ncontent-length: 0\nx: y",
            "",
        ),
        (
            "GET",
            "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n!",
            "connection: close\ncontent-length: 1",
            "!",
        ),
    ];
    for (method, answer, expected, expected_body) in cases {
        let request = LAST_GET.replacen("GET", method, 1);
        let (head, body, end) = exchange(&request, answer).await;
        let (_, lines) = head.split_once('\n').unwrap();
        // How chunks are cut is nobody's business.
        let body = body.replace(r"2\r\nhe\r\n3\r\nllo\r\n", r"5\r\nhello\r\n");
        assert_eq!(
            (lines, body.as_str(), end),
            (expected, expected_body, End::Closed),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_ends() {
    let between = Between::usual().await;
    let mut client = between.client(LAST_GET).await;
    let mut server = between.accept().await;
    server.head().await;
    server.send("HTTP/1.0 200 OK\r\n\r\nhello").await;
    drop(server);
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    let (body, _) = client.rest().await;
    assert!(
        body.ends_with(r"0\r\n\r\n") && body.contains("hello"),
        "{body}"
    );
}

#[tokio::test]
async fn request_bodies_pass_with_their_framing() {
    // Head and body as sent, body as it arrives.
    let cases = [
        (
            "content-length: 5\r\n\r\nhello",
            "content-length: 5",
            "hello",
        ),
        ("content-length: 0\r\n\r\n", "content-length: 0", ""),
        (
            "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            "transfer-encoding: chunked",
            "5\r\nhello\r\n0\r\n\r\n",
        ),
        (
            "transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "transfer-encoding: chunked",
            "0\r\n\r\n",
        ),
    ];
    for method in ["POST", "DELETE", "GET"] {
        for (request, framing, body) in cases {
            let between = Between::usual().await;
            let request = format!("{method} /x HTTP/1.1\r\nhost: g\r\n{request}");
            let mut client = between.client(&request).await;
            let mut server = between.accept().await;
            let head = server.head().await;
            assert!(
                head.lines().any(|line| line == framing),
                "{request:?}: {head}"
            );
            if !body.is_empty() {
                assert_eq!(server.until(body).await, body, "{request:?}");
            }
            server
                .send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                .await;
            client.until("ok").await;
        }
    }
}

#[tokio::test]
async fn pieces_pass_one_by_one() {
    let between = Between::usual().await;
    let mut client = between
        .client("POST /x HTTP/1.1\r\nhost: g\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    let mut server = between.accept().await;
    server.head().await;
    server
        .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    client.head().await;
    for piece in ["1\r\na\r\n", "1\r\nb\r\n", "0\r\n\r\n"] {
        client.send(piece).await;
        server.until(piece).await;
        server.send(piece).await;
        client.until(piece).await;
    }
}

#[tokio::test]
async fn trailers_of_answers_pass_and_those_of_requests_end_here() {
    let between = Between::usual().await;
    let request = "POST /x HTTP/1.1\r\nhost: g\r\nte: trailers\r\ntrailer: x-remote-user, x-sum\r\ntransfer-encoding: chunked\r\n\r\n\
                   1\r\na\r\n0\r\nx-remote-user: root\r\nx-sum: 1\r\n\r\n";
    let mut client = between.client(request).await;
    let mut server = between.accept().await;
    let head = server.head().await;
    assert!(
        head.contains("te: trailers") && !head.contains("trailer:"),
        "{head}"
    );
    assert_eq!(server.until("0\r\n\r\n").await, "1\r\na\r\n0\r\n\r\n");
    server
        .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n1\r\nb\r\n0\r\nx-sum: 2\r\n\r\n")
        .await;
    assert!(client.head().await.contains("trailer: x-sum"));
    let rest = client.until("\r\n\r\n").await;
    assert_eq!(rest, "1\r\nb\r\n0\r\nx-sum: 2\r\n\r\n");
}

#[tokio::test]
async fn a_client_learns_of_a_refusal_before_it_sends_its_body() {
    let between = Between::usual().await;
    let request =
        "POST /x HTTP/1.1\r\nhost: g\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n";
    let mut client = between.client(request).await;
    let mut server = between.accept().await;
    assert!(server.head().await.contains("expect: 100-continue"));
    assert!(client.is_silent().await);
    server
        .send("HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        .await;
    assert!(client.head().await.starts_with("HTTP/1.1 413"));
}

#[tokio::test]
async fn a_client_sends_its_body_when_the_upstream_asks_for_it() {
    let between = Between::usual().await;
    let request =
        "POST /x HTTP/1.1\r\nhost: g\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n";
    let mut client = between.client(request).await;
    let mut server = between.accept().await;
    server.head().await;
    assert!(client.is_silent().await);
    server.send("HTTP/1.1 100 Continue\r\n\r\n").await;
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue");
    client.send("hello").await;
    server.until("hello").await;
    server
        .send("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n")
        .await;
    assert!(client.head().await.starts_with("HTTP/1.1 201"));
}

#[tokio::test]
async fn an_upstream_that_never_asks_gets_the_body_after_a_while() {
    let between = Between::usual().await;
    let request =
        "POST /x HTTP/1.1\r\nhost: g\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\nhello";
    let mut client = between.client(request).await;
    let mut server = between.accept().await;
    server.head().await;
    server.until("hello").await;
    server
        .send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        .await;
    client.until("HTTP/1.1 200 OK").await;
}

#[tokio::test]
async fn one_connection_serves_one_request_after_another() {
    let between = Between::usual().await;
    let mut client = between.client(GET).await;
    let mut server = between.accept().await;
    let answers = [
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nend.",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nend.\r\n0\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nend.",
    ];
    for answer in answers {
        server.head().await;
        server.send(answer).await;
        client.until("end.").await;
        client.send(GET).await;
    }
    server.head().await;
    assert!(between.is_left_alone().await);
}
