//! How alerts are written: three formats, one line an alert in each.
//!
//! - [`Format::Json`]: kubevigil's own shape, with everything an alert holds.
//! - [`Format::Falco`]: Falco's JSON alert to the letter, for falcosidekick and everything else that reads Falco.
//! - [`Format::Text`]: Falco's plain line, for people.
//!
//! Every alert holds text that an attacker wrote. `text` and `json` make whatever could act on a terminal visible
//! ([`kubevigil_diagnostics::escape`]); `falco` escapes control characters as JSON must and leaves the rest as Falco does. None of them ever
//! has a line break inside an alert.

mod falco;
mod harmless;
mod json;
mod text;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::alert::{Alert, FieldValue};

/// A way of writing alerts.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Falco's JSON alert, to the letter.
    Falco,
    /// kubevigil's own JSON, with everything that is known about the alert.
    #[default]
    Json,
    /// One plain line for people: time, priority, message.
    Text,
}

/// What Falco lets its users choose about the alerts; read by the formats `falco` and `text`. The names and defaults are
/// those of Falco's configuration.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct FalcoStyle {
    /// Write the message without time and priority as `message` (`falco` only).
    pub json_include_message_property: bool,
    /// Write the output fields as `output_fields` (`falco` only).
    pub json_include_output_fields_property: bool,
    /// Write the full line as `output` (`falco` only).
    pub json_include_output_property: bool,
    /// Write the tags as `tags` (`falco` only).
    pub json_include_tags_property: bool,
    /// What becomes of characters in the text that could act on a terminal (`text` only). Falco has no such setting: its
    /// releases up to 0.44 print them raw, later ones as JSON does.
    pub text_escaping: TextEscaping,
    /// Write the time in front of the message as an ISO 8601 date and time instead of a time of day. Both are UTC.
    pub time_format_iso_8601: bool,
}

impl Default for FalcoStyle {
    fn default() -> Self {
        Self {
            json_include_message_property: false,
            json_include_output_fields_property: true,
            json_include_output_property: true,
            json_include_tags_property: true,
            text_escaping: TextEscaping::Visible,
            time_format_iso_8601: false,
        }
    }
}

/// What becomes of characters in a plain line that could act on a terminal.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TextEscaping {
    /// As Falco after 0.44 does: the line is written as the content of a JSON string.
    Json,
    /// As Falco up to 0.44 does: nothing. The text of an attacker reaches the terminal, and an alert may be several lines.
    None,
    /// All of them, the invisible ones too, are shown as `\u{1b}`.
    #[default]
    Visible,
}

/// Writes alerts in one format.
#[derive(Clone, Debug, Default)]
pub struct Renderer {
    /// The format.
    pub format: Format,
    /// The choices within the formats that are Falco's.
    pub falco: FalcoStyle,
    /// The name of the machine, for the formats that print it.
    pub hostname: Option<String>,
}

impl Renderer {
    /// A renderer with default choices and no host name.
    pub fn new(format: Format) -> Self {
        Self {
            format,
            ..Self::default()
        }
    }

    /// The alert as one line, without the line break at its end.
    pub fn line(&self, alert: &Alert) -> String {
        match self.format {
            Format::Falco => falco::line(alert, &self.falco, self.hostname.as_deref()),
            Format::Json => json::line(alert, self.hostname.as_deref()),
            Format::Text => text::line(alert, &self.falco),
        }
    }
}

/// JSON of values that always have one: no map with keys other than texts, no numbers that JSON lacks.
fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A field's value as JSON without a tag, for serialisers: `null`, `true`, `201`, `"text"`, `["a","b"]`.
fn serialize_plain<S: serde::Serializer>(
    value: &FieldValue,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        FieldValue::Absent => serializer.serialize_unit(),
        FieldValue::Bool(flag) => serializer.serialize_bool(*flag),
        FieldValue::Integer(number) => serializer.serialize_i128(*number),
        FieldValue::Text(text) => serializer.serialize_str(text),
        FieldValue::List(texts) => texts.serialize(serializer),
    }
}

/// Output fields as a JSON object in the order given.
struct Fields<'a>(Vec<(&'a str, &'a FieldValue)>);

impl Serialize for Fields<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|&(name, value)| (name, Plain(value))))
    }
}

struct Plain<'a>(&'a FieldValue);

impl Serialize for Plain<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_plain(self.0, serializer)
    }
}
