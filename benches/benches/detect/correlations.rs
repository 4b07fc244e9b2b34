//! What it costs to remember: one rule that holds for every event, counted in different ways.

use std::sync::Arc;

use kubevigil_audit::time::Timestamp;
use kubevigil_detect::{Matcher, Occasion, Position, RuleMatching, Scratch, State, StateLimits};
use kubevigil_rules::Rule;

use super::rule_sets::{default_rules, load_sigma};
use super::{Contestant, Run};

const EVERY_EVENT: &str = "title: any\nname: any\nlogsource: {product: kubernetes, service: audit}\ndetection:\n  s: {verb|exists: true}\n  condition: s\n";

/// So much time lies between two events: two hundred in a second.
const STEP: i128 = 5_000_000;

/// Correlations by name; the first is the same rule uncounted.
const CORRELATIONS: [(&str, &str); 7] = [
    ("nothing remembered", ""),
    (
        "event_count by user",
        "correlation: {type: event_count, rules: [any], group-by: [user.username], timespan: 10m, condition: {gte: 100000}}",
    ),
    (
        "event_count by user, always satisfied",
        "correlation: {type: event_count, rules: [any], group-by: [user.username], timespan: 10m, condition: {gte: 5}}",
    ),
    (
        "value_count of names by user",
        "correlation: {type: value_count, rules: [any], group-by: [user.username], timespan: 10m, condition: {field: objectRef.name, gte: 50}}",
    ),
    (
        "value_count of verbs by user",
        "correlation: {type: value_count, rules: [any], group-by: [user.username], timespan: 10m, condition: {field: verb, gte: 50}}",
    ),
    (
        "value_sum by user",
        "correlation: {type: value_sum, rules: [any], group-by: [user.username], timespan: 10m, condition: {field: responseStatus.code, lt: 0}}",
    ),
    (
        "first_seen of user and name",
        "kubevigil: {type: first_seen, rules: [any], field: [user.username, objectRef.name], learning: 0s, timespan: 30d}",
    ),
];

/// One contestant for each way to count whose name contains `wanted`.
pub(crate) fn all(wanted: &str) -> Vec<Contestant> {
    let named = CORRELATIONS
        .iter()
        .map(|(name, text)| (format!("state: {name}"), text));
    let named = named.filter(|(name, _)| name.contains(wanted));
    let mut all: Vec<Contestant> = named
        .map(|(name, text)| Contestant {
            name,
            run: run(text),
        })
        .collect();
    let name = "state: default rules";
    if name.contains(wanted) {
        let rules = default_rules();
        all.push(Contestant {
            name: format!("{name} ({} rules)", rules.len()),
            run: observer(&rules),
        });
    }
    all
}

fn run(correlation: &str) -> Run {
    let mut text = EVERY_EVENT.to_owned();
    if !correlation.is_empty() {
        text.push_str("---\ntitle: correlation\n");
        text.push_str(correlation);
    }
    observer(&load_sigma([text]))
}

/// Every event through the matcher and the state.
fn observer(rules: &[Arc<Rule>]) -> Run {
    let matcher = Matcher::compile(rules, RuleMatching::All).expect("the rules compile");
    let mut state = State::new(&matcher, StateLimits::default());
    let mut scratch = Scratch::default();
    let mut time = Timestamp {
        nanoseconds: 1_700_000_000_000_000_000,
    };
    Box::new(move |events| {
        let mut matches = 0;
        for event in events {
            time.nanoseconds += STEP;
            let position = Position {
                received: time,
                ..Position::default()
            };
            let mut found = matcher.detect(event, &position, &mut scratch).unwrap();
            found.time = time;
            let receipt = &mut || Arc::from([b'r'; 150]);
            matches += state
                .observe(&found, &Occasion { received: time }, receipt)
                .len() as u64;
        }
        matches
    })
}
