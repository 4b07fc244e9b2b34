//! Requests and answers as data, see `requests.txt`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::server::{EVENT, Server, list, single};
use crate::wire::{Answer, Wire, exchange};

struct Case {
    title: String,
    request: Vec<u8>,
    status: u16,
    body: String,
    events: usize,
    headers: Vec<(String, String)>,
}

#[tokio::test]
async fn every_request_gets_the_answer_of_the_table() {
    let cases = cases(include_str!("requests.txt"));
    assert!(cases.len() > 20, "the table was read");
    for case in cases {
        let server = Server::start().await;
        let answer = exchange(server.address, &case.request).await;
        check(&case, &answer);
        assert_eq!(server.intake.events().len(), case.events, "{}", case.title);
    }
}

fn check(case: &Case, answer: &Answer) {
    let title = &case.title;
    assert_eq!(
        (answer.status, &answer.body),
        (case.status, &case.body),
        "{title}"
    );
    for (name, value) in &case.headers {
        assert_eq!(answer.header(name), Some(value.as_str()), "{title}: {name}");
    }
}

fn cases(text: &str) -> Vec<Case> {
    text.split("\n## ").skip(1).map(case).collect()
}

fn case(text: &str) -> Case {
    let (title, rest) = text.split_once('\n').unwrap();
    let (request, expected) = rest.split_once("\n=> ").unwrap();
    let mut lines = expected.trim().lines();
    let (status, rest) = lines.next().unwrap().split_once(' ').unwrap();
    let (body, events) = rest.rsplit_once(" events ").unwrap();
    let header = |line: &str| {
        line.split_once(": ")
            .map(|(name, value)| (name.into(), value.into()))
    };
    Case {
        title: title.to_owned(),
        request: wire_format(request),
        status: status.parse().unwrap(),
        body: body.trim_matches('"').replace("\\n", "\n"),
        events: events.parse().unwrap(),
        headers: lines.filter_map(header).collect(),
    }
}

fn wire_format(request: &str) -> Vec<u8> {
    let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
    let body = body
        .replace("{event}", &single())
        .replace("{list}", &list(2));
    let (line, headers) = head.split_once('\n').unwrap_or((head, ""));
    let mut lines = vec![format!("{line} HTTP/1.1"), "Host: audit".to_owned()];
    lines.extend(headers.lines().map(str::to_owned));
    if !body.is_empty() {
        lines.push(format!("Content-Length: {}", body.len()));
    }
    format!("{}\r\n\r\n{body}", lines.join("\r\n")).into_bytes()
}

#[tokio::test]
async fn readiness_is_asked_of_the_daemon() {
    let ready = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&ready);
    let server = Server::ready_when(Arc::new(move || asked.load(Ordering::SeqCst))).await;
    let request = b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n";
    let not_yet = exchange(server.address, request).await;
    assert_eq!(
        (not_yet.status, not_yet.body.as_str()),
        (503, "not ready\n")
    );
    ready.store(true, Ordering::SeqCst);
    assert_eq!(exchange(server.address, request).await.status, 200);
}

#[tokio::test]
async fn a_client_that_speaks_tls_to_the_plain_port_harms_nobody() {
    let server = Server::start().await;
    let mut wire = Wire::connect(server.address).await;
    wire.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
        .await;
    assert!(
        wire.answer()
            .await
            .is_none_or(|answer| answer.status == 400)
    );
    assert_eq!(
        Wire::connect(server.address)
            .await
            .post(list(1).as_bytes())
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn events_arrive_byte_for_byte() {
    let odd = r#"{ "auditID" : "\u0061\/b", "verb":"x",  "requestObject": {"n":1.50e+3,"n":2} , "stage":"ResponseComplete"}"#;
    let server = Server::start().await;
    let body = crate::server::list_of(&[EVENT, odd]);
    let answer = exchange(server.address, &crate::wire::post(&[], body.as_bytes())).await;
    assert_eq!(answer.status, 200);
    assert_eq!(server.intake.events(), [EVENT, odd]);
    assert_eq!(
        server.counters.source.bytes.get(),
        (EVENT.len() + odd.len()) as u64
    );
}
