//! What of an answer's body is recorded, within which bounds.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::Request;
use http_body_util::BodyExt as _;
use kubevigil_record::auditing::{Auditing, Limits};
use kubevigil_record::event::UserInfo;
use kubevigil_record::layer::{AuditedRequestBody, Caller};
use tower::{ServiceExt as _, service_fn};

use crate::rig::*;

const MIB: usize = 1024 * 1024;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// A list that is about so long.
fn list(length: usize) -> Vec<u8> {
    format!(r#"{{"kind":"List","text":"{}"}}"#, "x".repeat(length)).into_bytes()
}

/// What is recorded of an answer; it always passes as it is.
async fn recorded(
    auditing: &Arc<Auditing>,
    notes: &Notes,
    headers: &str,
    body: Vec<u8>,
) -> Option<Bytes> {
    let frames: Vec<Step> = body
        .chunks(50_000)
        .map(|piece| Step::Data(Bytes::copy_from_slice(piece)))
        .collect();
    let mut given = answer(200, Script::new(frames));
    for (name, value) in headers
        .split_whitespace()
        .filter_map(|header| header.split_once('='))
    {
        let name: http::HeaderName = name.parse().unwrap();
        given.headers_mut().append(name, value.parse().unwrap());
    }
    let service = service_fn(move |_: Request<AuditedRequestBody<Script>>| {
        let given = given.clone();
        async { Ok::<_, io::Error>(given) }
    });
    let asked = request("GET", PODS, Script::default());
    let answer = audited(auditing, service).oneshot(asked).await.unwrap();
    let passed = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(passed == body, "it was changed: {headers}");
    notes.events().pop().unwrap().response_object.clone()
}

/// What an answer is, what is sent with it, its body, what is recorded, how many bodies are left out.
const ANSWERS: &str = "
    plain                  |                                       | small          | small | 0
    said to be JSON        | content-type=application/json;as=Table | small         | small | 0
    large                  |                                       | large          | large | 0
    announced              | content-length=300025                 | large          | large | 0
    gzip                   | content-encoding=gzip                 | gzip small     | small | 0
    gzip in capitals       | content-encoding=GZIP                 | gzip large     | large | 0
    gzip in two members    | content-encoding=gzip                 | members small  | small | 0
    identity               | content-encoding=identity             | small          | small | 0
    gzip that ends early   | content-encoding=gzip                 | cut large      |       | 1
    no gzip at all         | content-encoding=gzip                 | small          |       | 1
    a bomb                 | content-encoding=gzip                 | gzip bomb      |       | 1
    brotli                 | content-encoding=br                   | small          |       | 1
    twice                  | content-encoding=gzip content-encoding=gzip | gzip small |      | 1
    announced as too long  | content-length=20000000               | small          |       | 1
    too long               |                                       | bomb           |       | 1
    longer when written    |                                       | escapes        |       | 1
    no protobuf            | content-type=application/vnd.kubernetes.protobuf | small |      | 1
    no CBOR                | content-type=application/cbor         | small          |       | 1
    YAML that is JSON      | content-type=application/yaml         | small          | small | 0
    YAML in gzip           | content-type=application/yaml content-encoding=gzip | gzip yaml | small | 0
    a bomb of aliases      | content-type=application/yaml         | aliases        |       | 1
    no object              |                                       | text           |       | 0
";

fn made(words: &str) -> Vec<u8> {
    let (how, what) = words.split_once(' ').unwrap_or(("", words));
    let body = match what {
        "" => return Vec::new(),
        "small" => list(10),
        "large" => list(300_000),
        "bomb" => list(40 * MIB),
        "yaml" => b"kind: List\ntext: xxxxxxxxxx\n".to_vec(),
        "aliases" => {
            format!("kind: &a {}\nl: [{}]", "x".repeat(MIB), "*a,".repeat(20)).into_bytes()
        }
        "escapes" => format!(r#"{{"kind":"List","text":"{}"}}"#, "<".repeat(3 * MIB)).into_bytes(),
        _ => b"ok".to_vec(),
    };
    match how {
        "gzip" => gzip(&body),
        "cut" => gzip(&body)[..100].to_vec(),
        "members" => [gzip(&body[..5]), gzip(&body[5..])].concat(),
        _ => body,
    }
}

#[tokio::test]
async fn an_object_is_recorded_without_its_encoding_if_it_is_of_use() {
    for line in ANSWERS.trim().lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [name, headers, body, expected, dropped] = cells[..] else {
            panic!("five cells are needed: {line}");
        };
        let notes = Arc::new(Notes::new());
        let auditing = auditing(BODIES, &notes);
        let found = recorded(&auditing, &notes, headers, made(body)).await;
        let found = found.unwrap_or_default();
        assert!(found == made(expected), "{name}");
        let counted = auditing.counters().bodies_dropped();
        assert_eq!(counted, dropped.parse::<u64>().unwrap(), "{name}");
        assert_eq!(notes.summary(), "RR RC(200)", "{name}");
        let last = notes.events().pop().unwrap();
        let is_marked = last.annotations.contains_key("audit.k8s.io/truncated");
        assert_eq!(is_marked, counted > 0, "{name}");
        drop((found, last));
        notes.forget();
        assert_eq!(auditing.recorded_bytes(), 0, "{name}");
    }
}

#[tokio::test]
async fn at_level_metadata_no_answer_is_copied_but_a_status_is_read() {
    let notes = Arc::new(Notes::new());
    let auditing = auditing(METADATA, &notes);
    assert_eq!(recorded(&auditing, &notes, "", list(10)).await, None);
    let status = r#"{"kind":"Status","message":"no","reason":"Forbidden"}"#;
    let service = service_fn(move |_: Request<AuditedRequestBody<Script>>| async {
        Ok::<_, io::Error>(answer(403, Script::knowing([data(status)])))
    });
    let asked = request("GET", POD, Script::default());
    let answer = audited(&auditing, service).oneshot(asked).await.unwrap();
    answer.into_body().collect().await.unwrap();
    let last = notes.events().pop().unwrap();
    assert_eq!(last.response_status.as_ref().unwrap().reason, "Forbidden");
}

#[tokio::test]
async fn one_caller_cannot_keep_the_bodies_of_others_out_of_the_events() {
    let limits = Limits {
        recorded_body: 2 * MIB,
        recorded_bodies_in_all: 8 * MIB,
    };
    let notes = Arc::new(Notes::new());
    let auditing = limited(BODIES, &notes, limits);
    let ask = async |name: &str| {
        let service = service_fn(|_: Request<AuditedRequestBody<Script>>| async {
            let body = Step::Data(Bytes::from(list(MIB)));
            Ok::<_, io::Error>(answer(200, Script::new([body])))
        });
        let mut asked = request("GET", PODS, Script::default());
        let username = name.to_owned();
        asked.extensions_mut().insert(Caller::Known(UserInfo {
            username,
            ..UserInfo::default()
        }));
        let answer = audited(&auditing, service).oneshot(asked).await.unwrap();
        answer.into_body().collect().await.unwrap();
        notes.events().pop().unwrap().response_object.is_some()
    };
    // Every event that is recorded goes on taking room.
    let mut greedy = 0;
    for _ in 0..10 {
        greedy += usize::from(ask("greedy").await);
    }
    assert!((1..=4).contains(&greedy), "{greedy}");
    assert!(ask("jane").await);
    assert!(!ask("greedy").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_big_answers_share_one_budget() {
    let limits = Limits {
        recorded_body: 2 * MIB,
        recorded_bodies_in_all: 8 * MIB,
    };
    let notes = Arc::new(Notes::new());
    let auditing = limited(BODIES, &notes, limits);
    let most = Arc::new(AtomicUsize::new(0));
    let asking: Vec<_> = (0..100)
        .map(|_| {
            let (auditing, most) = (Arc::clone(&auditing), Arc::clone(&most));
            let service = service_fn(move |_: Request<AuditedRequestBody<Script>>| async {
                let body = list(MIB);
                let frames = body
                    .chunks(16_384)
                    .map(|piece| Step::Data(Bytes::copy_from_slice(piece)));
                Ok::<_, io::Error>(answer(200, Script::new(frames)))
            });
            tokio::spawn(async move {
                let asked = request("GET", PODS, Script::default());
                let answer = audited(&auditing, service).oneshot(asked).await.unwrap();
                let mut body = answer.into_body();
                let mut length = 0;
                while let Some(frame) = body.frame().await {
                    length += frame.unwrap().data_ref().unwrap().len();
                    most.fetch_max(auditing.recorded_bytes(), Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
                assert_eq!(length, list(MIB).len(), "every answer passes");
            })
        })
        .collect();
    for asked in asking {
        asked.await.unwrap();
    }
    auditing.drain().await;
    let most = most.load(Ordering::Relaxed);
    assert!(most <= 8 * MIB && most > MIB, "{most}");
    let events = notes.events();
    let complete = events
        .iter()
        .filter(|event| event.stage.as_str() == "ResponseComplete");
    let with_body = complete
        .clone()
        .filter(|event| event.response_object.is_some())
        .count();
    assert_eq!(complete.count(), 100);
    let dropped = auditing.counters().bodies_dropped();
    assert_eq!(
        with_body as u64 + dropped,
        100,
        "each is recorded, or counted"
    );
    assert!(with_body > 0 && dropped > 0, "{with_body}");
    let held = auditing.recorded_bytes();
    assert_eq!(
        held,
        with_body * list(MIB).len(),
        "events that are kept take room"
    );
    drop(events);
    notes.forget();
    assert_eq!(auditing.recorded_bytes(), 0);
}

/// A few kilobytes can be megabytes of JSON, and the thread of their connection has other requests to serve.
#[test]
fn large_and_compressed_answers_are_read_where_it_may_block() {
    for (headers, body, expected) in [
        ("", list(10), false),
        ("", list(300_000), true),
        ("content-encoding=gzip", gzip(&list(10)), true),
    ] {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().max_blocking_threads(1).build();
        let waits = runtime.unwrap().block_on(async {
            let notes = Arc::new(Notes::new());
            let auditing = auditing(BODIES, &notes);
            // Nothing else can block now.
            let (release, released) = std::sync::mpsc::channel::<()>();
            let blocked = tokio::task::spawn_blocking(move || released.recv());
            let mut reading = Box::pin(recorded(&auditing, &notes, headers, body));
            let patience = Duration::from_millis(100);
            let waits = tokio::time::timeout(patience, &mut reading).await.is_err();
            drop(release);
            assert!(blocked.await.unwrap().is_err());
            if waits {
                assert!(reading.await.is_some());
            }
            waits
        });
        assert_eq!(waits, expected, "{headers}");
    }
}
