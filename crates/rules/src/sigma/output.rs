//! The text of alerts: Sigma's rules have none, so the title is followed by what an alert is usually read for.

use std::fmt::Write as _;
use std::sync::Arc;

use kubevigil_audit::json::{Json, JsonKind};
use kubevigil_yaml::{Kind, Node};

use crate::condition::Expr;
use crate::derived;
use crate::field::{Field, Inputs, JsonPath, Kind as FieldKind, Read, Value, Values};
use crate::json_test::scalar_text;
use crate::lookup::{Dotted, any_member};
use crate::sigma::fields::Fields;
use crate::template::{Piece, Template};

/// The fields shown when a rule names none, and what they are called in the text.
const DEFAULT_FIELDS: [(&str, &str); 8] = [
    ("user", "user.username"),
    ("verb", "verb"),
    ("resource", "objectRef.resource"),
    ("subresource", "objectRef.subresource"),
    ("namespace", "objectRef.namespace"),
    ("name", "objectRef.name"),
    ("code", "responseStatus.code"),
    ("source", "sourceIPs"),
];

/// Separates paths in the argument of a field; no name of a field has it.
const SEPARATOR: char = '\n';

/// The text `TITLE (user=… verb=…)` with the fields that the rule names, or the usual ones.
pub(super) fn template(title: &str, names: &[String], fields: &Fields) -> Template {
    let shown: Vec<(&str, Field)> = if names.is_empty() {
        DEFAULT_FIELDS
            .iter()
            .map(|(label, name)| (*label, usual_field(name)))
            .collect()
    } else {
        names
            .iter()
            .map(|name| (name.as_str(), listed_field(name, &fields.names(name))))
            .collect()
    };
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut literal = format!("{title} (");
    for (number, (label, field)) in shown.iter().enumerate() {
        let blank = if number == 0 { "" } else { " " };
        let _ = write!(literal, "{blank}{label}=");
        let _ = write!(text, "{literal}%{}", field.name);
        pieces.push(Piece::Literal(std::mem::take(&mut literal)));
        pieces.push(Piece::Value {
            expr: Expr::Field(field.clone()),
            width: None,
        });
    }
    pieces.push(Piece::Literal(")".to_owned()));
    text.push(')');
    let mut fields: Vec<Field> = shown.into_iter().map(|(_, field)| field).collect();
    fields.sort_by(|one, other| one.name.cmp(&other.name));
    fields.dedup();
    Template {
        pieces,
        fields,
        text,
    }
}

/// The field of a name that a rule's author listed.
fn listed_field(name: &str, paths: &[String]) -> Field {
    if let [path] = paths
        && let Some(derived) = derived::resolve(path)
    {
        return derived;
    }
    match paths {
        [path] if DEFAULT_FIELDS.iter().any(|(_, usual)| usual == path) => usual_field(path),
        _ => field(name, paths),
    }
}

/// A field that is read only when an alert is written, from the event as a whole: its paths need no place in the pass.
fn field(name: &str, paths: &[String]) -> Field {
    // Fields are equal when their names are; a name that a pipeline gives another meaning is another field.
    let shown: Arc<str> = match paths {
        [path] => path.as_str().into(),
        _ => name.into(),
    };
    Field {
        name: shown,
        kind: FieldKind::TextList,
        inputs: Arc::new([]),
        read: Read::With(read),
        argument: Some(paths.join(&SEPARATOR.to_string()).into()),
        needs: None,
    }
}

/// A field of every event, read in the pass: no key on its way has dots.
fn usual_field(name: &str) -> Field {
    let keys: Vec<&str> = name.split('.').collect();
    Field {
        name: name.into(),
        kind: FieldKind::TextList,
        inputs: Arc::new([JsonPath::last(&keys)]),
        read: Read::With(|inputs| values(inputs.places(0))),
        argument: None,
        needs: None,
    }
}

fn read<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let mut places: Vec<Json<'e>> = Vec::new();
    if let (Some(event), Some(argument)) = (Json::first_in(inputs.event.raw), inputs.argument) {
        for path in argument.split(SEPARATOR) {
            Dotted::new(path).places(event, &mut places);
        }
    }
    values(&places)
}

fn values<'e>(places: &[Json<'e>]) -> Values<'e> {
    let mut values: Vec<Value<'e>> = Vec::new();
    for &place in places {
        any_member(place, &mut |member| {
            values.extend(value(member));
            false
        });
    }
    match values.len() {
        1 => values.pop().map_or(Values::Absent, Values::One),
        _ => Values::list(values),
    }
}

fn value(member: Json<'_>) -> Option<Value<'_>> {
    match member.kind() {
        JsonKind::Null => None,
        JsonKind::Bool => Some(Value::Bool(member.raw() == b"true")),
        JsonKind::Number => {
            let text = scalar_text(member)?;
            let number = std::str::from_utf8(&text)
                .ok()
                .and_then(|text| text.parse().ok());
            Some(number.map_or(Value::Text(text), |number| Value::Integer(number, None)))
        }
        _ => Some(Value::Text(member.text())),
    }
}

/// The detection in one line: the condition, then its selections as YAML in flow style.
pub(super) fn condition_text(detection: &Node) -> String {
    let mut text = String::new();
    if let Some(condition) = detection.get("condition") {
        flow(condition, &mut text);
    }
    for (key, value) in detection.pairs().unwrap_or_default() {
        match key.text() {
            Some("condition" | "timeframe" | "rules") | None => {}
            Some(name) => {
                let _ = write!(text, "; {name}: ");
                flow(value, &mut text);
            }
        }
    }
    text
}

fn flow(node: &Node, text: &mut String) {
    match &node.kind {
        Kind::Scalar { text: scalar, .. } => {
            text.push_str(if node.is_null() { "null" } else { scalar })
        }
        Kind::Sequence(items) => {
            text.push('[');
            for (number, item) in items.iter().enumerate() {
                text.push_str(if number == 0 { "" } else { ", " });
                flow(item, text);
            }
            text.push(']');
        }
        Kind::Mapping(pairs) => {
            text.push('{');
            for (number, (key, value)) in pairs.iter().enumerate() {
                text.push_str(if number == 0 { "" } else { ", " });
                flow(key, text);
                text.push_str(": ");
                flow(value, text);
            }
            text.push('}');
        }
    }
}
