//! Ways to reach the upstream: by TLS, by a proxy, not at all.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kubevigil_gateway::forward::{Forward, ForwardLimits, Upstream, UpstreamIdentity};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::authority::Authority;
use crate::wire::{Outer, Wire, serve};

fn forward(upstream: Upstream) -> Forward {
    Forward::new(
        upstream,
        UpstreamIdentity::Passthrough,
        ForwardLimits {
            connect: Duration::from_millis(500),
            ..ForwardLimits::default()
        },
        CancellationToken::new(),
    )
}

async fn ask(upstream: Upstream) -> String {
    let nothing: Outer = Arc::new(|_| ());
    let mut client = Wire::to(serve(forward(upstream), nothing).await).await;
    client
        .send("GET /x HTTP/1.1\r\nhost: g\r\nconnection: close\r\n\r\n")
        .await;
    client.rest().await.0
}

/// A server by TLS that says in its answer who its client was and which protocol was agreed on.
async fn tls_server(authority: &Authority) -> String {
    let own = authority.server();
    let mut roots = rustls::RootCertStore::empty();
    let pem = authority.pem();
    roots
        .add(rustls_pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
        .unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), kubevigil_tls::provider());
    let verifier = verifier.allow_unauthenticated().build().unwrap();
    let mut config = ServerConfig::builder_with_provider(kubevigil_tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![own.der().clone()],
            PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else {
                continue;
            };
            let (_, session) = stream.get_ref();
            let protocol = String::from_utf8_lossy(session.alpn_protocol().unwrap()).into_owned();
            let certificates = session.peer_certificates().map_or(0, <[_]>::len);
            let text = format!("{certificates} certificates, {protocol}");
            let service = service_fn(move |_| {
                let answer = http::Response::new(text.clone());
                async move { Ok::<_, std::convert::Infallible>(answer) }
            });
            let server = hyper::server::conn::http1::Builder::new();
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
        }
    });
    format!("https://localhost:{}", address.port())
}

#[tokio::test]
async fn tls_is_spoken_with_http1_and_with_a_certificate_only_if_there_is_one() {
    let authority = Authority::new("test");
    let server = tls_server(&authority).await.parse().unwrap();
    let client = authority.client("gateway", &[]);
    for (certificate, expected) in [(None, "0 certificates"), (Some(&client), "1 certificates")] {
        let config = Arc::unwrap_or_clone(authority.client_config(certificate));
        let upstream = Upstream::new(&server, Some(config), None, None).unwrap();
        let answer = ask(upstream).await;
        assert!(
            answer.contains(&format!("{expected}, http/1.1")),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_server_with_a_strangers_certificate_gets_no_request() {
    let server = tls_server(&Authority::new("stranger"))
        .await
        .parse()
        .unwrap();
    let config = Arc::unwrap_or_clone(Authority::new("test").client_config(None));
    let answer = ask(Upstream::new(&server, Some(config), None, None).unwrap()).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(
        answer.contains("cannot be reached: no TLS session"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_server_that_does_not_shake_hands_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("https://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let config = Arc::unwrap_or_clone(Authority::new("test").client_config(None));
    let answer = ask(Upstream::new(&server, Some(config), None, None).unwrap()).await;
    assert!(
        answer.contains("cannot be reached: no connection in time"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_proxy_is_asked_for_a_tunnel() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://user:p%40ss@{}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let server = "http://kubernetes.example:6443/prefix".parse().unwrap();
    let upstream = Upstream::new(&server, None, None, Some(&proxy)).unwrap();
    let asking = tokio::spawn(ask(upstream));
    let mut proxy = Wire::of(listener.accept().await.unwrap().0);
    let head = proxy.head().await;
    assert_eq!(
        head,
        "CONNECT kubernetes.example:6443 HTTP/1.1\nhost: kubernetes.example:6443\nproxy-authorization: Basic dXNlcjpwQHNz"
    );
    proxy
        .send("HTTP/1.1 200 Connection established\r\n\r\n")
        .await;
    let head = proxy.head().await;
    assert!(
        head.starts_with("GET /prefix/x HTTP/1.1\nhost: kubernetes.example:6443"),
        "{head}"
    );
    proxy
        .send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        .await;
    assert!(asking.await.unwrap().ends_with("ok"));
}

#[tokio::test]
async fn a_proxy_that_refuses_makes_the_server_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let server = "http://kubernetes.example:6443".parse().unwrap();
    let upstream = Upstream::new(&server, None, None, Some(&proxy)).unwrap();
    let asking = tokio::spawn(ask(upstream));
    let mut proxy = Wire::of(listener.accept().await.unwrap().0);
    proxy.head().await;
    let status = StatusCode::PROXY_AUTHENTICATION_REQUIRED;
    proxy
        .send(&format!(
            "HTTP/1.1 {} No\r\ncontent-length: 0\r\n\r\n",
            status.as_str()
        ))
        .await;
    let answer = asking.await.unwrap();
    assert!(answer.contains("the proxy opens no tunnel"), "{answer}");
}
