//! What is an event and what is not, against what Falco took from the same file.

use std::fs;

use serde_json::Value;

use super::DEVIATIONS;
use crate::kubevigil::{json_lines, run, shared};

/// What became of a file.
#[derive(Debug, PartialEq)]
struct Taken {
    outputs: Vec<String>,
    complained: bool,
}

#[test]
fn files_give_the_events_that_falco_takes_but_for_the_listed_deviations() {
    let Some(vectors) = shared("vectors/falco-cases.json") else {
        return;
    };
    let vectors: Value = serde_json::from_slice(&fs::read(vectors).unwrap()).unwrap();
    let cases = vectors["ingestion_cases"].as_array().unwrap();
    assert_eq!(cases.len(), 27);
    let mut failures = Vec::new();
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let (got, theirs) = (scan(case), theirs(case));
        match deviation(name) {
            None if got != theirs => {
                failures.push(format!("{name}: got {got:?}, expected {theirs:?}"))
            }
            Some(_) if got == theirs => {
                failures.push(format!("{name} is met, although listed as different"))
            }
            Some(listed) if listed != summary(&got) => {
                failures.push(format!("{name}: got {got:?}, listed as {listed}"));
            }
            _ => {}
        }
    }
    assert!(
        failures.is_empty(),
        "{} failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

fn scan(case: &Value) -> Taken {
    let folder = tempfile::tempdir().unwrap();
    let (rules, log) = (
        folder.path().join("rules.yaml"),
        folder.path().join("audit.log"),
    );
    fs::write(&rules, rule(case["rule_output"].as_str().unwrap())).unwrap();
    fs::write(&log, input(case)).unwrap();
    let arguments = ["scan", "--format", "falco", "--no-default-rules", "--rules"];
    let outcome = run(
        arguments
            .iter()
            .chain(&[rules.to_str().unwrap(), log.to_str().unwrap()]),
        b"",
    );
    let output = |alert: &Value| message(alert["output"].as_str().unwrap()).to_owned();
    Taken {
        outputs: json_lines(&outcome.stdout).iter().map(output).collect(),
        complained: !outcome.stderr.is_empty(),
    }
}

/// A rule that every event meets.
fn rule(output: &str) -> String {
    let output = Value::from(output);
    format!(
        "- rule: every event\n  desc: d\n  condition: evt.num > 0\n  output: {output}\n  priority: DEBUG\n  source: k8s_audit\n"
    )
}

/// The case's file. Two are described instead of written out.
fn input(case: &Value) -> String {
    let event = |more: &str| {
        format!(
            r#"{{"kind":"Event","auditID":"x","stage":"ResponseComplete","stageTimestamp":"2024-01-02T03:04:05Z","verb":"a",{more}}}"#
        )
    };
    match case["name"].as_str().unwrap() {
        "line_of_60000_bytes" => event(&format!(r#""pad":"{}""#, "x".repeat(60_000))),
        "nesting_over_300" => event(&format!(r#""deep":{}{}"#, "[".repeat(310), "]".repeat(310))),
        _ => case["input"].as_str().unwrap().to_owned(),
    }
}

fn theirs(case: &Value) -> Taken {
    let outputs = case["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|text| unescaped(text.as_str().unwrap()));
    Taken {
        outputs: outputs.collect(),
        complained: case["logged_error"].as_bool().unwrap(),
    }
}

/// The vectors hold the line as the engine escapes it, like a JSON string.
fn unescaped(line: &str) -> String {
    serde_json::from_str(&format!("\"{line}\"")).unwrap()
}

/// What follows time and priority.
fn message(output: &str) -> &str {
    output.split_once(": Debug ").unwrap().1
}

/// The third column of a case's row in the table of deviations.
fn deviation(name: &str) -> Option<&'static str> {
    let (_, section) = DEVIATIONS.split_once("## Ingestion").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let start = format!("| `{name}` |");
    let row = section.lines().find(|line| line.starts_with(&start))?;
    row.split(" | ").nth(2)
}

/// The same as the table says it.
fn summary(taken: &Taken) -> String {
    let complaint = if taken.complained { ", reported" } else { "" };
    match taken.outputs.len() {
        1 => format!("1 event{complaint}"),
        count => format!("{count} events{complaint}"),
    }
}
