//! Bodies that a genuine API server sent, through the webhook: every event must arrive as it was, byte for byte.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::server::Server;
use crate::wire::Wire;

const FOLDER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../../shared/data/recorded/webhook"
);

#[derive(Deserialize)]
struct EventList<'a> {
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
}

fn recorded(file: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("{FOLDER}/{file}")).ok();
    if text.is_none() {
        eprintln!("skipped: the recorded bodies are not beside this checkout");
    }
    text
}

#[tokio::test]
async fn recorded_bodies_arrive_byte_for_byte() {
    let Some(text) = recorded("docs-policy-post-bodies.jsonl") else {
        return;
    };
    let server = Server::start().await;
    let mut wire = Wire::connect(server.address).await;
    let mut expected = Vec::new();
    for body in text.lines() {
        let list: EventList<'_> = serde_json::from_str(body).unwrap();
        expected.extend(list.items.iter().map(|item| item.get().to_owned()));
        assert_eq!(wire.post(body.as_bytes()).await.status, 200);
    }
    assert!(expected.len() > 1000, "{} events", expected.len());
    assert!(server.intake.events() == expected, "events differ");
    assert_eq!(server.counters.source.problems.get(), 0);
}

#[tokio::test]
async fn recorded_events_in_an_array_arrive_byte_for_byte() {
    let Some(text) = recorded("truncated.jsonl") else {
        return;
    };
    let server = Server::start().await;
    let expected: Vec<_> = text.lines().collect();
    let body = format!("[{}]", expected.join(", "));
    assert_eq!(
        Wire::connect(server.address)
            .await
            .post(body.as_bytes())
            .await
            .status,
        200
    );
    assert!(server.intake.events() == expected, "events differ");
}
