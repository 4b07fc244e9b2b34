//! From configuration to delivery, over a real outbox.

use std::fs;
use std::path::Path;
use std::time::Duration;

use kubevigil_alerts::config::OutputConfig;
use kubevigil_alerts::deliveries::{Deliveries, Surroundings};
use kubevigil_alerts::outbox::Outbox;
use kubevigil_alerts::{Alert, Format, Renderer};
use serde_json::Value;
use tempfile::TempDir;

use crate::alerts::alert;
use crate::peer::{Answer, Peer};

const SOON: Duration = Duration::from_secs(20);

struct House {
    folder: TempDir,
}

impl House {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn outbox(&self) -> Outbox {
        Outbox::open(self.folder.path().join("outbox")).unwrap().0
    }

    fn start(&self, outbox: &Outbox, outputs: &str) -> Deliveries {
        let surroundings = Surroundings {
            state_dir: self.folder.path().to_owned(),
            hostname: Some("host".to_owned()),
        };
        Deliveries::start(&configured(outputs), outbox, &surroundings).unwrap()
    }

    fn failure(&self, outputs: &str) -> String {
        let surroundings = Surroundings {
            state_dir: self.folder.path().to_owned(),
            hostname: None,
        };
        Deliveries::start(&configured(outputs), &self.outbox(), &surroundings)
            .err()
            .unwrap()
            .to_string()
    }
}

fn configured(outputs: &str) -> Vec<OutputConfig> {
    serde_saphyr::from_str(outputs).unwrap()
}

fn alerts(numbers: std::ops::Range<u64>) -> Vec<Alert> {
    numbers.map(alert).collect()
}

fn ids_in(path: impl AsRef<Path>) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let id = |line: &str| {
        serde_json::from_str::<Value>(line).unwrap()["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    text.lines().map(id).collect()
}

fn ids(numbers: std::ops::Range<u64>) -> Vec<String> {
    alerts(numbers)
        .iter()
        .map(|alert| alert.id.to_string())
        .collect()
}

async fn until(mut reached: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if reached() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("did not happen within twenty seconds");
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_reach_all_outputs_and_a_repeated_alert_goes_out_once() {
    let house = House::new();
    let (peer, url) = Peer::start([]).await;
    let file = house.path("alerts.jsonl");
    let outbox = house.outbox();
    let deliveries = house.start(
        &outbox,
        &format!("- file: {{path: {file}}}\n- http: {{url: '{url}', format: falco}}"),
    );
    outbox.append(&alerts(0..5)).unwrap().await.unwrap();
    outbox.append(&alerts(3..8)).unwrap().await.unwrap();
    until(|| ids_in(&file).len() == 8).await;
    assert_eq!(deliveries.drain(SOON).await, Vec::<String>::new());
    assert_eq!(ids_in(&file), ids(0..8));
    let renderer = Renderer {
        hostname: Some("host".to_owned()),
        ..Renderer::new(Format::Falco)
    };
    let posted: Vec<String> = peer
        .requests()
        .into_iter()
        .map(|request| request.body)
        .collect();
    assert_eq!(
        posted,
        alerts(0..8)
            .iter()
            .map(|alert| renderer.line(alert))
            .collect::<Vec<_>>()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_is_down_delays_nobody_and_catches_up_after_a_restart() {
    let house = House::new();
    let (peer, url) = Peer::start(vec![Answer::Status(503); 3]).await;
    let file = house.path("alerts.jsonl");
    let outputs = format!("- file: {{path: {file}}}\n- http: {{url: '{url}'}}");
    let outbox = house.outbox();
    let deliveries = house.start(&outbox, &outputs);
    outbox.append(&alerts(0..3)).unwrap().await.unwrap();
    until(|| ids_in(&file).len() == 3 && peer.requests().len() == 1).await;
    // The second try is at once, the third would be more than a second later.
    assert_eq!(deliveries.drain(Duration::from_millis(600)).await, ["http"]);
    drop(outbox);
    let outbox = house.outbox();
    let deliveries = house.start(&outbox, &outputs);
    assert_eq!(deliveries.drain(SOON).await, Vec::<String>::new());
    let posted = peer.requests();
    let renderer = Renderer {
        hostname: Some("host".to_owned()),
        ..Renderer::default()
    };
    let expected = alerts(0..3)
        .iter()
        .map(|alert| renderer.line(alert))
        .collect::<Vec<_>>();
    assert_eq!(
        posted[posted.len() - 3..]
            .iter()
            .map(|request| request.body.clone())
            .collect::<Vec<_>>(),
        expected
    );
    assert_eq!(ids_in(&file), ids(0..3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_alert_lies_in_the_dead_letter_file_of_its_output() {
    let house = House::new();
    let (peer, url) = Peer::start([Answer::With(400, "x", "y", "no such channel")]).await;
    let outbox = house.outbox();
    let deliveries = house.start(
        &outbox,
        &format!("- http: {{name: chat, url: '{url}', tries: 1}}"),
    );
    outbox.append(&alerts(0..2)).unwrap().await.unwrap();
    until(|| peer.requests().len() == 2).await;
    let counts = deliveries.counts();
    assert_eq!((counts[0].0, counts[0].1.dead_letters), ("chat", 1));
    deliveries.drain(SOON).await;
    let letter = fs::read_to_string(house.path("dead-letters/chat.jsonl")).unwrap();
    let letter: Value = serde_json::from_str(&letter).unwrap();
    assert_eq!(letter["alert"]["id"], ids(0..1)[0]);
    assert_eq!(
        letter["reason"],
        "the answer was 400 Bad Request: no such channel"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn after_rotation_and_a_reopen_alerts_go_to_the_new_file() {
    let house = House::new();
    let file = house.path("alerts.jsonl");
    let outbox = house.outbox();
    let deliveries = house.start(
        &outbox,
        &format!("- file: {{path: {file}, min_priority: notice}}"),
    );
    outbox.append(&alerts(0..1)).unwrap().await.unwrap();
    until(|| ids_in(&file).len() == 1).await;
    fs::rename(&file, house.path("alerts.jsonl.1")).unwrap();
    deliveries.reopen();
    outbox.append(&alerts(1..2)).unwrap().await.unwrap();
    until(|| ids_in(&file).len() == 1).await;
    deliveries.drain(SOON).await;
    assert_eq!(ids_in(&file), ids(1..2));
    assert_eq!(ids_in(house.path("alerts.jsonl.1")), ids(0..1));
}

#[tokio::test]
async fn outputs_that_cannot_work_are_refused_at_the_start_with_what_to_do() {
    let house = House::new();
    let folder = house.path("");
    let cases = [
        (
            "- stdout: {}\n- stdout: {format: text}".to_owned(),
            "outputs: setting `name` `stdout` is taken by two outputs; give each a `name` of its own".to_owned(),
        ),
        (
            "- file: {path: /tmp/a}\n- file: {name: b, path: /tmp/a}".to_owned(),
            "outputs: setting `path` is the same for two outputs; give each a file of its own".to_owned(),
        ),
        (
            format!("- file: {{path: {folder}/a}}\n- file: {{name: b, path: {folder}/./a}}"),
            "outputs: setting `path` is the same for two outputs; give each a file of its own".to_owned(),
        ),
        (
            "- stdout: {name: '../x'}".to_owned(),
            "outputs: setting `name` `../x` is no name: expected 1 to 64 lower-case letters, digits and hyphens".to_owned(),
        ),
        (
            "- file: {path: /nonexistent/a.jsonl}".to_owned(),
            "output `file`: setting `path` `/nonexistent/a.jsonl` is in a folder that does not exist; create /nonexistent".to_owned(),
        ),
        (
            format!("- file: {{path: {folder}}}"),
            format!("output `file`: setting `path` `{folder}` is not a regular file; expected the path of a file, or the output `stdout`"),
        ),
    ];
    for (outputs, expected) in cases {
        assert_eq!(house.failure(&outputs), expected);
    }
}

#[test]
fn unknown_and_wrong_settings_are_refused() {
    let cases = [
        ("- http: {url: 'http://h/', formt: json}", "unknown field"),
        (
            "- http: {url: 'http://h/', format: text}",
            "unknown variant",
        ),
        (
            "- file: {path: x, min_priority: loud}",
            "unknown priority `loud`",
        ),
        ("- file: {}", "missing field"),
        ("- mail: {}", "unknown variant"),
    ];
    for (outputs, expected) in cases {
        let error = serde_saphyr::from_str::<Vec<OutputConfig>>(outputs)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn the_schema_of_outputs_describes_every_setting() {
    let schema = schemars::schema_for!(OutputConfig);
    insta::assert_snapshot!(serde_json::to_string_pretty(&schema).unwrap());
}
