//! What is asked for, in all its forms, against what is recorded and what the upstream sees; and answers that leave no event.

use crate::stage::Stage;

fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or_default()
}

#[tokio::test]
async fn the_upstream_is_asked_for_what_is_recorded_byte_by_byte() {
    // Target, what is recorded and asked for.
    let cases = [
        (
            "/api/v1/pods?limit=5&watch=%31",
            "/api/v1/pods?limit=5&watch=%31",
        ),
        ("http://other:1/api/v1/pods?x", "/api/v1/pods?x"),
        ("https://user:word@other", "/"),
        ("//api//v1///pods", "//api//v1///pods"),
        (
            "/api/v1/%6eamespaces/a%2Fb/pods",
            "/api/v1/%6eamespaces/a%2Fb/pods",
        ),
        ("/a\"b%2Fc{d}", "/a%22b/c%7Bd%7D"),
        ("/a?", "/a?"),
        ("/a#b", "/a"),
        ("/%e2%82%ac", "/%e2%82%ac"),
    ];
    for (target, expected) in cases {
        let stage = Stage::new().await;
        let ask = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answer = stage.send(ask.as_bytes()).await;
        assert_eq!(status(&answer), "200", "{target}: {answer}");
        assert_eq!(stage.upstream.seen()[0].target(), expected, "{target}");
        assert_eq!(stage.log.events()[0].request_uri, expected, "{target}");
    }
}

#[tokio::test]
async fn what_no_server_would_take_leaves_no_event_and_asks_nobody() {
    let cases = [
        ("CONNECT other:443", "400"),
        ("CONNECT /api", "400"),
        ("GET *", "400"),
        ("OPTIONS *", "200"),
        ("GET /%zz", "400"),
        ("GET /api/v1/watch", "500"),
        ("GET other", "400"),
        // A server in Go takes quotes in a query; clients never send them.
        ("GET /a?x=\"y\"", "400"),
    ];
    for (line, expected) in cases {
        let stage = Stage::new().await;
        let ask = format!("{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answer = stage.send(ask.as_bytes()).await;
        assert_eq!(status(&answer), expected, "{line}: {answer}");
        assert!(stage.upstream.seen().is_empty(), "{line}");
        assert!(stage.log.events().is_empty(), "{line}");
    }
}

#[tokio::test]
async fn a_url_without_a_resource_is_answered_as_the_api_server_answers_it() {
    let stage = Stage::new().await;
    let answer = stage
        .send(b"GET /api/v1/watch?a&b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await;
    let text = "Internal Server Error: \"/api/v1/watch?a&amp;b\": failed to create RequestInfo: unable to determine kind and \
                namespace from url, /api/v1/watch?a&amp;b\n";
    assert!(answer.ends_with(text), "{answer}");
    assert!(answer.contains("\r\naudit-id: "), "{answer}");
}

#[tokio::test]
async fn a_bad_timeout_leaves_one_event_without_a_user() {
    let stage = Stage::new().await;
    let answer = stage
        .send(b"GET /api/v1/pods?timeout=soon HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await;
    let message =
        "invalid timeout specified in the request URL - time: invalid duration \\\"soon\\\"";
    assert_eq!(status(&answer), "400", "{answer}");
    assert!(answer.contains(message), "{answer}");
    assert_eq!(
        stage.log.lines(),
        ["ResponseStarted /api/v1/pods?timeout=soon 400"]
    );
    assert_eq!(stage.log.events()[0].user.username, "");
    assert!(stage.upstream.seen().is_empty());
}

#[tokio::test]
async fn a_watch_may_have_any_timeout() {
    let stage = Stage::new().await;
    let mut wire = stage.connect().await;
    wire.send(b"GET /api/v1/pods?watch=1&timeout=soon HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    let answer = wire.until("{}").await;
    assert_eq!(status(&answer), "200");
}

#[tokio::test]
async fn the_audit_id_is_the_clients_or_a_new_one_and_the_same_everywhere() {
    for (header, chosen) in [
        ("Audit-ID: mine\r\n", Some("mine")),
        ("Audit-ID:\r\n", None),
        ("", None),
    ] {
        let stage = Stage::new().await;
        let ask = format!("GET /a HTTP/1.1\r\nHost: a\r\n{header}Connection: close\r\n\r\n");
        let answer = stage.send(ask.as_bytes()).await;
        let id = stage.log.events()[0].audit_id.clone();
        match chosen {
            Some(chosen) => assert_eq!(id, chosen),
            None => assert_eq!(id.len(), 36, "{id}"),
        }
        assert!(
            answer.contains(&format!("\r\naudit-id: {id}\r\n")),
            "{answer}"
        );
        assert_eq!(stage.upstream.seen()[0].header("audit-id"), [id.as_str()]);
    }
}
