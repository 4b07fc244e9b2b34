//! The end of a gateway: requests in flight are answered, watches and upgraded connections are cut in the end, and every one of
//! them is in the log before the sink is closed.

use std::time::{Duration, Instant};

use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::authority::Authority;
use crate::certificates::secure;
use crate::stage::{Files, Stage, eventually};

const WATCH: &str = "/api/v1/pods?watch=1";

#[tokio::test]
async fn a_request_in_flight_is_answered_and_its_connection_closed() {
    let stage = Stage::new().await;
    let mut wire = stage.connect().await;
    wire.send(b"GET /a?slow=1 HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    eventually("the request", || !stage.upstream.seen().is_empty()).await;
    let mut idle = stage.connect().await;
    idle.send(b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n").await;
    idle.until("{}\n").await;
    let address = stage.address;
    stage.stop.cancel();
    assert!(idle.closes_within(Duration::from_millis(400)).await);
    let answer = wire.rest().await + &wire.rest().await;
    assert!(
        answer.contains("HTTP/1.1 200") && answer.contains("connection: close"),
        "{answer}"
    );
    let (drained, log) = stage.stop().await;
    assert_eq!(drained.cut, 0);
    assert!(log.is_closed());
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_watch_is_cut_in_the_end_and_recorded_before_the_sink_is_closed() {
    let stage = Stage::with(|config| config.drain_timeout_seconds = 1).await;
    let mut wire = stage.connect().await;
    wire.send(format!("GET {WATCH} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())
        .await;
    wire.until("{}").await;
    let begin = Instant::now();
    let (drained, log) = stage.stop().await;
    assert!(begin.elapsed() >= Duration::from_secs(1));
    assert!(begin.elapsed() < Duration::from_secs(4));
    assert_eq!(drained.cut, 1);
    assert!(log.is_closed());
    let lines = log.lines();
    assert_eq!(lines[0], format!("ResponseStarted {WATCH} 200"));
    assert_eq!(lines[1], format!("ResponseComplete {WATCH} 200"));
}

#[tokio::test]
async fn an_upgraded_connection_is_severed_in_the_end() {
    let stage = Stage::with(|config| {
        config.drain_timeout_seconds = 1;
        config.idle_timeout_seconds = 1;
    })
    .await;
    let mut wire = stage.connect().await;
    let path = "/api/v1/namespaces/a/pods/b/exec?command=ls";
    let ask = format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
    );
    wire.send(ask.as_bytes()).await;
    wire.until("\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(1800)).await;
    wire.send(b"hello").await;
    assert_eq!(
        wire.until("hello").await,
        "hello",
        "longer than idle connections live"
    );
    let (drained, log) = stage.stop().await;
    assert_eq!(drained.cut, 1);
    let mut rest = Vec::new();
    let _ = wire.0.read_to_end(&mut rest).await;
    assert!(log.is_closed());
    assert_eq!(
        log.lines().last().unwrap(),
        &format!("ResponseComplete {path} 101")
    );
}

#[tokio::test]
async fn a_watch_over_http2_is_cut_and_recorded_as_well() {
    let authority = Authority::new("servers");
    let files = Files::new(&authority.server());
    let stage = Stage::with(|config| {
        config.tls = Some(files.tls());
        config.drain_timeout_seconds = 1;
    })
    .await;
    let stream = secure(&stage, &authority, None, b"h2").await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get(format!("https://a{WATCH}")).body(Empty::<bytes::Bytes>::new());
    let mut answer = sender.send_request(request.unwrap()).await.unwrap();
    answer.frame().await.unwrap().unwrap();
    let (drained, log) = stage.stop().await;
    assert_eq!(drained.cut, 1);
    assert_eq!(
        log.lines().last().unwrap(),
        &format!("ResponseComplete {WATCH} 200")
    );
    assert!(answer.frame().await.is_none_or(|frame| frame.is_err()));
    drop(sender);
    let _ = connection.await;
}
