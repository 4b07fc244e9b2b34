//! For any request the events are well-formed.

#![expect(clippy::expect_used, reason = "tests")]

#[path = "oracle/request.rs"]
mod oracle;

use oracle::Exchange;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Pieces of which targets are made, ordinary and hostile.
const PIECES: &[&str] = &[
    "/api",
    "/apis",
    "/v1",
    "/namespaces",
    "/dev",
    "/pods",
    "/web",
    "/exec",
    "/log",
    "/proxy",
    "/watch",
    "//",
    "/..",
    "/%2e%2e",
    "%2F",
    "%",
    "%zz",
    "?",
    "?watch=1",
    "&fieldSelector=metadata.name%3Dx",
    "?timeout=1s",
    "#",
    "\u{e4}",
    "<script>",
    "&",
    "\"",
    "\\",
    "\u{2028}",
    ";",
    " ",
];
const METHODS: &[&str] = &[
    "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "FOO", "get", "",
];
const HEADERS: &[&str] = &[
    "audit-id",
    "user-agent",
    "x-forwarded-for",
    "x-real-ip",
    "impersonate-user",
    "bad name",
];
const BODIES: &[&str] = &[
    "",
    "{}",
    "[]",
    "null",
    "1e999",
    "{\"kind\":\"Status\",\"message\":\"<&>\u{2028}\",\"code\":1}",
    "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"web\",\"uid\":\"\\ud800\",\"managedFields\":[]}}",
    "{\"kind\":\"Status\",\"details\":{\"name\":\"x\"}}",
    "apiVersion: v1",
    "{\"a\":\"\n\"}",
    "{} {}",
    "[[[[[[",
];

fn exchanges() -> impl Strategy<Value = Exchange> {
    let target = vec(select(PIECES), 0..12).prop_map(|pieces| pieces.concat());
    let header = (select(HEADERS), vec(any::<u8>(), 0..40))
        .prop_map(|(name, value)| (name.to_owned(), value));
    let body = || {
        prop_oneof![
            select(BODIES).prop_map(|body| body.as_bytes().to_vec()),
            vec(any::<u8>(), 0..40),
        ]
    };
    let outcome = (
        prop_oneof![
            select(vec![101, 200, 201, 400, 403, 404, 406, 422, 429, 500]),
            100..1000_u16
        ],
        body(),
        any::<bool>(),
    );
    (
        select(METHODS),
        target,
        vec(header, 0..4),
        any::<Option<String>>(),
        body(),
        outcome,
    )
        .prop_map(
            |(method, target, headers, user, body, (code, answer, panics))| Exchange {
                method: method.to_owned(),
                target,
                headers,
                user,
                body,
                code,
                answer,
                panics,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn any_request_leaves_events_as_a_server_writes_them(exchange in exchanges()) {
        exchange.check();
    }

    #[test]
    fn any_bytes_are_a_request_or_none(text in vec(any::<u8>(), 0..200)) {
        Exchange::read(&text).check();
    }
}
