//! Requests that two readers might understand differently. Whatever the gateway makes of one: what the upstream sees, byte by
//! byte, is what the audit log says, and nothing hidden in it is ever a request of its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::raw_upstream::Seen;
use crate::stage::{Stage, eventually};

/// What comes behind the first request of most cases. It must not reach the upstream unless it is a request in its own right.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";

/// A name, the bytes before [`HIDDEN`], and the status lines of all answers. A second 200 is that of `/hidden`: then it was a request of
/// its own, and is in the log as such.
const CASES: &[(&str, &str, &[u16])] = &[
    (
        "both lengths",
        "POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        &[200],
    ),
    (
        "both lengths, turned round",
        "POST /one HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        &[200],
    ),
    (
        "two lengths that differ",
        "POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 33\r\n\r\n",
        &[400],
    ),
    (
        "two lengths in one line",
        "POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 33\r\n\r\n",
        &[400],
    ),
    (
        "the same length twice",
        "POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        &[200, 200],
    ),
    (
        "a length with a sign",
        "POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: +33\r\n\r\n",
        &[400],
    ),
    (
        "a negative length",
        "POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        &[400],
    ),
    (
        "a hexadecimal length",
        "POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: 0x21\r\n\r\n",
        &[400],
    ),
    (
        "an empty length",
        "POST /one HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
        &[400],
    ),
    (
        "a length beyond all numbers",
        "POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        &[400],
    ),
    (
        "a length with an underscore",
        "POST /one HTTP/1.1\r\nHost: a\r\nContent_Length: 33\r\n\r\n",
        &[200, 200],
    ),
    (
        "a body of a GET",
        "GET /one HTTP/1.1\r\nHost: a\r\nContent-Length: 33\r\n\r\n",
        &[200],
    ),
    (
        "chunked twice",
        "POST /one HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "chunked in two lines",
        "POST /one HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "identity and chunked",
        "POST /one HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "chunked, then something else",
        "POST /one HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "nearly chunked",
        "POST /one HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "chunked behind a tab",
        "POST /one HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n",
        &[200, 200],
    ),
    (
        "chunked behind a vertical tab",
        "POST /one HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "chunked in quotes",
        "POST /one HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "a space before the colon",
        "POST /one HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "chunked in HTTP/1.0",
        "POST /one HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "a folded line",
        "POST /one HTTP/1.1\r\nHost: a\r\nX: b\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "a folded transfer encoding",
        "POST /one HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "NUL in a value",
        "POST /one HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        &[400],
    ),
    (
        "NUL in a name",
        "POST /one HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n",
        &[400],
    ),
    (
        "a bare CR in a value",
        "POST /one HTTP/1.1\r\nHost: a\r\nX: a\rContent-Length: 33\r\n\r\n",
        &[400],
    ),
    (
        "a bare LF that hides a request",
        "GET /one HTTP/1.1\r\nHost: a\r\nX: b\nGET /hidden HTTP/1.1\r\n\r\n",
        &[400],
    ),
    (
        "two hosts",
        "GET /one HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        &[400],
    ),
    ("no host", "GET /one HTTP/1.1\r\n\r\n", &[400]),
    (
        "a space in the target",
        "GET /one /hidden HTTP/1.1\r\nHost: a\r\n\r\n",
        &[400],
    ),
    ("no version", "GET /one\r\nHost: a\r\n\r\n", &[400]),
    (
        "a chunk size that is none",
        "POST /one HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        &[400],
    ),
    (
        "a chunk size with a sign",
        "POST /one HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
        &[400],
    ),
    (
        "a hexadecimal prefix",
        "POST /one HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "a chunk beyond all numbers",
        "POST /one HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n100000000000000005\r\nhello\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "a chunk without its end",
        "POST /one HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n",
        &[400],
    ),
    (
        "a bare LF behind a chunk's extension",
        "POST /one HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;\nhello\r\n0\r\n\r\n",
        &[400],
    ),
    (
        "a request that waits for 100",
        "POST /one HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
        &[100, 200, 200],
    ),
    (
        "two requests",
        "GET /one HTTP/1.1\r\nHost: a\r\n\r\n",
        &[200, 200],
    ),
];

#[tokio::test]
async fn what_the_upstream_sees_is_what_the_log_says() {
    for (name, before, expected) in CASES {
        let stage = Stage::new().await;
        let answers = stage.send(format!("{before}{HIDDEN}").as_bytes()).await;
        assert_eq!(statuses(&answers), *expected, "{name}: {answers}");
        compare(name, &stage).await;
        let hidden = seen(&stage.upstream.seen()).contains(&"GET /hidden".to_owned());
        let answered = expected.iter().filter(|status| **status == 200).count();
        assert_eq!(hidden, answered == 2, "{name}");
    }
}

/// Nothing is asked of the upstream that is not in the log, in this order.
async fn compare(name: &str, stage: &Stage) {
    let asked = seen(&stage.upstream.seen());
    eventually(name, || recorded(stage).len() >= asked.len()).await;
    let recorded = recorded(stage);
    for one in &asked {
        assert!(
            recorded.contains(one),
            "{name}: {one} is not among {recorded:?}"
        );
    }
    assert!(recorded.len() <= 2, "{name}: {recorded:?}");
}

fn recorded(stage: &Stage) -> Vec<String> {
    let events = stage.log.events();
    let line = |verb: &str, uri: &str| format!("{} {uri}", verb.to_uppercase());
    events
        .iter()
        .map(|event| line(&event.verb, &event.request_uri))
        .collect()
}

fn seen(all: &[Seen]) -> Vec<String> {
    let line = |seen: &Seen| format!("{} {}", seen.method().to_uppercase(), seen.target());
    all.iter().map(line).collect()
}

fn statuses(answers: &str) -> Vec<u16> {
    let heads = answers.split("HTTP/1.1 ").skip(1);
    heads
        .map(|head| head.split_once(' ').unwrap().0.parse().unwrap())
        .collect()
}

#[tokio::test]
async fn a_protocol_in_which_more_requests_could_follow_is_not_asked_for() {
    let stage = Stage::new().await;
    let ask = "GET /one HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n\r\n";
    let answer = stage.send(ask.as_bytes()).await;
    assert_eq!(statuses(&answer), [200], "{answer}");
    let seen = &stage.upstream.seen()[0];
    assert!(seen.header("upgrade").is_empty(), "{}", seen.head);
}

#[tokio::test]
async fn trailers_do_not_become_headers_or_reach_the_upstream() {
    let stage = Stage::new().await;
    let ask = "POST /one HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Remote-User\r\n\r\n2\r\n{}\r\n0\r\nX-Remote-User: admin\r\nImpersonate-User: admin\r\n\r\n";
    let answer = stage.send(ask.as_bytes()).await;
    assert_eq!(statuses(&answer), [200], "{answer}");
    let seen = &stage.upstream.seen()[0];
    let all = format!("{}{}", seen.head, String::from_utf8_lossy(&seen.body)).to_lowercase();
    assert!(!all.contains("admin"), "{all}");
}

#[tokio::test]
async fn headers_that_say_who_asks_cannot_be_taken_away_hop_by_hop() {
    let stage = Stage::new().await;
    let ask = "GET /one HTTP/1.1\r\nHost: a\r\nAudit-ID: chosen\r\nConnection: close, Audit-ID, X-Forwarded-For\r\n\r\n";
    stage.send(ask.as_bytes()).await;
    let seen = &stage.upstream.seen()[0];
    assert_eq!(seen.header("audit-id"), ["chosen"]);
    assert_eq!(seen.header("x-forwarded-for"), ["127.0.0.1"]);
}

/// Parts of requests, sound and rotten; joined by chance.
const LINES: &[&str] = &[
    "GET /a HTTP/1.1\r\n",
    "POST /b?x=1 HTTP/1.1\r\n",
    "GET http://c/d HTTP/1.1\r\n",
    "PUT /e HTTP/1.0\r\n",
    "GET /f%2e HTTP/1.1\n",
    "GET  /g HTTP/1.1\r\n",
    "get /h\" HTTP/1.1\r\n",
];
const HEADERS: &[&str] = &[
    "Host: a\r\n",
    "Host: a\r\n",
    "Host: a\n",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "content-length:5\r\n",
    "Content-Length: 5\r\n ,6\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding:\x0cchunked\r\n",
    "Connection: keep-alive, Content-Length\r\n",
    "Connection: close, Transfer-Encoding\r\n",
    "Connection: Upgrade\r\nUpgrade: websocket\r\n",
    "Expect: 100-continue\r\n",
    "X: \0\r\n",
    "X: y\r",
    "Trailer: Host\r\n",
];
const BODIES: &[&str] = &[
    "",
    "hello",
    "5\r\nhello\r\n0\r\n\r\n",
    "5;a=b\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n",
    "05\nhello\r\n0\r\n\r\n",
    "0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n",
    "fffffffffffffffff\r\nhello",
];

#[tokio::test]
async fn whatever_is_joined_by_chance_the_log_says_all_that_the_upstream_sees() {
    let seed = std::env::var("SMUGGLING_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or(20);
    let mut chance = fastrand::Rng::with_seed(seed);
    let stage = Arc::new(Stage::new().await);
    for _ in 0..8 {
        let mut sending = JoinSet::new();
        for _ in 0..50 {
            let (stage, ask) = (Arc::clone(&stage), joined(&mut chance));
            sending.spawn(async move { stage.send(ask.as_bytes()).await });
        }
        sending.join_all().await;
    }
    let asked = seen(&stage.upstream.seen());
    assert!(asked.len() > 30, "only {} requests are sound", asked.len());
    let missing = || {
        let mut recorded = recorded(&stage);
        let mut missing = asked.clone();
        missing.retain(|one| {
            let at = recorded.iter().position(|recorded| recorded == one);
            at.map(|at| recorded.swap_remove(at)).is_none()
        });
        missing
    };
    // Upgraded connections are recorded when both ends have noticed that their client has gone.
    for _ in 0..100 {
        if missing().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(
        missing().is_empty(),
        "seed {seed}: {:?} are not in the log",
        missing()
    );
}

fn joined(chance: &mut fastrand::Rng) -> String {
    let mut ask = String::new();
    for _ in 0..chance.usize(1..=2) {
        ask += chance.choice(LINES).unwrap();
        for _ in 0..chance.usize(1..5) {
            ask += chance.choice(HEADERS).unwrap();
        }
        ask += "\r\n";
        ask += chance.choice(BODIES).unwrap();
    }
    ask
}
