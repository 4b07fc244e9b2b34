//! For any request, what the upstream sees is what the events say.

#![expect(clippy::expect_used, reason = "tests")]

#[path = "oracle/stack.rs"]
mod oracle;

use oracle::Sent;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const TARGETS: &[&str] = &[
    "/api",
    "/apis",
    "/v1",
    "/namespaces",
    "/dev",
    "/pods",
    "/web",
    "/exec",
    "/proxy",
    "/watch",
    "//",
    "/..",
    "/.",
    "/%2e%2e",
    "%2F",
    "%41",
    "%c3%a4",
    "%",
    "?",
    "?watch=1",
    "?timeout=1s",
    "?timeout=x",
    "&a=b",
    "*",
    "http://other",
    ";",
    "[",
    "\"",
    "|",
    "^",
    "`",
    "{}",
    "~",
    "'",
    "!",
    "\\",
];
const METHODS: &[&str] = &[
    "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "FOO", "get",
];
const HEADERS: &[&str] = &[
    "authorization",
    "audit-id",
    "impersonate-user",
    "impersonate-uid",
    "impersonate-group",
    "impersonate-extra-a",
    "impersonate-extra-%zz",
    "impersonate-extra-",
    "impersonate-else",
    "connection",
    "x-remote-user",
    "host",
    "transfer-encoding",
    "content-length",
    "x-forwarded-for",
    "user-agent",
];
const VALUES: &[&str] = &[
    "",
    "jane",
    "system:admin",
    " jane",
    "jane ",
    "Bearer jane",
    "Bearer ",
    "Basic YTpi",
    "Impersonate-User",
    "close",
    "chunked",
    "identity",
    "0",
    "1",
    "system:serviceaccount:dev:web",
    "system:anonymous",
    "\u{e4}",
    "a,b",
];

fn requests() -> impl Strategy<Value = Sent> {
    let value = prop_oneof![
        4 => select(VALUES).prop_map(|value| value.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..20),
    ];
    let header = (select(HEADERS), value).prop_map(|(name, value)| (name.to_owned(), value));
    let target = vec(select(TARGETS), 1..8).prop_map(|pieces| pieces.concat());
    (select(METHODS), target, vec(header, 0..6), any::<bool>()).prop_map(
        |(method, target, headers, impersonate)| Sent {
            method: method.to_owned(),
            target,
            headers,
            impersonate,
        },
    )
}

fn check(request: &Sent) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(request.check())
}

#[test]
fn ordinary_requests_come_through() {
    let requests = [
        "GET /api/v1/pods",
        "GET http://gateway#part",
        "GET /api/v1/pods\nimpersonate-user:jane",
        "!GET /api/v1/pods\nauthorization:Bearer jane",
        "!GET /api/v1/pods?watch=1\nimpersonate-user:system:serviceaccount:dev:web\nimpersonate-extra-a:b",
    ];
    for request in requests {
        assert!(check(&Sent::read(request.as_bytes())), "{request}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_the_upstream_sees_is_what_the_events_say(request in requests()) {
        check(&request);
    }

    #[test]
    fn any_bytes_are_a_request_or_none(text in vec(any::<u8>(), 0..200)) {
        check(&Sent::read(&text));
    }
}
