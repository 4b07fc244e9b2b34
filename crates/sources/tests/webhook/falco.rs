//! Falco's answers to the same requests. Where ours differ on purpose, the table in docs/deviations.md says why.

use serde_json::Value;

use crate::server::{EVENT, Server, list_of, single};
use crate::wire::{exchange, post};

const VECTORS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../../shared/vectors/falco-cases.json"
);

/// Explains, and lists, what is deliberately answered differently.
const DEVIATIONS: &str = include_str!("../../../../docs/deviations.md");

/// The case's row in the table of deviations, as our status and number of events.
fn deviation(name: &str) -> Option<(u16, usize)> {
    let (_, section) = DEVIATIONS.split_once("## Webhook").unwrap();
    let start = format!("| `{name}` |");
    let row = section.lines().find(|line| line.starts_with(&start))?;
    let ours = row.split(" | ").nth(2).unwrap();
    let (status, events) = ours
        .strip_suffix(" events")
        .unwrap()
        .split_once(", ")
        .unwrap();
    Some((status.parse().unwrap(), events.parse().unwrap()))
}

#[tokio::test]
async fn falcos_webhook_cases_are_met_but_for_the_listed_deviations() {
    let Ok(text) = std::fs::read_to_string(VECTORS) else {
        eprintln!("skipped: the shared vectors are not beside this checkout");
        return;
    };
    let vectors: Value = serde_json::from_str(&text).unwrap();
    let cases = vectors["webhook_cases"].as_array().unwrap();
    assert_eq!(cases.len(), 14);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let deviation = deviation(name);
        let theirs = (number(&case["status"]) as u16, number(&case["events"]));
        let expected = deviation.unwrap_or(theirs);
        assert!(
            deviation != Some(theirs),
            "{name} is met, but stands in docs/deviations.md"
        );

        let server = Server::with(|config| config.max_body_bytes = 12 << 20).await;
        let answer = exchange(server.address, &request(name, case)).await;
        assert_eq!(
            (answer.status, server.intake.events().len()),
            expected,
            "{name}"
        );
        check_text(name, case, &answer.body, deviation.is_some());
    }
}

fn check_text(name: &str, case: &Value, text: &str, deviates: bool) {
    match case["response_body"].as_str().unwrap() {
        _ if deviates => {}
        "" => assert_eq!(text, "", "{name}"),
        wish if wish.contains("naming the method") => {
            assert!(
                text.contains(case["method"].as_str().unwrap()),
                "{name}: {text}"
            );
        }
        _ => assert!(!text.is_empty(), "{name}"),
    }
}

fn number(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

fn request(name: &str, case: &Value) -> Vec<u8> {
    let body = body(case["body"].as_str().unwrap_or_default());
    let path = if name == "other path" {
        "/other"
    } else {
        "/k8s_audit"
    };
    let mut head = format!(
        "{} {path} HTTP/1.1\r\nHost: audit\r\n",
        case["method"].as_str().unwrap()
    );
    if let Some(kind) = case["content_type"].as_str() {
        head.push_str(&format!("Content-Type: {kind}\r\n"));
    }
    if name == "gzip body" {
        head.push_str("Content-Encoding: gzip\r\n");
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    [head.into_bytes(), body].concat()
}

/// The vectors describe most bodies in words.
fn body(description: &str) -> Vec<u8> {
    match description {
        "<one valid audit event>" => single().into_bytes(),
        "EventList of three, the second 300 kB" => {
            let large = EVENT.replace("/version", &"x".repeat(300_000));
            list_of(&[EVENT, &large, EVENT]).into_bytes()
        }
        "more than 12 MiB" => vec![b'x'; (12 << 20) + 1],
        "gzip bytes with Content-Encoding: gzip" => crate::limits::gzip(single().as_bytes()),
        literal => literal.as_bytes().to_vec(),
    }
}

#[tokio::test]
async fn an_answer_is_never_sent_before_parsing() {
    let server = Server::start().await;
    let answer = exchange(server.address, &post(&[], b"[{\"kind\":\"Event\"},")).await;
    assert_eq!(answer.status, 400);
}
