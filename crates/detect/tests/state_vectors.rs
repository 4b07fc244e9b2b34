//! Sigma's vectors of correlations through the loader, the matcher and the state.
//!
//! The vectors are not part of the repository; without them beside the checkout this test says so and passes. What is
//! deliberately different stands in docs/deviations.md, which is read here.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

#[expect(dead_code, reason = "shared by tests that run the others")]
#[path = "../../rules/tests/sigma/vectors.rs"]
mod vectors;

use std::sync::Arc;

use kubevigil_audit::time::Timestamp;
use kubevigil_detect::{Matcher, Occasion, Position, RuleMatching, Scratch, State, StateLimits};
use kubevigil_rules::Rule;
use serde_json::{Map, Value as Any};

/// At which events a rule is satisfied when it takes part alone: what it counts takes part in silence.
fn satisfied(rule: &Arc<Rule>, events: &[Any]) -> Vec<Any> {
    let matcher = Matcher::compile(&[Arc::clone(rule)], RuleMatching::All).unwrap();
    let mut state = State::new(&matcher, StateLimits::default());
    let mut scratch = Scratch::default();
    let mut at = Vec::new();
    for (number, event) in events.iter().enumerate() {
        let mut detections = matcher
            .detect(
                event["event"].to_string().as_bytes(),
                &Position::default(),
                &mut scratch,
            )
            .unwrap();
        let time = Timestamp {
            nanoseconds: i128::from(event["t"].as_i64().unwrap()) * 1_000_000_000,
        };
        detections.time = time;
        let occasion = Occasion { received: time };
        let matches = state.observe(&detections, &occasion, &mut || {
            Arc::from(number.to_string().as_bytes())
        });
        if !detections.list.is_empty() || !matches.is_empty() {
            at.push(number.into());
        }
    }
    at
}

fn problem(vector: &Any) -> Option<String> {
    let loaded = vectors::load(vector["rules"].as_str().unwrap(), &vector["placeholders"]);
    if vector["expected"] == "error" {
        return loaded.successful().then(|| "is accepted".to_owned());
    }
    if !loaded.successful() {
        return Some(format!("is refused: {:?}", loaded.files[0].diagnostics));
    }
    let events = vector["events"].as_array().unwrap();
    let mut found = Map::new();
    for title in vector["expected"].as_object().unwrap().keys() {
        let rule = loaded.rules.iter().find(|rule| *rule.name == **title);
        found.insert(
            title.clone(),
            rule.map(|rule| satisfied(rule, events)).into(),
        );
    }
    let found = Any::from(found);
    (found != vector["expected"]).then(|| {
        format!(
            "gives {found}, expected {}: {}",
            vector["expected"], vector["why"]
        )
    })
}

#[test]
fn every_correlation_fires_where_its_vector_says_or_is_listed() {
    let Some(text) = vectors::shared("vectors/sigma-vectors.json") else {
        return;
    };
    let all: Any = serde_json::from_str(&text).unwrap();
    let correlations = all["vectors"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|vector| vector["kind"] == "correlation");
    let (mut failures, mut met) = (Vec::new(), 0);
    for vector in correlations {
        let name = vector["id"].as_str().unwrap();
        match (problem(vector), vectors::deviations().contains(&name)) {
            (None, false) => met += 1,
            (None, true) => {
                failures.push(format!("{name}: is met, but stands in docs/deviations.md"))
            }
            (Some(_), true) => {}
            (Some(problem), false) => failures.push(format!("{name}: {problem}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(met >= 20, "only {met} vectors were run");
}
