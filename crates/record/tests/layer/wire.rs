//! A real server on a real port, and what its clients see of events that wait.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use kubevigil_record::layer::{AuditService, AuditedRequestBody, Recording};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tower::{Service, ServiceExt as _, service_fn};

use crate::rig::*;

/// How long nothing has to come for it to be taken for nothing.
const QUIET: Duration = Duration::from_millis(60);

/// Serves on a port of the system's choice until the test is over.
async fn serve<S, RB>(service: AuditService<S>) -> SocketAddr
where
    S: Service<Request<AuditedRequestBody<Incoming>>, Response = Response<RB>>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
    RB: Body<Data = Bytes, Error = io::Error> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = service.clone();
            let service =
                hyper::service::service_fn(move |request| service.clone().oneshot(request));
            tokio::spawn(async move {
                let connection = auto::Builder::new(TokioExecutor::new());
                let _ = connection
                    .serve_connection_with_upgrades(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    address
}

/// A service that answers everything with one script.
fn answers(
    code: u16,
    headers: &'static [(&'static str, &'static str)],
    body: Script,
) -> impl Service<
    Request<AuditedRequestBody<Incoming>>,
    Response = Response<Script>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send
+ Sync
+ 'static {
    service_fn(move |_| {
        let mut answer = answer(code, body.clone());
        for (name, value) in headers {
            answer.headers_mut().insert(*name, value.parse().unwrap());
        }
        async { Ok(answer) }
    })
}

async fn connect(address: SocketAddr, head: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// Everything that comes until the peer closes or nothing comes any more, and whether it closed.
async fn what_comes(stream: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut seen = Vec::new();
    while let Ok(read) = timeout(QUIET, stream.read_buf(&mut seen)).await {
        if !read.is_ok_and(|read| read > 0) {
            return (seen, true);
        }
    }
    (seen, false)
}

/// Name, request line, code, headers, body, whether anything may be seen before the events are kept.
type Case = (
    &'static str,
    &'static str,
    u16,
    &'static [(&'static str, &'static str)],
    Script,
    bool,
);

fn cases() -> Vec<Case> {
    let get = "GET /api/v1/pods HTTP/1.1";
    let two = || [data("half "), data("and half")];
    let announced: &[(&str, &str)] = &[("content-length", "13")];
    let empty: &[(&str, &str)] = &[("content-length", "0")];
    vec![
        (
            "announced in the head",
            get,
            200,
            announced,
            Script::new(two()),
            true,
        ),
        (
            "announced by the body",
            get,
            200,
            &[],
            Script::knowing(two()),
            true,
        ),
        ("chunked", get, 200, &[], Script::new(two()), true),
        (
            "until the connection closes",
            "GET /api/v1/pods HTTP/1.0",
            200,
            &[],
            Script::new(two()),
            true,
        ),
        (
            "one frame",
            get,
            200,
            &[],
            Script::knowing([data("whole")]),
            false,
        ),
        ("empty", get, 200, &[], Script::knowing([]), false),
        ("empty, it says", get, 200, empty, Script::new([]), false),
        ("no content", get, 204, &[], Script::new([]), false),
        ("not modified", get, 304, announced, Script::new([]), false),
        (
            "head",
            "HEAD /api/v1/pods HTTP/1.1",
            200,
            announced,
            Script::new([]),
            false,
        ),
        ("refused", get, 403, &[], Script::new(two()), true),
    ]
}

#[tokio::test]
async fn the_last_byte_of_an_answer_waits_for_the_events() {
    for (name, line, code, headers, body, may_begin) in cases() {
        let notes = Arc::new(Notes::holding("ResponseComplete"));
        let service = audited(&auditing(BODIES, &notes), answers(code, headers, body));
        let address = serve(service).await;
        let head = format!("{line}\r\nhost: a\r\nconnection: close\r\n\r\n");
        let mut stream = connect(address, &head).await;
        notes.somebody_waits().await;
        let (before, is_closed) = what_comes(&mut stream).await;
        assert_eq!(
            (notes.summary().as_str(), is_closed),
            ("RR", false),
            "{name}"
        );
        if may_begin {
            assert!(before.starts_with(b"HTTP/1."), "nothing else waits: {name}");
        } else {
            // With the last frame its head, too, may still be in a buffer.
            let text = String::from_utf8_lossy(&before);
            assert!(
                before.is_empty() || !text.contains("whole"),
                "{name}: {text}"
            );
        }
        notes.open();
        let (after, is_closed) = what_comes(&mut stream).await;
        assert!(is_closed, "{name}");
        let ends_by_closing = line.ends_with("1.0");
        assert!(ends_by_closing || !after.is_empty(), "{name}");
        assert_eq!(notes.summary(), format!("RR RC({code})"), "{name}");
    }
}

#[tokio::test]
async fn an_answer_whose_event_must_be_kept_and_is_not_never_looks_complete() {
    for (name, line, code, headers, body, _) in cases() {
        let notes = Arc::new(Notes::refusing("ResponseComplete", true));
        let auditing = auditing(METADATA, &notes);
        let address = serve(audited(&auditing, answers(code, headers, body))).await;
        let head = format!("{line}\r\nhost: a\r\nconnection: close\r\n\r\n");
        let mut stream = connect(address, &head).await;
        let seen = String::from_utf8(what_comes(&mut stream).await.0).unwrap();
        assert_eq!(auditing.counters().answers_broken_off(), 1, "{name}");
        if matches!(
            name,
            "empty" | "empty, it says" | "no content" | "not modified" | "head"
        ) {
            assert!(seen.starts_with("HTTP/1.1 500"), "{name}: {seen}");
        } else if !seen.is_empty() && !line.ends_with("1.0") {
            // An old client cannot tell; the others miss the end of the chunks, or bytes that were announced.
            let ends = ["0\r\n\r\n", "half and half", "whole"];
            let is_complete = ends.iter().any(|end| seen.ends_with(end));
            assert!(!is_complete, "{name}: {seen}");
        }
    }
}

#[tokio::test]
async fn over_http_2_the_end_of_the_stream_waits() {
    for body in [
        Script::new([data("half "), data("and half")]),
        Script::knowing([data("half "), data("and half")]),
    ] {
        let notes = Arc::new(Notes::holding("ResponseComplete"));
        let service = audited(&auditing(METADATA, &notes), answers(200, &[], body));
        let stream = TcpStream::connect(serve(service).await).await.unwrap();
        let (mut client, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        let request = Request::get("http://a/api/v1/pods")
            .body(Script::knowing([]))
            .unwrap();
        let answer = client.send_request(request).await.unwrap();
        let mut whole = tokio::spawn(answer.into_body().collect());
        notes.somebody_waits().await;
        assert!(timeout(QUIET, &mut whole).await.is_err());
        notes.open();
        let whole = whole.await.unwrap().unwrap().to_bytes();
        assert_eq!(whole, "half and half");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_in_mid_answer_leaves_its_last_event() {
    let notes = Arc::new(Notes::holding("ResponseComplete"));
    let auditing = auditing(METADATA, &notes);
    let endless = Script::new([data("some"), Step::Hang]);
    let address = serve(audited(&auditing, answers(200, &[], endless))).await;
    let mut stream = connect(address, "GET /api/v1/pods HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(!what_comes(&mut stream).await.0.is_empty());
    drop(stream);
    notes.somebody_waits().await;
    let mut draining = tokio::spawn(async move { auditing.drain().await });
    assert!(
        timeout(QUIET, &mut draining).await.is_err(),
        "it is waited for"
    );
    notes.open();
    draining.await.unwrap();
    assert_eq!(notes.summary(), "RR RC(200)");
    assert!(*notes.is_shut.borrow());
}

#[tokio::test]
async fn a_body_that_a_real_server_reads_is_recorded_whole() {
    let pod = r#"{"kind":"Pod","metadata":{"name":"web"}}"#;
    let chunked = format!(
        "POST {PODS} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n",
        &pod[..5],
        pod.len() - 5,
        &pod[5..]
    );
    let announced = format!(
        "POST {PODS} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{pod}",
        pod.len()
    );
    for sent in [chunked, announced] {
        let notes = Arc::new(Notes::new());
        let service = service_fn(async |request: Request<AuditedRequestBody<Incoming>>| {
            let read = request.into_body().collect().await?.to_bytes();
            Ok::<_, hyper::Error>(answer(201, Script::knowing([Step::Data(read)])))
        });
        let address = serve(audited(&auditing(BODIES, &notes), service)).await;
        let mut stream = connect(address, &sent).await;
        what_comes(&mut stream).await;
        let last = notes.events().pop().unwrap();
        assert_eq!(last.request_object.as_deref(), Some(pod.as_bytes()));
        assert_eq!(last.response_object.as_deref(), Some(pod.as_bytes()));
        assert_eq!(last.object_ref.as_ref().unwrap().name, "web");
    }
}

#[tokio::test]
async fn the_head_of_a_watch_waits_for_its_event_too() {
    let notes = Arc::new(Notes::holding("ResponseStarted"));
    let endless = Script::new([data("{}"), Step::Hang]);
    let service = audited(&auditing(METADATA, &notes), answers(200, &[], endless));
    let head = format!("GET {WATCH} HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut stream = connect(serve(service).await, &head).await;
    notes.somebody_waits().await;
    assert_eq!(what_comes(&mut stream).await, (Vec::new(), false));
    notes.open();
    let (seen, is_closed) = what_comes(&mut stream).await;
    assert!(seen.ends_with(b"2\r\n{}\r\n") && !is_closed);
    assert_eq!(notes.summary(), "RR RS(200)");
}

#[tokio::test]
async fn an_upgraded_connection_is_over_when_its_hold_is_dropped() {
    let notes = Arc::new(Notes::new());
    let auditing = auditing(METADATA, &notes);
    let service = service_fn(async |mut request: Request<AuditedRequestBody<Incoming>>| {
        let hold = request.extensions().get().map(Recording::hold);
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut stream = TokioIo::new(upgrade.await.unwrap());
            let mut said = [0; 5];
            stream.read_exact(&mut said).await.unwrap();
            stream.write_all(&said).await.unwrap();
            let _ = stream.read(&mut said).await;
            drop(hold);
        });
        let mut answer = answer(101, Script::knowing([]));
        for (name, value) in [("connection", "upgrade"), ("upgrade", "SPDY/3.1")] {
            answer.headers_mut().insert(name, value.parse().unwrap());
        }
        Ok::<_, Infallible>(answer)
    });
    let address = serve(audited(&auditing, service)).await;
    let head = format!(
        "POST {EXEC} HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: SPDY/3.1\r\n\r\nhello"
    );
    let mut stream = connect(address, &head).await;
    let (seen, is_closed) = what_comes(&mut stream).await;
    let seen = String::from_utf8(seen).unwrap();
    assert!(
        seen.starts_with("HTTP/1.1 101") && seen.ends_with("hello"),
        "{seen}"
    );
    assert_eq!((notes.summary().as_str(), is_closed), ("RR RS(101)", false));
    drop(stream);
    auditing.drain().await;
    assert_eq!(notes.summary(), "RR RS(101) RC(101)");
}
