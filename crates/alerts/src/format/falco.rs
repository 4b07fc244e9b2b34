//! Falco's JSON alert: one object, keys sorted by their bytes, no blanks between tokens.
//!
//! The time in front of the message counts as an output field, so its name, `evt.time` or `evt.time.iso8601`, is always among
//! them. Falco prints strings as nlohmann's JSON library does: control characters below U+0020 escaped (`\n` and its like by
//! letter, the rest as `\u001b`), everything else as UTF-8. serde_json prints exactly the same.

use std::collections::BTreeMap;

use serde::Serialize;

use super::text::full_output;
use super::{FalcoStyle, Fields, to_json};
use crate::alert::{Alert, FieldValue};

/// The alert as Falco prints it.
pub(super) fn line(alert: &Alert, style: &FalcoStyle, hostname: Option<&str>) -> String {
    let prefix_time = FieldValue::Integer(alert.time.nanoseconds);
    let mut tags: Vec<&str> = alert.tags.iter().map(String::as_str).collect();
    tags.sort_unstable();
    to_json(&Shape {
        hostname,
        message: style
            .json_include_message_property
            .then_some(alert.output.as_str()),
        output: style
            .json_include_output_property
            .then(|| full_output(alert, style)),
        output_fields: style
            .json_include_output_fields_property
            .then(|| output_fields(alert, style, &prefix_time)),
        priority: alert.priority.as_str(),
        rule: &alert.rule,
        source: &alert.source,
        tags: style.json_include_tags_property.then_some(tags),
        time: alert.time.to_string(),
    })
}

fn output_fields<'a>(
    alert: &'a Alert,
    style: &FalcoStyle,
    prefix_time: &'a FieldValue,
) -> Fields<'a> {
    let mut fields: BTreeMap<&str, &FieldValue> = alert
        .output_fields
        .iter()
        .map(|(name, value)| (name.as_str(), value))
        .collect();
    let time_field = if style.time_format_iso_8601 {
        "evt.time.iso8601"
    } else {
        "evt.time"
    };
    fields.insert(time_field, prefix_time);
    Fields(fields.into_iter().collect())
}

/// Fields in the order of their names.
#[derive(Serialize)]
struct Shape<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_fields: Option<Fields<'a>>,
    priority: &'a str,
    rule: &'a str,
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Vec<&'a str>>,
    time: String,
}
