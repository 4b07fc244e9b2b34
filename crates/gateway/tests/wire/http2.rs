//! What only HTTP/2 allows: many requests at once on one connection, and taking them back.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::authority::Authority;
use crate::certificates::secure;
use crate::stage::{Files, Stage, eventually};

type Sender = SendRequest<Empty<Bytes>>;

async fn stage() -> (Stage, Authority) {
    let authority = Authority::new("servers");
    let files = Files::new(&authority.server());
    let stage = Stage::with(|config| {
        config.tls = Some(files.tls());
        config.stall_timeout_seconds = 1;
    })
    .await;
    (stage, authority)
}

async fn sender(stage: &Stage, authority: &Authority) -> Sender {
    let stream = secure(stage, authority, None, b"h2").await.unwrap();
    let io = TokioIo::new(stream);
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), io);
    let (sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    sender
}

fn get(path: &str) -> http::request::Builder {
    Request::get(format!("https://a{path}"))
}

async fn status(sender: &mut Sender, request: http::request::Builder) -> Option<StatusCode> {
    let request = request.body(Empty::new()).unwrap();
    let answer = sender.send_request(request).await.ok()?;
    Some(answer.status())
}

#[tokio::test]
async fn header_floods_are_answered_with_431_or_not_at_all() {
    let (stage, authority) = stage().await;
    let mut many = get("/many");
    for number in 0..300 {
        many = many.header(format!("x-{number}"), "a");
    }
    let mut sender = sender(&stage, &authority).await;
    let code = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    assert_eq!(status(&mut sender, many).await, Some(code));

    let mut long = get("/long");
    for number in 0..20 {
        long = long.header(format!("x-{number}"), "a".repeat(10_000));
    }
    let answered = status(&mut sender, long).await;
    assert!(
        answered.is_none_or(|answered| answered == code),
        "{answered:?}"
    );
    assert!(stage.upstream.seen().is_empty());
}

#[tokio::test]
async fn a_hundred_watches_share_a_connection_with_other_requests() {
    let (stage, authority) = stage().await;
    let mut sender = sender(&stage, &authority).await;
    let mut watches = Vec::new();
    for _ in 0..100 {
        let watch = get("/api/v1/pods?watch=1").body(Empty::new()).unwrap();
        let mut answer = sender.send_request(watch).await.unwrap();
        answer.frame().await.unwrap().unwrap();
        watches.push(answer);
    }
    assert_eq!(status(&mut sender, get("/a")).await, Some(StatusCode::OK));
    assert_eq!(stage.handle.counters().connections.get(), 1);
    drop(watches);
    eventually("a hundred ends", || {
        let lines = stage.log.lines();
        lines
            .iter()
            .filter(|line| line.starts_with("ResponseComplete"))
            .count()
            == 101
    })
    .await;
}

#[tokio::test]
async fn requests_that_are_taken_back_at_once_harm_nobody_and_are_recorded() {
    let (stage, authority) = stage().await;
    let mut flood = sender(&stage, &authority).await;
    for number in 0..1000 {
        let request = get(&format!("/flood/{number}?slow=1")).body(Empty::new());
        if flood.ready().await.is_err() {
            break;
        }
        let answer = flood.send_request(request.unwrap());
        tokio::select! {
            biased;
            _ = answer => {}
            () = tokio::task::yield_now() => {}
        }
    }
    let mut other = sender(&stage, &authority).await;
    assert_eq!(status(&mut other, get("/a")).await, Some(StatusCode::OK));
    let counters = stage.handle.counters();
    eventually("an event for each request", || {
        stage.log.events().len() as u64 == counters.requests.get()
    })
    .await;
    let recorded: Vec<String> = stage
        .log
        .events()
        .iter()
        .map(|event| event.request_uri.clone())
        .collect();
    for seen in stage.upstream.seen() {
        assert!(recorded.contains(&seen.target().to_owned()));
    }
}

#[tokio::test]
async fn a_stream_whose_answer_nobody_takes_ends_its_connection() {
    let (stage, authority) = stage().await;
    let mut sender = sender(&stage, &authority).await;
    let request = get("/a?watch=1&endless=1").body(Empty::new()).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let slow_readers = || stage.handle.counters().slow_readers.get();
    eventually("a slow reader", || slow_readers() == 1).await;
    eventually("an event", || stage.log.events().len() == 1).await;
    drop(answer);
}
