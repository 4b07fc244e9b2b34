//! What is no request: it is refused as an API server refuses it, leaves no event, and is counted with its reason.

use std::time::Duration;

use kubevigil_gateway::Malformed;

use crate::authority::Authority;
use crate::certificates::secure;
use crate::stage::{Files, Stage, Wire, eventually};

/// What is sent, the beginning of what comes back, and the reason.
fn cases() -> Vec<(String, &'static str, &'static str)> {
    let long = |length| "a".repeat(length);
    let lines: String = (0..300)
        .map(|number| format!("X-{number}: a\r\n"))
        .collect();
    let get = |path: &str, headers: &str| format!("GET {path} HTTP/1.1\r\n{headers}\r\n");
    let host = "Host: a\r\n";
    let bad = "HTTP/1.1 400 ";
    vec![
        ("nonsense\r\n\r\n".to_owned(), bad, "syntax"),
        ("GET / HTTP/9\r\n\r\n".to_owned(), bad, "syntax"),
        (get("/", "a b: c\r\n"), bad, "syntax"),
        (get("/\u{1}", host), bad, "syntax"),
        (
            get("/", "Host: a\r\nContent-Length: 1, 2\r\n"),
            bad,
            "syntax",
        ),
        (
            get(&format!("/{}", long(70_000)), host),
            "HTTP/1.1 414 ",
            "too_large",
        ),
        (
            get("/", &format!("X: {}\r\n", long(140_000))),
            "HTTP/1.1 431 ",
            "too_large",
        ),
        (
            get("/", &format!("{host}{lines}")),
            "HTTP/1.1 431 ",
            "too_large",
        ),
        (get("/", ""), bad, "framing"),
        (get("/", "Host: a\r\nHost: b\r\n"), bad, "framing"),
        (
            get("/", "Host: a\r\nTransfer-Encoding: gzip, chunked\r\n"),
            bad,
            "framing",
        ),
        (get("*", host), bad, "target"),
        (
            "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            bad,
            "target",
        ),
        (get("/api/v1/watch", host), "HTTP/1.1 500 ", "meaning"),
        (get("/api/%zz", host), bad, "meaning"),
        ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\r\n\r\n".to_owned(), "", "tls"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), "", "http2"),
    ]
}

fn counted(stage: &Stage) -> Vec<(&'static str, u64)> {
    let all = stage.handle.counters().malformed.all();
    all.filter(|(_, count)| *count > 0)
        .map(|(reason, count)| (reason.as_str(), count))
        .collect()
}

#[tokio::test]
async fn what_is_refused_before_the_audit_layer_is_counted_and_leaves_no_event() {
    for (sent, answer, reason) in cases() {
        let stage = Stage::new().await;
        let shown = sent.chars().take(60).collect::<String>();
        let got = stage.send(sent.as_bytes()).await;
        assert!(
            got.starts_with(answer),
            "{shown:?} is answered with {got:?}"
        );
        let malformed = || stage.handle.counters().malformed.sum() == 1;
        eventually(&format!("the count of {shown:?}"), malformed).await;
        assert_eq!(counted(&stage), [(reason, 1)], "{shown:?}");
        assert_eq!(stage.log.lines(), [""; 0], "{shown:?}");
        assert!(stage.upstream.seen().is_empty(), "{shown:?}");
    }
}

#[tokio::test]
async fn who_goes_away_or_asks_well_is_not_counted() {
    let stage = Stage::new().await;
    for sent in [
        "",
        "GET /half HTTP/1.1\r\nHo",
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf",
        "GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        stage.send(sent.as_bytes()).await;
    }
    let opened = || stage.handle.counters().connections.get() == 5;
    eventually("the last connection", opened).await;
    assert_eq!(counted(&stage), []);
}

#[tokio::test]
async fn http2_that_breaks_its_rules_is_counted() {
    let servers = Authority::new("servers");
    let files = Files::new(&servers.server());
    let stage = Stage::with(|config| config.tls = Some(files.tls())).await;
    // A frame for a stream that was never opened; then somebody who leaves in the middle.
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let frame = [0, 0, 0, 0, 0, 0, 0, 0, 7];
    for bytes in [[&preface[..], &frame].concat(), preface[..10].to_vec()] {
        let stream = secure(&stage, &servers, None, b"h2").await.unwrap();
        let mut wire = Wire(stream);
        wire.send(&bytes).await;
        wire.rest().await;
    }
    eventually("the count", || counted(&stage) == [("http2", 1)]).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(counted(&stage), [(Malformed::Http2.as_str(), 1)]);
}
