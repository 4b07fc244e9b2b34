//! Conditions, outputs and fields against what genuine Falco made of them.
//!
//! The vectors are not part of the repository; without them beside the checkout these tests say so and pass. What is
//! deliberately different stands in docs/deviations.md, which is read here.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

#[path = "reference/mod.rs"]
mod reference;

use std::path::Path;

use kubevigil_audit::time::Timestamp;
use kubevigil_rules::falco::condition::{self, CompileOptions};
use kubevigil_rules::falco::fields::{self, FieldOptions};
use kubevigil_rules::falco::output;
use kubevigil_rules::{EventContext, Value, Values};
use serde_json::{Map, Value as Any};

/// Explains, and lists, the vectors that are deliberately not met.
const DEVIATIONS: &str = include_str!("../../../docs/deviations.md");

/// The vectors in the first column of the tables in `DEVIATIONS`.
fn deviations() -> impl Iterator<Item = &'static str> {
    DEVIATIONS
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
}

fn vectors() -> Option<Any> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/vectors/falco-operator-vectors.json"
    );
    if !Path::new(path).exists() {
        eprintln!("skipped: the vectors are not beside the checkout");
        return None;
    }
    Some(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
}

fn event(raw: &str) -> EventContext<'_> {
    let parsed: Any = serde_json::from_str(raw).unwrap();
    let time = Timestamp::parse(parsed["stageTimestamp"].as_str().unwrap().as_bytes()).unwrap();
    EventContext {
        raw: raw.as_bytes(),
        number: 1,
        time,
        first_time: time,
    }
}

/// Runs every vector of a list and reports all that fail.
fn run(list: &str, outcome: impl Fn(&Any, &EventContext<'_>) -> Result<(), String>) {
    let Some(all) = vectors() else { return };
    let mut failures = Vec::new();
    let vectors = all[list].as_array().unwrap();
    for vector in vectors {
        let id = vector["id"].as_str().unwrap();
        let raw = all["events"][vector["event"].as_str().unwrap()]
            .as_str()
            .unwrap();
        match (
            outcome(vector, &event(raw)),
            deviations().any(|different| different == id),
        ) {
            (Ok(()), true) => failures.push(format!("{id} is met, although listed as different")),
            (Err(reason), false) => failures.push(format!("{id}: {reason}\n    {vector}")),
            _ => {}
        }
    }
    assert!(vectors.len() > 30, "only {} vectors", vectors.len());
    assert!(
        failures.is_empty(),
        "{} failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

fn same<T: PartialEq + std::fmt::Debug>(got: &T, expected: &T) -> Result<(), String> {
    if got == expected {
        Ok(())
    } else {
        Err(format!("got {got:?}, expected {expected:?}"))
    }
}

#[test]
fn conditions_decide_as_in_falco() {
    run("vectors", |vector, event| {
        let text = vector["condition"].as_str().unwrap();
        let ast = match condition::parse(text) {
            Ok(ast) => ast,
            Err(error) => {
                same(&Any::from("syntax"), &vector["error"]["class"])?;
                let place = (error.offset, error.line, error.column);
                let place = serde_json::to_value(place).unwrap();
                let expected = &vector["error"];
                let expected =
                    serde_json::json!([expected["index"], expected["line"], expected["column"]]);
                return same(&place, &expected);
            }
        };
        match condition::compile(&ast, &CompileOptions::default()) {
            Ok(compiled) => {
                let warned = !compiled.warnings.is_empty();
                let holds = reference::holds(&compiled.condition, event);
                same(&Any::from(holds), &vector["expected"])?;
                let na = text.contains("<NA>");
                same(&warned, &(vector.get("warnings").is_some() || na))
                    .map_err(|reason| format!("warnings: {reason}, {:?}", compiled.warnings))
            }
            Err(problems) => same(
                &Any::from(problems[0].class.as_str()),
                &vector["error"]["class"],
            ),
        }
    });
}

#[test]
fn outputs_print_as_in_falco() {
    run("output_vectors", |vector, event| {
        let format = vector["format"].as_str().unwrap();
        let template = match output::compile_output(format, &FieldOptions::default()) {
            Ok(compiled) => compiled.template,
            Err(problem) => {
                return same(
                    &Any::from(problem.class.as_str()),
                    &vector["error"]["class"],
                );
            }
        };
        let text = String::from_utf8(reference::rendered(&template, event)).unwrap();
        match vector["expected_length"].as_u64() {
            Some(length) => {
                same(&(text.len() as u64), &length)?;
                let start = vector["expected"].as_str().unwrap().trim_end_matches("...");
                return same(&text.starts_with(start), &true);
            }
            None => same(&Any::from(text), &vector["expected"])?,
        }
        let fields = template.fields.iter();
        let fields: Map<String, Any> = fields
            .map(|field| {
                (
                    field.name.to_string(),
                    json(&reference::field_values(field, event)),
                )
            })
            .collect();
        match &vector["output_fields"] {
            Any::Null => same(&fields.len(), &0),
            expected => {
                let names: Vec<_> = fields.keys().collect();
                same(&names, &expected.as_object().unwrap().keys().collect())?;
                same(&Any::Object(fields.clone()), expected)
            }
        }
    });
}

#[test]
fn fields_read_as_in_falco() {
    let Some(all) = vectors() else { return };
    let names = all["field_catalogue"].as_array().unwrap();
    assert_eq!(names.len(), 153);
    let mut failures = Vec::new();
    for (event_name, vector) in all["field_vectors"].as_object().unwrap() {
        let event = event(all["events"][event_name].as_str().unwrap());
        for name in names.iter().map(|name| name.as_str().unwrap()) {
            let (base, argument) = match name.split_once('[') {
                Some((base, argument)) => (base, Some(argument.strip_suffix(']').unwrap())),
                None => (name, None),
            };
            let field = fields::resolve(base, argument, &FieldOptions::default()).unwrap();
            let values = reference::field_values(&field, &event);
            let got = match values {
                Values::Absent => Any::Null,
                ref values => {
                    let text = String::from_utf8(reference::printed(values)).unwrap();
                    serde_json::json!({ "text": text, "value": json(values) })
                }
            };
            let expected = vector["present"].get(name).unwrap_or(&Any::Null);
            if &got != expected {
                failures.push(format!(
                    "{event_name}: {name}: got {got}, expected {expected}"
                ));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

fn json(values: &Values<'_>) -> Any {
    let value = |value: &Value<'_>| match value {
        Value::Bool(value) => Any::from(*value),
        Value::Integer(number, _) => Any::from(u64::try_from(*number).unwrap()),
        Value::Text(text) => Any::from(String::from_utf8_lossy(text)),
    };
    match values {
        Values::Absent => Any::Null,
        Values::One(one) => value(one),
        Values::Many(values) => values.iter().map(value).collect(),
    }
}
