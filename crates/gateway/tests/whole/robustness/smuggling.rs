//! One request stays one request: whatever the upstream receives stands in the log, and nothing else.

use std::collections::BTreeSet;

use super::{exchange, gateway, told};
use crate::upstream::{self, Upstream};

/// Requests that two readers may take for one or for two.
const ATTEMPTS: &[&str] = &[
    "POST /api/v1/a HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /api/v1/hidden HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /api/v1/b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n2e\r\nGET /api/v1/hidden HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n\r\n0\r\n\r\n",
    "POST /api/v1/c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\nGET /api/v1/hidden HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /api/v1/d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\nGET /api/v1/hidden HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /api/v1/e HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 40\r\n\r\nGET /api/v1/hidden HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /api/v1/f HTTP/1.1\r\nHost: a\r\nContent-Length: +0\r\n\r\nGET /api/v1/hidden HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /api/v1/g HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\nGET /api/v1/hidden HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /api/v1/h HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\nx\r\n0\r\n\r\n",
    "GET /api/v1/i HTTP/1.1\r\nHost: a\r\nX: y\r\n continued: GET /api/v1/hidden HTTP/1.1\r\n\r\n",
    "GET /api/v1/j HTTP/1.1\nHost: a\nX: y\r\rGET /api/v1/hidden HTTP/1.1\r\n\r\n",
    "GET http://other#part HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET http://other/api/v1/k HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /api/v1/l\u{b}HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /api/v1/m HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /api/v1/hidden HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /api/v1/n HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_upstream_receives_stands_in_the_log() {
    let upstream =
        Upstream::start(None, |_, _| Box::pin(async { upstream::json(200, "{}") })).await;
    let gateway = gateway(upstream.address).await;
    for attempt in ATTEMPTS {
        exchange(gateway.address, attempt.as_bytes()).await;
    }
    let received = upstream.received();
    let twice = received.iter().find(|request| {
        request.headers.contains_key("content-length")
            && request.headers.contains_key("transfer-encoding")
    });
    assert!(twice.is_none(), "framed in two ways: {twice:?}");
    let received: BTreeSet<String> = received.into_iter().map(|request| request.target).collect();
    let lines = gateway.finish().await;
    let recorded: BTreeSet<String> = told(&lines).into_iter().map(|(_, uri, _)| uri).collect();
    let unrecorded: Vec<_> = received.difference(&recorded).collect();
    assert!(
        unrecorded.is_empty(),
        "received, not recorded: {unrecorded:?}"
    );
    // A request behind a good one is no smuggling; it is a request, recorded as such. With two lengths the chunks count (RFC
    // 9112, 6.3), as with Go's server. All others are no requests.
    let good = ["hidden", "a", "b", "k", "m", "n"].map(|name| format!("/api/v1/{name}"));
    let is_good = |target: &String| target == "/" || good.contains(target);
    let others: Vec<_> = received.iter().filter(|target| !is_good(target)).collect();
    assert!(
        others.is_empty(),
        "a request that is two was sent on: {others:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_headers_is_refused_and_the_next_request_is_served() {
    let upstream =
        Upstream::start(None, |_, _| Box::pin(async { upstream::json(200, "{}") })).await;
    let gateway = gateway(upstream.address).await;
    let many: String = (0..20_000)
        .map(|number| format!("X-{number}: y\r\n"))
        .collect();
    let long = format!("X: {}\r\n", "y".repeat(4 << 20));
    for headers in [many, long] {
        let flood = format!("GET /api/v1/flood HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
        let answer = exchange(gateway.address, flood.as_bytes()).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
            "{answer}"
        );
    }
    let good = b"GET /api/v1/good HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = exchange(gateway.address, good).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let received = upstream.received();
    assert_eq!(received.len(), 1, "{received:?}");
    gateway.finish().await;
}
