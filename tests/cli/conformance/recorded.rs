//! The recorded clusters: every alert that Falco printed for them, in order and to the letter.

use serde_json::Value;

use super::FALCO_RULES;
use crate::kubevigil::{json_lines, run, shared};

/// One alert as Falco printed it, with the file that it is about.
struct Expected {
    file: String,
    alert: Value,
}

#[test]
fn recorded_clusters_give_the_alerts_that_falco_gave_for_the_first_rule_that_matches() {
    compare("first");
}

#[test]
fn recorded_clusters_give_the_alerts_that_falco_gave_for_every_rule_that_matches() {
    compare("all");
}

fn compare(matching: &str) {
    let Some(listed) = shared(&format!("data/recorded/falco-expected-{matching}.jsonl")) else {
        return;
    };
    let (Some(rules), Some(recorded)) = (shared(FALCO_RULES), shared("data/recorded")) else {
        return;
    };
    let expected = expected(&std::fs::read_to_string(listed).unwrap());
    assert!(
        expected.len() > 700,
        "only {} alerts are expected",
        expected.len()
    );
    let mut compared = 0;
    for file in files(&expected) {
        let arguments = [
            "scan",
            "--format",
            "falco",
            "--iso-time",
            "--hostname",
            "host",
            "--no-default-rules",
        ];
        let more = [
            "--rule-matching",
            matching,
            "--rules",
            rules.to_str().unwrap(),
            "--strict",
        ];
        let path = recorded.join(file);
        let outcome = run(
            arguments
                .iter()
                .chain(&more)
                .chain(&[path.to_str().unwrap()]),
            b"",
        );
        assert_eq!((outcome.stderr.as_str(), outcome.code), ("", 0), "{file}");
        let of_file: Vec<&Value> = expected
            .iter()
            .filter(|one| one.file == file)
            .map(|one| &one.alert)
            .collect();
        let alerts = json_lines(&outcome.stdout);
        for (position, (alert, expected)) in alerts.iter().zip(&of_file).enumerate() {
            // As texts, because the order of the keys is a part of the format.
            assert_eq!(
                alert.to_string(),
                expected.to_string(),
                "alert {position} of {file}"
            );
        }
        assert_eq!(alerts.len(), of_file.len(), "alerts of {file}");
        compared += alerts.len();
    }
    assert_eq!(compared, expected.len());
}

fn expected(text: &str) -> Vec<Expected> {
    let one = |mut alert: Value| {
        let file = alert.as_object_mut().unwrap().shift_remove("file").unwrap();
        Expected {
            file: file.as_str().unwrap().to_owned(),
            alert,
        }
    };
    json_lines(text).into_iter().map(one).collect()
}

/// The files that alerts are about, in the order of the alerts.
fn files(expected: &[Expected]) -> Vec<&str> {
    let mut files: Vec<&str> = expected.iter().map(|one| one.file.as_str()).collect();
    files.dedup();
    files
}
