//! The configuration as a tree with places and as a JSON value, and the same path in both.

use std::ops::Range;

use kubevigil_yaml::{Kind, Node, Style};
use serde_json::{Map, Number, Value};

/// The JSON value of a YAML tree: plain scalars become what the core schema of YAML 1.2 (section 10.3) makes of them.
///
/// The tree's depth is bounded by its parser.
pub(crate) fn to_json(node: &Node) -> Value {
    if let Some(items) = node.items() {
        return Value::Array(items.iter().map(to_json).collect());
    }
    if let Some(pairs) = node.pairs() {
        let entries = pairs
            .iter()
            .map(|(key, value)| (key.text().unwrap_or_default().to_owned(), to_json(value)));
        return Value::Object(entries.collect::<Map<_, _>>());
    }
    if node.is_null() {
        return Value::Null;
    }
    scalar(node)
}

fn scalar(node: &Node) -> Value {
    let text = node.text().unwrap_or_default();
    let plain = matches!(
        &node.kind,
        Kind::Scalar {
            style: Style::Plain,
            ..
        }
    );
    if !plain {
        return Value::String(text.to_owned());
    }
    match text {
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => match text.parse::<Number>() {
            Ok(number) => Value::Number(number),
            Err(_) => Value::String(text.to_owned()),
        },
    }
}

/// Where the value at a path stands, and whether it was found; if not, the place of the innermost one on the way.
pub(crate) fn node_at(root: &Node, path: &[String]) -> (Range<usize>, bool) {
    let (mut node, mut span) = (root, root.span.clone());
    for step in path {
        let position = step.parse::<usize>().ok();
        if let Some((key, value)) = node.entry(step) {
            (node, span) = (value, key.span.clone());
        } else if let Some(item) = position.and_then(|position| node.items()?.get(position)) {
            (node, span) = (item, item.span.clone());
        } else {
            return (span, false);
        }
    }
    (span, true)
}

/// Removes the member of an object at a path; false when there is none.
pub(crate) fn take_out(value: &mut Value, path: &[String]) -> bool {
    let Some((last, parents)) = path.split_last() else {
        return false;
    };
    let mut parent = value;
    for step in parents {
        let next = match parent {
            Value::Object(entries) => entries.get_mut(step),
            Value::Array(items) => step
                .parse::<usize>()
                .ok()
                .and_then(|position| items.get_mut(position)),
            _ => None,
        };
        let Some(next) = next else { return false };
        parent = next;
    }
    // Elements of lists stay: without one, the paths of those behind it would no longer be what they are in the file.
    match parent {
        Value::Object(entries) => entries.remove(last).is_some(),
        _ => false,
    }
}
