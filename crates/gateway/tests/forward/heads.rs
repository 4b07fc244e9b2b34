//! What the upstream sees of a request's head, and the client of an answer's.

use crate::wire::{Between, Wanted};

/// What the upstream sees of a request.
async fn seen(between: &Between, request: &str) -> String {
    let _client = between.client(request).await;
    let seen = between.accept().await.head().await;
    let address = between.upstream.local_addr().unwrap();
    seen.replace(&address.to_string(), "UPSTREAM")
}

#[tokio::test]
async fn the_upstream_is_asked_for_the_same_bytes() {
    let between = Between::usual().await;
    for target in [
        "/",
        "/api/v1//pods?x=%2f&y=a+b;c",
        "/?",
        "/%7e..%2f/%00?%zz=/../",
    ] {
        let seen = seen(
            &between,
            &format!("GET {target} HTTP/1.1\r\nhost: g\r\n\r\n"),
        )
        .await;
        let first = seen.lines().next().unwrap();
        assert_eq!(first, format!("GET {target} HTTP/1.1"));
    }
}

#[tokio::test]
async fn the_path_of_the_servers_address_comes_first() {
    let between = Between::start(Wanted {
        prefix: "/k8s/clusters/c-1/",
        ..Wanted::default()
    })
    .await;
    let seen = seen(&between, "GET /api?x HTTP/1.1\r\nhost: g\r\n\r\n").await;
    assert!(
        seen.starts_with("GET /k8s/clusters/c-1/api?x HTTP/1.1\n"),
        "{seen}"
    );
}

#[tokio::test]
async fn a_request_arrives_with_its_own_headers() {
    let between = Between::usual().await;
    let request = "GET /api HTTP/1.1\r\nHost: gateway.example\r\nUser-Agent: kubectl\r\nAccept-Encoding: gzip\r\nAudit-ID: 7\r\n\
                   Authorization: Bearer t\r\nImpersonate-User: jane\r\nX-Remote-User: root\r\nX_Remote_Group: root\r\n\
                   Impersonate_User: root\r\nX-Forwarded-For: 192.0.2.1\r\nX-Real-Ip: 192.0.2.9\r\nConnection: keep-alive, X-Hop, Authorization\r\n\
                   X-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authorization: Basic x\r\nTE: gzip\r\n\r\n";
    assert_eq!(
        seen(&between, request).await,
        "GET /api HTTP/1.1\naccept-encoding: gzip\naudit-id: 7\nauthorization: Bearer t\nhost: UPSTREAM\n\
         impersonate-user: jane\nuser-agent: kubectl\nx-forwarded-for: 192.0.2.1, 192.0.2.9, 127.0.0.1"
    );
}

#[tokio::test]
async fn an_old_client_speaks_to_the_upstream_as_a_new_one() {
    let between = Between::usual().await;
    let seen = seen(&between, "GET /api HTTP/1.0\r\n\r\n").await;
    assert_eq!(
        seen,
        "GET /api HTTP/1.1\nhost: UPSTREAM\nx-forwarded-for: 127.0.0.1"
    );
}

#[tokio::test]
async fn a_change_to_http2_is_not_passed_on() {
    let between = Between::usual().await;
    let request = "GET /api HTTP/1.1\r\nhost: g\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n\r\n";
    assert_eq!(
        seen(&between, request).await,
        "GET /api HTTP/1.1\nhost: UPSTREAM\nx-forwarded-for: 127.0.0.1"
    );
}

#[tokio::test]
async fn an_answer_arrives_with_its_own_headers() {
    let between = Between::usual().await;
    let mut client = between.client("GET /api HTTP/1.1\r\nhost: g\r\n\r\n").await;
    let mut server = between.accept().await;
    server.head().await;
    server
        .send(
            "HTTP/1.1 418 Short And Stout\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nAudit-Id: upstream\r\n\
             Warning: 299 - \"x\"\r\nWarning: 299 - \"y\"\r\nContent-Length: 0\r\nUpgrade: h2c\r\n\r\n",
        )
        .await;
    assert_eq!(
        client.head().await,
        "HTTP/1.1 418 Short And Stout\ncontent-length: 0\nwarning: 299 - \"x\"\nwarning: 299 - \"y\""
    );
}

#[tokio::test]
async fn a_head_without_end_is_no_answer() {
    let between = Between::usual().await;
    let mut client = between.client("GET /api HTTP/1.1\r\nhost: g\r\n\r\n").await;
    let mut server = between.accept().await;
    server.head().await;
    server
        .send(&format!(
            "HTTP/1.1 200 OK\r\nx: {}\r\n",
            "y".repeat(300_000)
        ))
        .await;
    assert!(client.head().await.starts_with("HTTP/1.1 502"));
}

#[tokio::test]
async fn what_says_that_a_request_is_another_one_is_not_passed_on() {
    let between = Between::usual().await;
    let request = "GET /api HTTP/1.1\r\nhost: g\r\nX-HTTP-Method-Override: DELETE\r\nX-Original-URL: /x\r\nX-Rewrite-URL: /x\r\n\
                   X-Forwarded-User: root\r\nX-Forwarded-Host: x\r\nForwarded: for=x\r\nX-Auth-Request-User: root\r\n\
                   Remote-User: root\r\nCookie: R_SESS=token\r\n\r\n";
    assert_eq!(
        seen(&between, request).await,
        "GET /api HTTP/1.1\nhost: UPSTREAM\nx-forwarded-for: 127.0.0.1"
    );
}

#[tokio::test]
async fn cookies_reach_what_runs_behind_the_servers_proxy() {
    let between = Between::usual().await;
    for target in [
        "/api/v1/namespaces/a/services/b/proxy/",
        "/api/v1/proxy/namespaces/a/services/b/x",
    ] {
        let request =
            format!("GET {target} HTTP/1.1\r\nhost: g\r\ncookie: a=1\r\ncookie: b=2\r\n\r\n");
        let seen = seen(&between, &request).await;
        assert!(seen.contains("\ncookie: a=1; b=2\n"), "{seen}");
    }
}

#[tokio::test]
async fn a_request_that_comes_back_is_stopped() {
    let between = Between::usual().await;
    let mut client = between
        .client("GET /x HTTP/1.1\r\nhost: g\r\nvia: 1.1 other\r\n\r\n")
        .await;
    let mut server = between.accept().await;
    let sent = server.until("\r\n\r\n").await;
    let mark = sent
        .lines()
        .find(|line| line.contains("kubevigil-"))
        .unwrap();
    assert!(
        sent.contains("via: 1.1 other\r\n") && mark.starts_with("via: 1.1 kubevigil-"),
        "{sent}"
    );
    server
        .send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        .await;
    client.until("ok").await;
    for request in [
        sent.clone(),
        sent.replace("via: 1.1 other\r\nvia: ", "via: 1.1 other, "),
    ] {
        let mut again = between.client(&request).await;
        assert!(again.head().await.starts_with("HTTP/1.1 508"), "{request}");
    }
    assert!(between.is_left_alone().await);
}

#[tokio::test]
async fn a_path_that_servers_read_in_different_ways_is_refused() {
    let between = Between::usual().await;
    for target in [
        "/api/v1/namespaces/x/pods/../secrets/y",
        "/healthz/%2e%2e/api",
        "/api/v1/namespaces/x/services/s/proxy/../..",
    ] {
        let mut client = between
            .client(&format!("GET {target} HTTP/1.1\r\nhost: g\r\n\r\n"))
            .await;
        assert!(client.head().await.starts_with("HTTP/1.1 400"), "{target}");
    }
    assert!(between.is_left_alone().await);
}
