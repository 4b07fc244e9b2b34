//! Bodies in YAML, CBOR and protobuf: recorded as JSON, as a server does.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt as _;
use kubevigil_record::auditing::{Auditing, Limits};
use kubevigil_record::event::AuditEvent;
use kubevigil_record::layer::AuditedRequestBody;
use tower::{ServiceExt as _, service_fn};

use crate::rig::*;

const POD_JSON: &str = r#"{"kind":"Pod","metadata":{"name":"web","uid":"1"}}"#;
const POD_YAML: &str = "kind: Pod\nmetadata: &m\n  name: web\n  uid: '1'\n";
/// The same in CBOR, with byte strings as Kubernetes writes it.
const POD_CBOR: &[u8] =
    b"\xd9\xd9\xf7\xa2\x44kind\x43Pod\x48metadata\xa2\x44name\x43web\x43uid\x411";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const REFUSED: &str = r#"{"kind":"Status","status":"Failure","message":"the object provided is unrecognized (must be of type ","code":400}"#;

/// A request: method, path, label, body; and its answer: code, label, body.
type Exchange<'e> = ([&'e str; 3], &'e [u8], u16, &'e str, &'e [u8]);

/// The last event of a request, and how many bodies were left out.
async fn last_event(
    auditing: &Arc<Auditing>,
    notes: &Notes,
    exchange: Exchange<'_>,
) -> Arc<AuditEvent> {
    let ([method, path, label], body, code, answer_label, answer_body) = exchange;
    let (answer_label, answer_body) =
        (answer_label.to_owned(), Bytes::copy_from_slice(answer_body));
    let service = service_fn(move |request: Request<AuditedRequestBody<Script>>| {
        let (label, body) = (answer_label.clone(), answer_body.clone());
        async move {
            read(request).await?;
            let mut given = answer(code, Script::new([Step::Data(body)]));
            given
                .headers_mut()
                .insert("content-type", label.parse().unwrap());
            Ok::<_, io::Error>(given)
        }
    });
    let sent = Script::new(
        body.chunks(7)
            .map(|piece| Step::Data(Bytes::copy_from_slice(piece))),
    );
    let mut asked = request(method, path, sent);
    asked
        .headers_mut()
        .insert("content-type", label.parse().unwrap());
    let answer = audited(auditing, service).oneshot(asked).await.unwrap();
    answer.into_body().collect().await.unwrap();
    notes.events().pop().unwrap()
}

async fn event(rules: &str, exchange: Exchange<'_>) -> (Arc<AuditEvent>, u64) {
    let notes = Arc::new(Notes::new());
    let auditing = auditing(rules, &notes);
    let last = last_event(&auditing, &notes, exchange).await;
    (last, auditing.counters().bodies_dropped())
}

fn is_marked(event: &AuditEvent) -> bool {
    event.annotations.contains_key("audit.k8s.io/truncated")
}

/// One field of a protobuf message that is bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [
        &[number << 3 | 2, u8::try_from(bytes.len()).unwrap()],
        bytes,
    ]
    .concat()
}

/// An object in Kubernetes' envelope.
fn envelope(version: &str, kind: &str, object: &[u8]) -> Vec<u8> {
    let of_type = [field(1, version.as_bytes()), field(2, kind.as_bytes())].concat();
    [b"k8s\0".to_vec(), field(1, &of_type), field(2, object)].concat()
}

#[tokio::test]
async fn requests_in_other_formats_are_recorded_as_json_and_name_their_object() {
    let created = envelope(
        "v1",
        "Pod",
        &field(1, &[field(1, b"web"), field(5, b"1")].concat()),
    );
    let cases: [(&str, &[u8]); 5] = [
        ("application/json", POD_JSON.as_bytes()),
        ("application/yaml", POD_YAML.as_bytes()),
        ("application/yaml; charset=utf-8", POD_JSON.as_bytes()),
        ("application/cbor", POD_CBOR),
        (PROTOBUF, &created),
    ];
    for (label, body) in cases {
        for rules in [BODIES, METADATA] {
            let exchange = (["POST", PODS, label], body, 201, "text/plain", &b"ok"[..]);
            let (last, dropped) = event(rules, exchange).await;
            let object = last.object_ref.as_ref().unwrap();
            assert_eq!(
                (object.name.as_str(), object.uid.as_str()),
                ("web", "1"),
                "{label}"
            );
            assert_eq!((dropped, is_marked(&last)), (0, false), "{label}");
            let recorded = last.request_object.as_deref();
            assert_eq!(recorded.is_some(), rules == BODIES, "{label}");
            let text = recorded.map_or(POD_JSON, |body| std::str::from_utf8(body).unwrap());
            assert!(
                text.starts_with(r#"{"kind":"Pod","#) && text.contains(r#""name":"web""#),
                "{label}: {text}"
            );
        }
    }
}

#[tokio::test]
async fn what_a_body_says_several_times_or_not_at_all_is_what_the_server_reads() {
    const TWICE: &str = r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web"},"spec":{"hostNetwork":true},"spec":{"nodeName":"a"}}"#;
    const THINGS: &str = "/apis/example.com/v1/namespaces/dev/things";
    let nameless = envelope("", "", &field(1, &field(1, b"web")));
    let json = "application/json";
    let cases: [(_, _, _, &[u8], _); 4] = [
        (
            "POST",
            PODS,
            json,
            TWICE.as_bytes(),
            r#""spec":{"hostNetwork":true,"nodeName":"a"}"#,
        ),
        (
            "PATCH",
            POD,
            "application/merge-patch+json",
            TWICE.as_bytes(),
            TWICE,
        ),
        (
            "POST",
            THINGS,
            json,
            br#"{"kind":"Thing","spec":{"a":1},"spec":{"b":1}}"#,
            r#""spec":{"a":1},"spec":{"b":1}"#,
        ),
        ("POST", PODS, PROTOBUF, &nameless, r#""kind":"Pod""#),
    ];
    for (method, path, label, body, expected) in cases {
        let exchange = ([method, path, label], body, 201, "text/plain", &b"ok"[..]);
        let (last, dropped) = event(BODIES, exchange).await;
        let found = last.request_object.as_deref().unwrap_or_default();
        let found = std::str::from_utf8(found).unwrap();
        assert!(found.contains(expected), "{method} {path}: {found}");
        assert_eq!((dropped, is_marked(&last)), (0, false));
    }
}

#[tokio::test]
async fn patches_in_other_formats_are_recorded_as_json() {
    let cases: [(&str, &[u8]); 3] = [
        ("application/apply-patch+yaml", POD_YAML.as_bytes()),
        ("application/apply-patch+yaml", POD_JSON.as_bytes()),
        ("application/apply-patch+cbor", POD_CBOR),
    ];
    for (label, body) in cases {
        let exchange = (["PATCH", POD, label], body, 200, "text/plain", &b"ok"[..]);
        let (last, dropped) = event(BODIES, exchange).await;
        assert_eq!(
            last.request_object.as_deref(),
            Some(POD_JSON.as_bytes()),
            "{label}"
        );
        assert_eq!((dropped, is_marked(&last)), (0, false));
    }
}

#[tokio::test]
async fn answers_in_other_formats_say_how_it_ended() {
    let status = [
        field(2, b"Failure"),
        field(3, b"no such pod"),
        field(4, b"NotFound"),
    ]
    .concat();
    let status = envelope("v1", "Status", &status);
    let yaml = "kind: Status\nstatus: Failure\nmessage: no such pod\nreason: NotFound\n";
    let cbor = b"\xa4\x44kind\x46Status\x46status\x47Failure\x47message\x4bno such pod\x46reason\x48NotFound";
    let cases: [(&str, &[u8]); 3] = [
        (PROTOBUF, &status),
        ("application/yaml", yaml.as_bytes()),
        ("application/cbor", cbor),
    ];
    for (label, body) in cases {
        for rules in [BODIES, METADATA] {
            let exchange = (["GET", POD, "application/json"], &b""[..], 404, label, body);
            let (last, _) = event(rules, exchange).await;
            let found = last.response_status.as_ref().unwrap();
            let found = (found.code, found.reason.as_str(), found.message.as_str());
            assert_eq!(found, (404, "NotFound", "no such pod"), "{label}");
            assert_eq!(last.response_object.is_some(), rules == BODIES, "{label}");
        }
    }
}

#[tokio::test]
async fn a_refusal_in_protobuf_was_negotiated() {
    let message =
        b"only the following media types are accepted: application/vnd.kubernetes.protobuf";
    let status = [field(2, b"Failure"), field(3, message)].concat();
    let protobuf = envelope("v1", "Status", &status);
    let json = format!(
        r#"{{"kind":"Status","message":"{}"}}"#,
        message.escape_ascii()
    );
    for (label, body, is_recorded) in [
        (PROTOBUF, &protobuf[..], true),
        ("application/json", json.as_bytes(), false),
    ] {
        let exchange = (["GET", POD, "application/json"], &b""[..], 406, label, body);
        let (last, _) = event(BODIES, exchange).await;
        assert_eq!(last.response_object.is_some(), is_recorded, "{label}");
        let status = last.response_status.as_ref().unwrap();
        assert_eq!(!status.message.is_empty(), is_recorded, "{label}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_left_out_and_the_event_says_so() {
    let unknown = envelope("example.com/v1", "Thing", &field(1, b"x"));
    let ok = ("application/json", &br#"{"kind":"Pod"}"#[..]);
    let refused = ("application/json", REFUSED.as_bytes());
    let sent: [(&str, &[u8], _, _, _); 6] = [
        (PROTOBUF, &unknown, 201, ok, true),
        ("application/yaml", b"a: &b [*b]", 201, ok, true),
        ("application/cbor", b"\xa1", 201, ok, true),
        ("application/json", b"{", 201, ok, false),
        // The server could not read them either.
        ("application/yaml", b"a: b: c", 400, refused, false),
        (PROTOBUF, &unknown, 415, refused, false),
    ];
    for (label, body, code, (answer_label, answer_body), is_left_out) in sent {
        let exchange = (["POST", PODS, label], body, code, answer_label, answer_body);
        let (last, dropped) = event(BODIES, exchange).await;
        assert_eq!(last.request_object, None, "{label}");
        assert!(last.response_object.is_some(), "{label}");
        let found = (is_marked(&last), dropped);
        assert_eq!(
            found,
            (is_left_out, u64::from(is_left_out)),
            "{label} {code}"
        );
    }
    for (rules, marks) in [(BODIES, 1), (METADATA, 0)] {
        let exchange = (
            ["POST", PODS, "application/json"],
            POD_JSON.as_bytes(),
            201,
            PROTOBUF,
            &unknown[..],
        );
        let (last, dropped) = event(rules, exchange).await;
        assert_eq!(
            (u64::from(is_marked(&last)), dropped),
            (marks, marks),
            "{rules}"
        );
        assert_eq!(
            (last.request_object.is_some(), &last.response_object),
            (marks == 1, &None)
        );
    }
}

#[tokio::test]
async fn the_room_for_json_is_bounded_and_given_back() {
    let limits = Limits {
        recorded_body: 100_000,
        // One caller gets half of it.
        recorded_bodies_in_all: 500_000,
    };
    // `[null,null…]` is five times as long as its CBOR.
    let list = |length: usize| [&b"\x9f"[..], &b"\xf6".repeat(length), b"\xff"].concat();
    for (length, is_recorded) in [
        (10, true),
        (5_000, true),
        (19_000, true),
        (20_001, false),
        (60_000, false),
    ] {
        let notes = Arc::new(Notes::new());
        let auditing = limited(BODIES, &notes, limits);
        let body = list(length);
        let exchange = (
            ["PATCH", POD, "application/apply-patch+cbor"],
            &body[..],
            200,
            "text/plain",
            &b"ok"[..],
        );
        let last = last_event(&auditing, &notes, exchange).await;
        assert_eq!(last.request_object.is_some(), is_recorded, "{length}");
        assert_eq!(is_marked(&last), !is_recorded, "{length}");
        let held = last.request_object.as_ref().map_or(0, Bytes::len);
        assert_eq!(auditing.recorded_bytes(), held, "{length}");
        drop(last);
        notes.forget();
        assert_eq!(auditing.recorded_bytes(), 0, "{length}");
    }
}
