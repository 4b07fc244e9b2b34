//! What of a request's body is recorded, and that nothing else becomes of it.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use kubevigil_record::auditing::Limits;
use kubevigil_record::layer::AuditedRequestBody;
use tower::{ServiceExt as _, service_fn};

use crate::rig::*;

const POD_JSON: &str = r#"{"kind":"Pod","metadata":{"name":"web"}}"#;

/// How a service treats the body, and whether it is recorded then.
#[derive(Clone, Copy, Debug)]
enum Reads {
    /// To the end of the stream.
    All,
    /// So many frames, and drops the rest.
    Frames(usize),
}

async fn recorded(sent: Script, length: Option<usize>, reads: Reads) -> Option<Bytes> {
    let notes = Arc::new(Notes::new());
    let auditing = auditing(BODIES, &notes);
    let service = service_fn(
        move |request: Request<AuditedRequestBody<Script>>| async move {
            let mut body = request.into_body();
            let most = match reads {
                Reads::All => usize::MAX,
                Reads::Frames(number) => number,
            };
            let mut number = 0;
            while number < most
                && let Some(frame) = body.frame().await
            {
                frame?;
                number += 1;
            }
            Ok::<_, io::Error>(answer(201, Script::knowing([])))
        },
    );
    let mut request = request("POST", PODS, sent);
    if let Some(length) = length {
        request
            .headers_mut()
            .insert("content-length", length.into());
    }
    drop(audited(&auditing, service).oneshot(request).await);
    auditing.drain().await;
    assert_eq!(auditing.recorded_bytes(), 0);
    notes.events().pop().unwrap().request_object.clone()
}

#[tokio::test]
async fn a_body_is_recorded_if_all_of_it_came_by() {
    let halves = || [data(&POD_JSON[..9]), data(&POD_JSON[9..])];
    let length = Some(POD_JSON.len());
    let trailers = Script::new(
        halves()
            .into_iter()
            .chain([Step::Trailers(HeaderMap::new())]),
    );
    let aborted = Script::new([data(&POD_JSON[..9]), Step::Fail]);
    let cases = [
        (
            "read to the end",
            Script::new(halves()),
            None,
            Reads::All,
            true,
        ),
        (
            "all that was announced",
            Script::new(halves()),
            length,
            Reads::Frames(2),
            true,
        ),
        (
            "all that the body knows of",
            Script::knowing(halves()),
            None,
            Reads::Frames(2),
            true,
        ),
        (
            "with trailers",
            trailers.clone(),
            None,
            Reads::Frames(3),
            true,
        ),
        ("not its trailers", trailers, None, Reads::Frames(2), false),
        (
            "not its end",
            Script::new(halves()),
            None,
            Reads::Frames(2),
            false,
        ),
        (
            "half of it",
            Script::knowing(halves()),
            length,
            Reads::Frames(1),
            false,
        ),
        (
            "nothing of it",
            Script::knowing(halves()),
            length,
            Reads::Frames(0),
            false,
        ),
        ("the client aborts", aborted, None, Reads::All, false),
    ];
    for (name, sent, length, reads, is_recorded) in cases {
        let found = recorded(sent, length, reads).await;
        assert_eq!(found.is_some(), is_recorded, "{name}");
        assert!(found.is_none_or(|found| found == POD_JSON), "{name}");
    }
}

#[tokio::test]
async fn everything_passes_as_it_was_sent() {
    let mut trailers = HeaderMap::new();
    trailers.insert("checksum", "1".parse().unwrap());
    let notes = Arc::new(Notes::new());
    let auditing = auditing(BODIES, &notes);
    let service = service_fn(async |request: Request<AuditedRequestBody<Script>>| {
        let mut body = request.into_body();
        let mut steps = Vec::new();
        while let Some(frame) = body.frame().await {
            steps.push(match frame?.into_data() {
                Ok(data) => Step::Data(data),
                Err(frame) => Step::Trailers(frame.into_trailers().unwrap()),
            });
        }
        Ok::<_, io::Error>(answer(200, Script::new(steps)))
    });
    let steps = [
        data("a"),
        data(""),
        data("bc"),
        Step::Trailers(trailers.clone()),
    ];
    let asked = request("PUT", POD, Script::new(steps));
    let answer = audited(&auditing, service).oneshot(asked).await.unwrap();
    let whole = answer.into_body().collect().await.unwrap();
    assert_eq!(whole.trailers(), Some(&trailers));
    assert_eq!(whole.to_bytes(), "abc");
    assert_eq!(notes.summary(), "RR RC(200)");
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_let_go_at_once_and_passes() {
    let limits = Limits {
        recorded_body: 1_000,
        ..Limits::default()
    };
    let notes = Arc::new(Notes::new());
    let auditing = limited(BODIES, &notes, limits);
    let inside = Arc::clone(&auditing);
    let service = service_fn(move |request: Request<AuditedRequestBody<Script>>| {
        let auditing = Arc::clone(&inside);
        async move {
            let mut body = request.into_body();
            let (mut held, mut length) = (Vec::new(), 0);
            while let Some(frame) = body.frame().await {
                length += frame?.data_ref().map_or(0, Bytes::len);
                held.push(auditing.recorded_bytes() >= length);
            }
            assert_eq!((length, held), (1_600, vec![true, true, false, false]));
            Ok::<_, io::Error>(answer(200, Script::knowing([])))
        }
    });
    let frame = || Step::Data(Bytes::from(vec![b' '; 400]));
    let sent = request(
        "PUT",
        POD,
        Script::new([frame(), frame(), frame(), frame()]),
    );
    audited(&auditing, service).oneshot(sent).await.unwrap();
    assert_eq!(notes.events()[1].request_object, None);
    assert_eq!(auditing.counters().bodies_dropped(), 1);
}

#[tokio::test]
async fn what_cannot_be_json_or_is_announced_as_too_long_is_not_even_copied() {
    let long = 4 * 1024 * 1024;
    for (name, value) in [
        ("content-type", "application/vnd.kubernetes.protobuf"),
        ("content-type", "application/CBOR"),
        ("content-length", "4194304"),
    ] {
        let notes = Arc::new(Notes::new());
        let auditing = auditing(BODIES, &notes);
        let inside = Arc::clone(&auditing);
        let service = service_fn(move |request: Request<AuditedRequestBody<Script>>| {
            let auditing = Arc::clone(&inside);
            async move {
                let mut body = request.into_body();
                body.frame().await;
                assert_eq!(auditing.recorded_bytes(), 0);
                Ok::<_, io::Error>(answer(200, Script::knowing([])))
            }
        });
        let body = Script::new([Step::Data(Bytes::from(vec![b'1'; long]))]);
        let mut request = request("PUT", POD, body);
        request.headers_mut().insert(name, value.parse().unwrap());
        audited(&auditing, service).oneshot(request).await.unwrap();
        assert_eq!(notes.summary(), "RR RC(200)", "{value}");
        assert_eq!(
            auditing.counters().bodies_dropped(),
            0,
            "the server would not record it"
        );
    }
}
