//! What consumers read, to the letter.

use std::path::Path;

use kubevigil_alerts::outbox::{DecodeError, decode, encode};
use kubevigil_alerts::{Alert, FalcoStyle, FieldValue, Format, Outcome, Renderer, TextEscaping};
use kubevigil_audit::time::Timestamp;
use kubevigil_rules::Priority;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::alerts;

/// An alert made of everything that an attacker could put into it.
fn hostile() -> Alert {
    let (mut finding, mut event) = alerts::finding(7);
    finding.message = "exec \u{1b}[2J\u{7} \"quoted\" back\\slash \u{202e}flipped\u{202c}\nsecond line\tGrüße \u{7f}".to_owned();
    finding.fields = vec![
        (
            "ka.user.name".to_owned(),
            FieldValue::Text("jane\u{1b}\u{8}\u{c}\r\n\u{7f}\u{2028}é".to_owned()),
        ),
        ("ka.target.name".to_owned(), FieldValue::Absent),
        (
            "ka.req.pod.containers.image".to_owned(),
            FieldValue::List(vec![String::new(), "nginx\0".to_owned()]),
        ),
        ("evt.is_async".to_owned(), FieldValue::Bool(false)),
        ("evt.num".to_owned(), FieldValue::Integer(-7)),
    ];
    event.outcome = Outcome::Denied;
    event.request.user_agent = Some("curl\u{1b}]0;title\u{7}".to_owned());
    event.request.code = Some(403);
    Alert::from_parts(
        &alerts::rule("Rule \"x\"", Priority::Critical),
        finding,
        &event,
    )
}

fn rendered(format: Format, falco: FalcoStyle) -> String {
    Renderer {
        format,
        falco,
        hostname: Some("host".to_owned()),
    }
    .line(&hostile())
}

#[test]
fn json_holds_everything() {
    insta::assert_snapshot!(rendered(Format::Json, FalcoStyle::default()));
}

#[test]
fn falco_json_is_falcos() {
    insta::assert_snapshot!(rendered(Format::Falco, FalcoStyle::default()));
}

#[test]
fn text_is_one_harmless_line() {
    insta::assert_snapshot!(rendered(
        Format::Text,
        FalcoStyle {
            time_format_iso_8601: true,
            ..FalcoStyle::default()
        }
    ));
}

#[test]
fn text_can_be_raw_or_escaped_as_falco_releases_have_it() {
    let (mut finding, event) = alerts::finding(1);
    finding.message = "\u{1b}[1m\"a\"\n\u{202e}é".to_owned();
    let alert = Alert::from_parts(&alerts::rule("r", Priority::Debug), finding, &event);
    let line = |text_escaping| {
        let falco = FalcoStyle {
            text_escaping,
            ..FalcoStyle::default()
        };
        Renderer {
            falco,
            ..Renderer::new(Format::Text)
        }
        .line(&alert)
    };
    assert_eq!(
        line(TextEscaping::None),
        "05:12:26.477108000: Debug \u{1b}[1m\"a\"\n\u{202e}é"
    );
    assert_eq!(
        line(TextEscaping::Json),
        "05:12:26.477108000: Debug \\u001b[1m\\\"a\\\"\\n\u{202e}é"
    );
    assert_eq!(
        line(TextEscaping::Visible),
        "05:12:26.477108000: Debug \\u{1b}[1m\"a\"\\n\\u{202e}é"
    );
}

#[test]
fn falcos_switches_leave_out_or_add_properties() {
    let style = FalcoStyle {
        json_include_message_property: true,
        json_include_output_fields_property: false,
        json_include_output_property: false,
        json_include_tags_property: false,
        time_format_iso_8601: true,
        ..FalcoStyle::default()
    };
    let line = Renderer {
        format: Format::Falco,
        falco: style,
        hostname: None,
    }
    .line(&alerts::alert(1));
    assert_eq!(
        line,
        r#"{"message":"shell number 1 (user=jane)","priority":"Warning","rule":"Shell in a pod","source":"k8s_audit","time":"2026-11-23T05:12:26.477108000Z"}"#
    );
}

#[test]
fn genuine_alerts_of_falco_are_written_to_the_letter() {
    let own = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/cases/falco-alerts.jsonl"
    );
    assert!(compare_with(Path::new(own)) > 5);
    for name in ["falco-expected-first.jsonl", "falco-expected-all.jsonl"] {
        let path = Path::new(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../../shared/data/recorded"
        ))
        .join(name);
        if path.exists() {
            assert!(compare_with(&path) > 100);
        } else {
            println!("skipped: {name} does not lie beside the checkout");
        }
    }
}

/// Takes each genuine alert apart, makes ours of the parts, and compares the lines. Returns how many there were.
fn compare_with(path: &Path) -> usize {
    let text = std::fs::read_to_string(path).unwrap();
    let falco = FalcoStyle {
        time_format_iso_8601: true,
        ..FalcoStyle::default()
    };
    let renderer = Renderer {
        format: Format::Falco,
        falco,
        hostname: Some("host".to_owned()),
    };
    for line in text.lines() {
        let mut genuine: Map<String, Value> = serde_json::from_str(line).unwrap();
        genuine.shift_remove("file");
        assert_eq!(
            renderer.line(&alert_of(&genuine)),
            Value::Object(genuine).to_string()
        );
    }
    text.lines().count()
}

fn alert_of(genuine: &Map<String, Value>) -> Alert {
    let text = |key: &str| genuine[key].as_str().unwrap();
    let (mut finding, event) = alerts::finding(1);
    finding.time = Timestamp::parse(text("time").as_bytes()).unwrap();
    let prefix = format!(": {} ", text("priority"));
    finding.message = text("output").split_once(&prefix).unwrap().1.to_owned();
    let fields = genuine["output_fields"].as_object().unwrap().iter().rev();
    finding.fields = fields
        .filter(|(name, _)| *name != "evt.time.iso8601")
        .map(field_of)
        .collect();
    let mut rule = alerts::rule(text("rule"), text("priority").parse().unwrap());
    rule.tags = genuine["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag.as_str().unwrap().into())
        .collect();
    Alert::from_parts(&rule, finding, &event)
}

fn field_of((name, value): (&String, &Value)) -> (String, FieldValue) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let value = match value {
        Value::Null => FieldValue::Absent,
        Value::Bool(flag) => FieldValue::Bool(*flag),
        Value::Number(number) => FieldValue::Integer(number.as_i64().unwrap().into()),
        Value::Array(values) => FieldValue::List(values.iter().map(text).collect()),
        other => FieldValue::Text(text(other)),
    };
    (name.clone(), value)
}

#[test]
fn a_stored_alert_comes_back_whole() {
    let alert = hostile();
    assert_eq!(decode(&encode(&alert)).unwrap(), alert);
}

#[test]
fn stored_alerts_of_other_versions_are_read_or_refused() {
    let mut stored: Value = serde_json::from_slice(&encode(&hostile())).unwrap();
    stored["alert"]["something_new"] = json!({"a": 1});
    stored["alert"]["event"]["cluster"] = json!("new");
    assert_eq!(decode(stored.to_string().as_bytes()).unwrap(), hostile());
    stored["version"] = json!(2);
    assert!(matches!(
        decode(stored.to_string().as_bytes()),
        Err(DecodeError::Newer(2))
    ));
    assert!(matches!(decode(b"{"), Err(DecodeError::Broken(_))));
}

#[test]
fn the_stored_form_stays_as_it_is() {
    // Alerts wait on disk across upgrades: if this changes, an older outbox must still be readable.
    insta::assert_snapshot!(String::from_utf8(encode(&alerts::alert(1)).to_vec()).unwrap());
}

#[test]
fn an_alert_is_identified_by_rule_and_event_alone() {
    let id = |rule: &str, number| {
        let (finding, event) = alerts::finding(number);
        Alert::from_parts(&alerts::rule(rule, Priority::Error), finding, &event).id
    };
    let (mut finding, mut event) = alerts::finding(1);
    event.event.audit_id = "chosen by the client".to_owned();
    finding.message = "another text".to_owned();
    let moved = Alert::from_parts(&alerts::rule("a", Priority::Debug), finding, &event);
    assert_eq!(moved.id, id("a", 1));
    assert_ne!(id("a", 1), id("a", 2));
    assert_ne!(id("a", 1), id("b", 1));
    assert_eq!(id("a", 1).to_string().len(), 32);
}

proptest! {
    #[test]
    fn every_format_is_one_line_and_both_json_formats_parse(message: String, name: String, value: String, number: i64) {
        let (mut finding, event) = alerts::finding(1);
        finding.message = message.clone();
        finding.fields = vec![(name.clone(), FieldValue::Text(value.clone())), ("n".to_owned(), FieldValue::Integer(number.into()))];
        let alert = Alert::from_parts(&alerts::rule(&value, Priority::Notice), finding, &event);
        for format in [Format::Json, Format::Falco, Format::Text] {
            let line = Renderer::new(format).line(&alert);
            prop_assert!(!line.contains(['\n', '\r']), "{line}");
            let harmless = !line.chars().any(kubevigil_diagnostics::escape::is_hostile);
            prop_assert!(harmless || format == Format::Falco, "{line}");
            if format != Format::Text {
                let parsed: Value = serde_json::from_str(&line).unwrap();
                prop_assert_eq!(&parsed["rule"], &json!(value));
                prop_assert_eq!(&parsed["output_fields"]["n"], &json!(number));
                prop_assert!(parsed["output"].as_str().unwrap().ends_with(&message));
            }
        }
        prop_assert_eq!(decode(&encode(&alert)).unwrap(), alert);
    }
}
