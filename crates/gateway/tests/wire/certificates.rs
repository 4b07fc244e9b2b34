//! TLS: client certificates that say who asks, both versions of HTTP, handshakes that are none, and certificates that change.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Version};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::authority::{Authority, Certificate};
use crate::stage::{Files, Stage, Wire, eventually};

/// A connection to the gateway with its handshake done.
pub(crate) async fn secure(
    stage: &Stage,
    authority: &Authority,
    client: Option<&Certificate>,
    protocol: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    // Other tests of this process do the same.
    let _ = kubevigil_tls::provider().as_ref().clone().install_default();
    let mut config = Arc::unwrap_or_clone(authority.client_config(client));
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(stage.address).await?;
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

/// A gateway that knows its clients by their certificates; who signs its own, and who theirs.
async fn knowing_certificates() -> (Stage, Authority, Authority) {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let files = Files::new(&servers.server());
    let stage = Stage::with(|config| {
        config.tls = Some(files.tls());
        config.identity = files.identity(&clients);
    })
    .await;
    (stage, servers, clients)
}

#[tokio::test]
async fn a_client_certificate_says_who_asks_over_both_versions_of_http() {
    let (stage, servers, clients) = knowing_certificates().await;
    let jane = clients.client("jane", &["ops"]);
    for protocol in [b"http/1.1".as_slice(), b"h2"] {
        let stream = secure(&stage, &servers, Some(&jane), protocol)
            .await
            .unwrap();
        let version = ask(stream, protocol == b"h2").await;
        assert_eq!(version == Version::HTTP_2, protocol == b"h2");
    }
    let events = stage.log.events();
    assert_eq!(events.len(), 2);
    for event in events {
        assert_eq!(event.user.username, "jane");
        assert_eq!(event.user.groups, ["ops", "system:authenticated"]);
        assert_eq!(event.source_ips, ["127.0.0.1"]);
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused_with_401() {
    let (stage, servers, _clients) = knowing_certificates().await;
    let stranger = Authority::new("others").client("jane", &[]);
    let stream = secure(&stage, &servers, Some(&stranger), b"http/1.1")
        .await
        .unwrap();
    let mut wire = Wire(stream);
    wire.send(b"GET /api/v1/pods HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    let answer = wire.until("\"code\":401}\n").await;
    let body = "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"Unauthorized\",\
                \"reason\":\"Unauthorized\",\"code\":401}\n";
    assert!(answer.ends_with(body), "{answer}");
    assert_eq!(stage.log.lines(), ["ResponseStarted /api/v1/pods 401"]);
    assert_eq!(stage.log.events()[0].user.username, "");
    assert!(stage.upstream.seen().is_empty());
}

async fn ask(stream: TlsStream<TcpStream>, is_http2: bool) -> Version {
    let io = TokioIo::new(stream);
    let request = Request::get("https://a/api/v1/pods").header("host", "a");
    let request = request.body(Empty::<bytes::Bytes>::new()).unwrap();
    let answer = if is_http2 {
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), io);
        let (mut sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    };
    let version = answer.version();
    answer.into_body().collect().await.unwrap();
    version
}

#[tokio::test]
async fn what_is_no_handshake_is_counted_and_harms_nobody() {
    let servers = Authority::new("servers");
    let files = Files::new(&servers.server());
    let stage = Stage::with(|config| {
        config.tls = Some(files.tls());
        config.header_timeout_seconds = 1;
    })
    .await;
    let garbage: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\xff\xff\xff",
        b"\x16\x03\x03\x00\x02\x01\x00",
        &[0; 4096],
    ];
    for bytes in garbage {
        stage.send(bytes).await;
    }
    let mut slow = stage.connect().await;
    slow.send(b"\x16\x03\x01").await;
    assert!(slow.closes_within(Duration::from_secs(4)).await);
    let counters = stage.handle.counters();
    let failed = || counters.handshake_failures.get() + counters.slow_headers.get();
    eventually("failures", || failed() == 5).await;
    let stream = secure(&stage, &servers, None, b"http/1.1").await.unwrap();
    assert_eq!(ask(stream, false).await, Version::HTTP_11);
}

#[tokio::test]
async fn certificates_are_replaced_under_load_without_losing_a_request() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let files = Files::new(&old.server());
    let stage = Arc::new(Stage::with(|config| config.tls = Some(files.tls())).await);
    let mut kept = Wire(secure(&stage, &old, None, b"http/1.1").await.unwrap());
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let stage = Arc::clone(&stage);
            let (old, new) = (old.client_config(None), new.client_config(None));
            tokio::spawn(async move { load(&stage, [old, new]).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    files.replace(&new.server());
    assert!(stage.handle.reload().is_empty());
    for client in clients {
        client.await.unwrap();
    }
    assert!(
        secure(&stage, &old, None, b"http/1.1").await.is_err(),
        "replaced"
    );
    kept.send(b"GET /kept HTTP/1.1\r\nHost: a\r\n\r\n").await;
    kept.until("{}\n").await;
    assert_eq!(stage.handle.counters().reloads.get(), 1);

    files.write("tls.crt", "broken");
    assert_eq!(stage.handle.reload().len(), 1);
    assert!(
        secure(&stage, &new, None, b"http/1.1").await.is_ok(),
        "still in use"
    );
}

/// Connects again and again for a second; each time one of the authorities is right, and the answer whole.
async fn load(stage: &Stage, configs: [Arc<rustls::ClientConfig>; 2]) {
    let end = tokio::time::Instant::now() + Duration::from_secs(1);
    while tokio::time::Instant::now() < end {
        let mut answered = false;
        for config in &configs {
            let stream = TcpStream::connect(stage.address).await.unwrap();
            let name = ServerName::try_from("127.0.0.1").unwrap();
            let connector = TlsConnector::from(Arc::clone(config));
            let Ok(stream) = connector.connect(name, stream).await else {
                continue;
            };
            let mut wire = Wire(stream);
            wire.send(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
            assert!(wire.until("{}\n").await.starts_with("HTTP/1.1 200"));
            answered = true;
        }
        assert!(answered);
    }
}
