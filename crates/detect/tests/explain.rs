//! Explanations agree with the matcher, and with themselves.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

#[path = "../../rules/tests/sigma/vectors.rs"]
mod vectors;

use std::sync::Arc;

use kubevigil_detect::explain::{Explanation, MAX_ELEMENTS, explain};
use kubevigil_detect::{Matcher, Position, RuleMatching, Scratch};
use kubevigil_rules::Rule;
use proptest::prelude::*;
use serde_json::{Value as Any, json};

fn rules(detections: &[String]) -> Vec<Arc<Rule>> {
    let documents: Vec<String> = detections
        .iter()
        .enumerate()
        .map(|(number, detection)| {
            format!("title: rule {number}\nsigma-version: 3\nlogsource: {{product: kubernetes, service: audit}}\ndetection:\n{detection}\n")
        })
        .collect();
    let loaded = vectors::load(&documents.join("---\n"), &Any::Null);
    assert!(loaded.successful(), "{:?}", loaded.files[0].diagnostics);
    loaded.rules
}

fn explained(rule: &Rule, event: &str) -> Explanation {
    explain(
        rule.condition().unwrap(),
        event.as_bytes(),
        &Position::default(),
    )
    .unwrap()
}

/// The explanation as indented lines.
fn drawn(explanation: &Explanation) -> String {
    let mut lines = Vec::new();
    draw(explanation, 0, &mut lines);
    lines.join("\n")
}

fn draw(explanation: &Explanation, depth: usize, lines: &mut Vec<String>) {
    let mark = if explanation.holds { '+' } else { '-' };
    let found: Vec<String> = explanation
        .found
        .iter()
        .map(|found| {
            let values: Vec<_> = found
                .values
                .iter()
                .map(|value| String::from_utf8_lossy(value))
                .collect();
            format!(" [{}: {}]", found.name, values.join(" | "))
        })
        .collect();
    lines.push(format!(
        "{}{mark} {}{}",
        "  ".repeat(depth),
        explanation.text,
        found.concat()
    ));
    explanation
        .parts
        .iter()
        .for_each(|part| draw(part, depth + 1, lines));
}

#[test]
fn every_part_shows_its_answer_and_what_was_found() {
    let detection = "  read: {verb: [get, list], objectRef.resource: secrets}\n  person: {user.username|startswith: 'system:'}\n  nested:\n    requestObject.spec.containers[any]:\n      image|endswith: ':latest'\n      securityContext.privileged: true\n  condition: read and not person or nested";
    let rules = rules(&[detection.to_owned()]);
    let event = json!({
        "verb": "list", "objectRef": {"resource": "pods"}, "user": {"username": "alice"},
        "requestObject": {"spec": {"containers": [
            {"image": "a:latest"}, {"image": "b:1", "securityContext": {"privileged": true}},
        ]}},
    });
    let drawn = drawn(&explained(&rules[0], &event.to_string()));
    assert_eq!(
        drawn,
        "\
- one of these
  - all of these
    - all of these
      + verb is one of (get, list) [verb: list]
      - objectRef.resource is \"secrets\" [objectRef.resource: pods]
    + not
      - user.username is like \"system:*\" [user.username: alice]
  - an element of requestObject.spec.containers [requestObject.spec.containers: {\"image\":\"a:latest\"} | {\"image\":\"b:1\",\"securityContext\":{\"privileged\":true}}]
    - element 0
      - all of these
        + image is like \"*:latest\" [image: a:latest]
        - securityContext.privileged is true [securityContext.privileged: ]
    - element 1
      - all of these
        - image is like \"*:latest\" [image: b:1]
        + securityContext.privileged is true [securityContext.privileged: true]"
    );
}

#[test]
fn long_lists_are_cut_and_counted() {
    let detection = "  s:\n    list[any]:\n      .: 40\n  condition: s".to_owned();
    let rules = rules(&[detection]);
    let event = json!({"list": (0..50).collect::<Vec<_>>()}).to_string();
    let explanation = explained(&rules[0], &event);
    assert!(
        explanation.holds,
        "the element that decides is behind those shown"
    );
    assert_eq!(
        (explanation.parts.len(), explanation.more),
        (MAX_ELEMENTS, 50 - MAX_ELEMENTS)
    );
    assert_eq!(explanation.found[0].total, 50);
}

/// Whether the answers of parts make the answer of the whole.
fn is_consistent(explanation: &Explanation) -> bool {
    let parts = &explanation.parts;
    let holding = parts.iter().filter(|part| part.holds).count();
    let own = match explanation.text.as_str() {
        "all of these" => holding == parts.len(),
        "one of these" => holding > 0,
        "exactly one of these" => holding == 1,
        "not" => holding == 0,
        _ => explanation.holds,
    };
    own == explanation.holds && parts.iter().all(is_consistent)
}

fn leaf() -> impl Strategy<Value = String> {
    let field = prop_oneof![
        Just("verb"),
        Just("user.username"),
        Just("user.groups"),
        Just("a.b"),
        Just("list.x"),
        Just("code"),
    ];
    let modifier = prop_oneof![
        Just(""),
        Just("|contains"),
        Just("|startswith"),
        Just("|neq"),
        Just("|exists"),
        Just("|re"),
        Just("|cased"),
    ];
    let value = prop_oneof![
        Just("get"),
        Just("system"),
        Just("1"),
        Just("alice"),
        Just("x")
    ];
    (field, modifier, value).prop_map(|(field, modifier, value)| {
        let value = if modifier == "|exists" { "true" } else { value };
        let value = if value == "1" && modifier.is_empty() {
            "1".to_owned()
        } else {
            format!("'{value}'")
        };
        let value = if modifier == "|exists" {
            "true".to_owned()
        } else {
            value
        };
        format!("{{{field}{modifier}: {value}}}")
    })
}

fn detection() -> impl Strategy<Value = String> {
    let conditions = prop_oneof![
        Just("a and b"),
        Just("a or not b"),
        Just("not (a and c) or b"),
        Just("1 of them"),
        Just("all of them and not c"),
    ];
    (leaf(), leaf(), leaf(), conditions).prop_map(|(a, b, c, condition)| {
        format!("  a: {a}\n  b: {b}\n  c: {c}\n  condition: {condition}")
    })
}

fn event() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        Just(json!("get")),
        Just(json!("alice")),
        Just(json!("system:x")),
        Just(json!(1)),
        Just(Any::Null)
    ];
    let list = proptest::collection::vec(text.clone(), 0..4);
    (text.clone(), text.clone(), list, text).prop_map(|(verb, name, list, other)| {
        let list_of_objects: Vec<Any> = list.iter().map(|value| json!({"x": value})).collect();
        json!({
            "verb": verb, "user": {"username": name, "groups": list}, "a": {"b": other.clone()}, "list": list_of_objects, "code": other,
        })
        .to_string()
    })
}

proptest! {
    #[test]
    fn an_explanation_says_what_the_matcher_does(detections in proptest::collection::vec(detection(), 1..6), event in event()) {
        let rules = rules(&detections);
        let matcher = Matcher::compile(&rules, RuleMatching::All).unwrap();
        let found = matcher.detect(event.as_bytes(), &Position::default(), &mut Scratch::default()).unwrap();
        for rule in &rules {
            let explanation = explained(rule, &event);
            let holds = found.list.iter().any(|detection| Arc::ptr_eq(&detection.rule, rule));
            prop_assert_eq!(explanation.holds, holds, "{} on {}", drawn(&explanation), &event);
            prop_assert!(is_consistent(&explanation), "{}", drawn(&explanation));
        }
    }
}

#[test]
fn every_vector_is_explained_as_it_is_decided() {
    vectors::run(|rules, raw| {
        rules
            .iter()
            .map(|rule| explained(rule, raw).holds)
            .collect()
    });
}
