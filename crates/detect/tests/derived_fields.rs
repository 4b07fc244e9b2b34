//! Derived fields: what each is for the events of its table, asked in either language.
//!
//! The table of a field is `crates/rules/tests/cases/derived/<field>.json`: a list of cases, each an event, what the field
//! `is` for it (null: absent), and why.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "../../rules/tests/reference/mod.rs"]
mod reference;

use std::fs;
use std::sync::Arc;

use kubevigil_audit::time::Timestamp;
use kubevigil_detect::{FieldValue, Matcher, Position, RuleMatching, Scratch};
use kubevigil_rules::{EventContext, Rule, Value, Values, derived, falco, sigma};
use serde_json::{Value as Any, json};

const TABLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../rules/tests/cases/derived");

struct Case {
    why: String,
    expected: Any,
    event: String,
}

fn cases(field: &str) -> Vec<Case> {
    let text = fs::read_to_string(format!("{TABLES}/{field}.json"));
    let text = text.unwrap_or_else(|_| "[]".to_owned());
    let table: Any = serde_json::from_str(&text).unwrap();
    let case = |case: &Any| Case {
        why: format!("{field}: {}", case["why"].as_str().unwrap()),
        expected: case["is"].clone(),
        event: case["event"].to_string(),
    };
    table.as_array().unwrap().iter().map(case).collect()
}

fn names() -> impl Iterator<Item = &'static str> {
    derived::catalogue().iter().map(|entry| entry.name)
}

fn event(raw: &str) -> EventContext<'_> {
    EventContext {
        raw: raw.as_bytes(),
        number: 1,
        time: Timestamp::default(),
        first_time: Timestamp::default(),
    }
}

fn as_json(values: &Values<'_>) -> Any {
    let text =
        |value: &Value<'_>| Any::from(String::from_utf8(value.to_text().into_owned()).unwrap());
    match values {
        Values::Absent => Any::Null,
        Values::One(Value::Bool(value)) => json!(value),
        Values::One(value) => text(value),
        Values::Many(values) => values.iter().map(text).collect(),
    }
}

fn shown(value: &FieldValue) -> Any {
    let text = |text: &Vec<u8>| Any::from(String::from_utf8(text.clone()).unwrap());
    match value {
        FieldValue::Absent => Any::Null,
        FieldValue::Bool(value) => json!(value),
        FieldValue::Integer(number) => json!(number.to_string()),
        FieldValue::List(texts) => texts.iter().map(text).collect(),
        FieldValue::Text(value) => text(value),
    }
}

/// A rule that holds when the field is as expected and shows it.
fn sigma_rules(field: &str, cases: &[Case]) -> Vec<Arc<Rule>> {
    let mut loader = sigma::Loader::new(sigma::Options::default());
    for (number, case) in cases.iter().enumerate() {
        let key = match &case.expected {
            Any::Array(_) => format!("{field}|all|cased"),
            Any::String(_) => format!("{field}|cased"),
            _ => field.to_owned(),
        };
        let escaped = |text: &Any| match text.as_str() {
            Some(text) => Any::from(
                text.replace('\\', "\\\\")
                    .replace('*', "\\*")
                    .replace('?', "\\?"),
            ),
            None => text.clone(),
        };
        let wanted = match &case.expected {
            Any::Array(texts) if texts.len() == 1 => escaped(&texts[0]),
            Any::Array(texts) => texts.iter().map(escaped).collect(),
            one => escaped(one),
        };
        let rule = json!({
            "title": format!("{number}"),
            "logsource": {"product": "kubernetes", "service": "audit"},
            "fields": [field],
            "detection": {"it": {key: wanted}, "condition": "it"},
        });
        loader.load_file("case.yml", &rule.to_string());
    }
    let loaded = loader.finish();
    assert!(loaded.successful(), "{:#?}", loaded.files);
    loaded.rules
}

/// The same in Falco's language.
fn falco_rules(field: &str, cases: &[Case]) -> Vec<Arc<Rule>> {
    let mut loader = falco::Loader::new(falco::Options::default());
    for (number, case) in cases.iter().enumerate() {
        let quoted = |text: &Any| {
            format!(
                "\"{}\"",
                text.as_str()
                    .unwrap()
                    .replace('\\', "\\\\")
                    .replace('"', "\\\"")
            )
        };
        let condition = match &case.expected {
            Any::Null => format!("not {field} exists"),
            Any::Bool(value) => format!("{field} = {value}"),
            Any::Array(texts) => {
                let parts = texts
                    .iter()
                    .map(|text| format!("{field} intersects ({})", quoted(text)));
                parts.collect::<Vec<_>>().join(" and ")
            }
            text => format!("{field} = {}", quoted(text)),
        };
        let rule = json!([{
            "rule": format!("{number}"), "desc": "d", "source": "k8s_audit", "priority": "INFO",
            "condition": condition, "output": format!("%{field}"),
        }]);
        loader.load_file("case.yaml", &rule.to_string());
    }
    let loaded = loader.finish();
    assert!(loaded.successful(), "{:#?}", loaded.files);
    loaded.rules
}

#[test]
fn every_field_has_a_table() {
    for name in names() {
        assert!(cases(name).len() > 1, "{name}");
    }
    let files = fs::read_dir(TABLES).unwrap();
    let known: Vec<String> = names().map(|name| format!("{name}.json")).collect();
    for file in files {
        let file = file.unwrap().file_name().into_string().unwrap();
        assert!(known.contains(&file), "{file} is about no field");
    }
}

#[test]
fn every_field_is_as_its_table_says() {
    for name in names() {
        let field = derived::resolve(name).unwrap();
        for case in cases(name) {
            let values = reference::field_values(&field, &event(&case.event));
            assert_eq!(as_json(&values), case.expected, "{}", case.why);
        }
    }
}

#[test]
fn both_languages_ask_and_show_it() {
    type Write = fn(&str, &[Case]) -> Vec<Arc<Rule>>;
    for write in [sigma_rules as Write, falco_rules as Write] {
        for name in names() {
            let cases = cases(name);
            let matcher = Matcher::compile(&write(name, &cases), RuleMatching::All).unwrap();
            for case in &cases {
                let found = matcher
                    .detect(
                        case.event.as_bytes(),
                        &Position::default(),
                        &mut Scratch::default(),
                    )
                    .unwrap();
                let expected = found_by(&cases, &case.expected);
                let holding: Vec<usize> = found.list.iter().map(|one| one.rule_number).collect();
                assert_eq!(holding, expected, "{}", case.why);
                for detection in &found.list {
                    let [(_, value)] = detection.fields.as_slice() else {
                        panic!("{}: {:?}", case.why, detection.fields);
                    };
                    assert_eq!(shown(value), case.expected, "{}", case.why);
                }
            }
        }
    }
}

/// The cases whose rules hold for a value: they expect the same, or a list of which all are in this one.
fn found_by(cases: &[Case], value: &Any) -> Vec<usize> {
    let fits = |expected: &Any| match (expected, value) {
        (Any::Array(expected), Any::Array(value)) => expected.iter().all(|one| value.contains(one)),
        _ => expected == value,
    };
    let numbers = cases.iter().enumerate();
    numbers
        .filter(|(_, case)| fits(&case.expected))
        .map(|(number, _)| number)
        .collect()
}
