//! The configuration as a tree with places and as a JSON value, and the same path in both.

use std::collections::BTreeMap;
use std::ops::Range;

use kubevigil_yaml::{Kind, Node, Style};
use serde_json::{Map, Number, Value};

/// The JSON value of a YAML tree: plain scalars become what the core schema of YAML 1.2 (section 10.3) makes of them.
///
/// The tree's depth is bounded by its parser.
fn to_json(node: &Node) -> Value {
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

/// Where a part of the file stands.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    /// The key, or the element of a list.
    pub(crate) key: Range<usize>,
    /// The value.
    pub(crate) value: Range<usize>,
}

/// Where the part at a path stands; if there is none, the innermost one on the way.
pub(crate) fn spot(root: &Node, path: &[String]) -> Spot {
    let mut node = root;
    let mut spot = Spot {
        key: root.span.start..root.span.start,
        value: root.span.clone(),
    };
    for step in path {
        let position = step.parse::<usize>().ok();
        if let Some((key, value)) = node.entry(step) {
            spot = Spot {
                key: key.span.clone(),
                value: value.span.clone(),
            };
            node = value;
        } else if let Some(item) = position.and_then(|position| node.items()?.get(position)) {
            spot = Spot {
                key: item.span.clone(),
                value: item.span.clone(),
            };
            node = item;
        } else {
            break;
        }
    }
    spot
}

/// The value of a file without the mistaken parts that were taken out of it. Paths into it become paths into the file, in which
/// list elements keep their places.
pub(crate) struct Remains {
    pub(crate) value: Value,
    /// For each list that lost elements, by its path in the file: their places in the file, ascending.
    lost: BTreeMap<Vec<String>, Vec<usize>>,
}

impl Remains {
    /// All of the file.
    pub(crate) fn new(root: &Node) -> Self {
        Self {
            value: to_json(root),
            lost: BTreeMap::new(),
        }
    }

    /// The path in the file of what stands at a path now.
    pub(crate) fn in_file(&self, path: &[String]) -> Vec<String> {
        let mut original = Vec::with_capacity(path.len());
        for step in path {
            let step = match (self.lost.get(&original), step.parse::<usize>()) {
                (Some(lost), Ok(position)) => place_before(lost, position).to_string(),
                _ => step.clone(),
            };
            original.push(step);
        }
        original
    }

    /// Takes out what stands at a path now; false when there is nothing.
    pub(crate) fn take_out(&mut self, path: &[String]) -> bool {
        let Some((last, parents)) = path.split_last() else {
            return false;
        };
        let list = self.in_file(parents);
        match parent(&mut self.value, parents) {
            Some(Value::Object(entries)) => entries.shift_remove(last).is_some(),
            Some(Value::Array(items)) => {
                let position = last
                    .parse::<usize>()
                    .ok()
                    .filter(|position| *position < items.len());
                let Some(position) = position else {
                    return false;
                };
                items.remove(position);
                let lost = self.lost.entry(list).or_default();
                lost.push(place_before(lost, position));
                lost.sort_unstable();
                true
            }
            _ => false,
        }
    }
}

fn parent<'v>(value: &'v mut Value, path: &[String]) -> Option<&'v mut Value> {
    path.iter().try_fold(value, |value, step| match value {
        Value::Object(entries) => entries.get_mut(step),
        Value::Array(items) => items.get_mut(step.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Where an element stood before those at the `lost` places were taken out.
fn place_before(lost: &[usize], position: usize) -> usize {
    lost.iter().fold(
        position,
        |place, lost| if *lost <= place { place + 1 } else { place },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_keep_their_places_when_others_are_taken_out() {
        let documents = kubevigil_yaml::parse("list: [a, b, c, d]\nkey: v\n").unwrap();
        let mut remains = Remains::new(&documents[0].root);
        let path = |position: usize| ["list".to_owned(), position.to_string()];
        assert!(remains.take_out(&path(1)));
        assert!(remains.take_out(&path(1)));
        assert_eq!(remains.in_file(&path(0)), path(0));
        assert_eq!(remains.in_file(&path(1)), path(3));
        assert!(remains.take_out(&["key".to_owned()]));
        assert!(!remains.take_out(&path(2)));
        assert!(!remains.take_out(&[]));
        assert_eq!(remains.value, serde_json::json!({"list": ["a", "d"]}));
    }
}
