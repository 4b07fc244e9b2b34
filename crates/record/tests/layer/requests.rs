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
    let last = notes.events().pop().unwrap();
    let body = last.request_object.as_deref().map(Bytes::copy_from_slice);
    let length = body.as_ref().map_or(0, Bytes::len);
    assert_eq!(auditing.recorded_bytes(), length, "the event holds it");
    drop(last);
    notes.forget();
    assert_eq!(auditing.recorded_bytes(), 0);
    body
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

/// Whether a body of so many bytes, all the same, is copied while it passes: its first byte, headers.
async fn is_copied(byte: u8, length: usize, header: (&'static str, &'static str)) -> bool {
    let notes = Arc::new(Notes::new());
    let auditing = auditing(BODIES, &notes);
    let inside = Arc::clone(&auditing);
    let (give, mut given) = tokio::sync::mpsc::unbounded_channel();
    let service = service_fn(move |request: Request<AuditedRequestBody<Script>>| {
        let (auditing, give) = (Arc::clone(&inside), give.clone());
        async move {
            let mut body = request.into_body();
            body.frame().await.unwrap()?;
            give.send(auditing.recorded_bytes() > 0).unwrap();
            Ok::<_, io::Error>(answer(200, Script::knowing([])))
        }
    });
    let body = Script::new([Step::Data(Bytes::from(vec![byte; length])), data("1")]);
    let mut request = request("PUT", POD, body);
    request
        .headers_mut()
        .insert(header.0, header.1.parse().unwrap());
    audited(&auditing, service).oneshot(request).await.unwrap();
    assert_eq!(notes.summary(), "RR RC(200)");
    let dropped = auditing.counters().bodies_dropped();
    assert_eq!(dropped, 0, "not all of it came by");
    given.recv().await.unwrap()
}

#[tokio::test]
async fn what_its_label_calls_json_and_cannot_be_is_not_copied() {
    let cases = [
        (b'1', 10, ("content-type", "application/json"), true),
        (
            b'1',
            10,
            ("content-type", "application/vnd.kubernetes.protobuf"),
            true,
        ),
        (b'1', 10, ("content-encoding", "br"), true),
        (b' ', 10, ("accept", "*/*"), true),
        (b'k', 10, ("content-type", "application/json"), false),
        (b'\xd9', 10, ("content-type", "application/json"), false),
        (b'k', 10, ("content-type", "application/yaml"), true),
        (b'\xd9', 10, ("content-type", "application/cbor"), true),
        (b'1', 4_000_000, ("accept", "*/*"), false),
        (b'1', 10, ("content-length", "4000000"), false),
    ];
    for (byte, length, header, expected) in cases {
        let found = is_copied(byte, length, header).await;
        assert_eq!(found, expected, "{byte} {length} {header:?}");
    }
}

#[tokio::test]
async fn an_event_says_that_a_body_was_left_out() {
    let limits = Limits {
        recorded_body: 10,
        ..Limits::default()
    };
    for (rules, expected) in [(BODIES, 1), (METADATA, 0)] {
        let notes = Arc::new(Notes::new());
        let auditing = limited(rules, &notes, limits);
        let service = service_fn(async |request: Request<AuditedRequestBody<Script>>| {
            read(request).await?;
            Ok::<_, io::Error>(answer(201, Script::knowing([])))
        });
        let asked = request("POST", PODS, Script::new([data(POD_JSON)]));
        audited(&auditing, service).oneshot(asked).await.unwrap();
        let last = notes.events().pop().unwrap();
        let marks = last.annotations.get("audit.k8s.io/truncated");
        assert_eq!(marks.map_or(0, |_| 1), expected, "{rules}");
    }
}
