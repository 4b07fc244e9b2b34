//! HTTPS, client certificates, and their replacement while connections live.

use std::time::Duration;

use http::Version;
use reqwest::{Client, StatusCode};

use crate::authority::{Authority, Files, Pair};
use crate::server::{Mode, Server, list};
use crate::wire::{Wire, post};

async fn send(client: &Client, server: &Server) -> reqwest::Result<reqwest::Response> {
    let url = format!("https://{}/k8s_audit?timeout=30s", server.address);
    client
        .post(url)
        .header("content-type", "application/json")
        .body(list(2))
        .send()
        .await
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_over_tls() {
    let authority = Authority::new();
    let server = Files::new(&authority.server()).serve(|_| {}).await;
    let two = authority.trusting().build().unwrap();
    let one = authority.trusting().http1_only().build().unwrap();
    for (client, version) in [(two, Version::HTTP_2), (one, Version::HTTP_11)] {
        let answer = send(&client, &server).await.unwrap();
        assert_eq!(
            (answer.status(), answer.version()),
            (StatusCode::OK, version)
        );
    }
    assert_eq!(server.intake.events().len(), 4);
}

#[tokio::test]
async fn requests_share_a_connection_of_http2() {
    let authority = Authority::new();
    let server = Files::new(&authority.server()).serve(|_| {}).await;
    server.intake.set(Mode::Take(Duration::from_millis(200)));
    let client = authority.trusting().build().unwrap();
    assert!(send(&client, &server).await.unwrap().status().is_success());
    let many = (0..20).map(|_| send(&client, &server));
    let answers: Vec<_> = many
        .map(|one| async { one.await.unwrap().status() })
        .collect();
    for status in join_all(answers).await {
        assert_eq!(status, StatusCode::OK);
    }
    assert_eq!(server.counters.connections.get(), 1);
}

async fn join_all<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, result) in futures.iter_mut().zip(&mut done) {
            if result.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *result = Some(value);
            }
        }
        match done.iter().all(Option::is_some) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_answered_over_http2_as_well() {
    let authority = Authority::new();
    let tls = Files::new(&authority.server());
    let config = tls.config();
    let server = Server::with(|all| {
        all.tls = Some(config);
        all.max_body_bytes = 500;
    })
    .await;
    let client = authority.trusting().build().unwrap();
    let answer = send(&client, &server).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.version()),
        (413, Version::HTTP_2)
    );
    assert_eq!(send(&client, &server).await.unwrap().status().as_u16(), 413);
}

#[tokio::test]
async fn with_an_authority_only_clients_with_its_certificate_connect() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let files = Files::new(&authority.server());
    let ca = files.write("ca.crt", &authority.pem());
    let server = files.serve(|tls| tls.client_ca = Some(ca)).await;
    let with = |pair: &Pair| {
        authority
            .trusting()
            .identity(pair.identity())
            .build()
            .unwrap()
    };

    let good = send(&with(&authority.client("api-server", &[])), &server)
        .await
        .unwrap();
    assert_eq!(good.status(), StatusCode::OK);
    assert!(
        send(&with(&stranger.client("api-server", &[])), &server)
            .await
            .is_err()
    );
    assert!(
        send(&authority.trusting().build().unwrap(), &server)
            .await
            .is_err()
    );
    assert_eq!(server.intake.events().len(), 2);
    assert_eq!(server.counters.handshake_failures.get(), 2);
}

#[tokio::test]
async fn names_of_client_certificates_can_be_listed() {
    let authority = Authority::new();
    let files = Files::new(&authority.server());
    let ca = files.write("ca.crt", &authority.pem());
    let server = files
        .serve(|tls| {
            tls.client_ca = Some(ca);
            tls.allowed_names = vec![
                "api-server".into(),
                "audit.example.org".into(),
                "192.0.2.7".into(),
            ];
        })
        .await;
    let cases = [
        ("api-server", &[][..], 200),
        ("other", &[], 403),
        ("other", &["audit.example.org"], 200),
        ("other", &["192.0.2.7"], 200),
        ("other", &["x.audit.example.org", "192.0.2.8"], 403),
        ("API-SERVER", &[], 403),
    ];
    for (common_name, names, status) in cases {
        let identity = authority.client(common_name, names).identity();
        let client = authority.trusting().identity(identity).build().unwrap();
        let answer = send(&client, &server).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{common_name} {names:?}");
    }
    assert_eq!(server.counters.auth_failures.get(), 3);
}

#[tokio::test]
async fn a_new_certificate_is_used_while_old_connections_live_on() {
    let (old, new) = (Authority::new(), Authority::new());
    let files = Files::new(&old.server());
    let server = files.serve(|_| {}).await;
    let early = old.trusting().build().unwrap();
    assert!(send(&early, &server).await.is_ok());

    files.replace(&new.server());
    assert!(server.handle.reload().is_empty());
    assert!(send(&early, &server).await.is_ok(), "the old connection");
    assert_eq!(server.counters.connections.get(), 1);
    assert!(
        send(&new.trusting().build().unwrap(), &server)
            .await
            .is_ok(),
        "a new connection"
    );
    assert!(
        send(&old.trusting().build().unwrap(), &server)
            .await
            .is_err()
    );
    assert_eq!(server.counters.reloads.get(), 1);
}

#[tokio::test]
async fn a_broken_new_certificate_leaves_the_old_one_in_use() {
    let authority = Authority::new();
    let pair = authority.server();
    let files = Files::new(&pair);
    let server = files.serve(|_| {}).await;
    for broken in [
        &pair.key,
        "",
        "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
    ] {
        files.write("tls.crt", broken);
        assert_eq!(server.handle.reload().len(), 1);
        assert!(
            send(&authority.trusting().build().unwrap(), &server)
                .await
                .is_ok()
        );
    }
    files.write("tls.crt", &authority.server().certificate);
    let errors = server.handle.reload();
    assert!(
        errors[0].to_string().contains("does not belong to"),
        "half replaced: {}",
        errors[0]
    );
    assert_eq!(server.counters.failed_reloads.get(), 4);
}

#[tokio::test]
async fn plain_http_on_the_tls_port_fails_and_is_counted() {
    let server = Files::new(&Authority::new().server()).serve(|_| {}).await;
    let mut wire = Wire::connect(server.address).await;
    wire.send(&post(&[], list(1).as_bytes())).await;
    assert_eq!(wire.answer().await, None);
    assert_eq!(server.counters.handshake_failures.get(), 1);
}

#[tokio::test]
async fn a_slow_handshake_is_cut_off() {
    let config = Files::new(&Authority::new().server());
    let tls = config.config();
    let server = Server::with(|all| {
        all.tls = Some(tls);
        all.header_timeout_seconds = 1;
    })
    .await;
    let mut wire = Wire::connect(server.address).await;
    wire.send(&[0x16, 3, 1]).await;
    let end = tokio::time::timeout(Duration::from_secs(5), wire.answer()).await;
    assert_eq!(end.expect("was cut off"), None);
    assert_eq!(server.counters.slow_headers.get(), 1);
}
