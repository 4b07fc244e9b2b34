//! The traps of the language: rules that load and ask something else than their author means.

use std::ops::Range;

use kubevigil_yaml::Node;

use crate::sigma::codes;
use crate::sigma::condition::{Expr, negated};
use crate::sigma::fields::Fields;
use crate::sigma::item::has_single;
use crate::sigma::problems::Problems;
use crate::sigma::selection::NO_SELECTIONS;

/// The names behind which bodies begin.
const BODIES: [&str; 2] = ["requestObject.", "responseObject."];

/// Those that stand for several places in them, and of which blocks can ask as they are written.
const DERIVED: [&str; 2] = ["kv.object.", "kv.podSpec."];

/// Names under which Kubernetes objects have arrays of objects.
const ARRAYS: [&str; 19] = [
    "conditions",
    "containers",
    "env",
    "envFrom",
    "ephemeralContainers",
    "imagePullSecrets",
    "initContainers",
    "items",
    "managedFields",
    "ownerReferences",
    "ports",
    "rules",
    "sources",
    "subjects",
    "subsets",
    "tolerations",
    "volumeMounts",
    "volumes",
    "webhooks",
];

/// Warns about the traps in a detection.
pub(super) fn check(
    detection: &Node,
    expressions: &[Expr],
    fields: &Fields,
    problems: &mut Problems,
) {
    let selections: Vec<(&str, &Node)> = detection
        .pairs()
        .unwrap_or_default()
        .iter()
        .filter_map(|(key, value)| Some((key.text()?, value)))
        .filter(|(name, _)| !NO_SELECTIONS.contains(name))
        .collect();
    for (_, selection) in &selections {
        selection_traps(selection, fields, problems);
    }
    let names: Vec<&str> = selections.iter().map(|(name, _)| *name).collect();
    let mut under_not = Vec::new();
    expressions
        .iter()
        .for_each(|expression| negated(expression, &names, false, &mut under_not));
    for (name, selection) in selections
        .iter()
        .filter(|(name, _)| under_not.contains(name))
    {
        negated_array(name, selection, fields, problems);
    }
}

/// An item of a flat map: what it asks and where it is written.
struct Flat<'n> {
    field: &'n str,
    modifiers: Vec<&'n str>,
    value: &'n Node,
    span: Range<usize>,
}

fn flat_items(map: &Node) -> Vec<Flat<'_>> {
    let pairs = map.pairs().unwrap_or_default().iter();
    let items = pairs
        .filter(|(_, value)| value.pairs().is_none())
        .filter_map(|(key, value)| {
            let mut words = key.text()?.split('|');
            let field = words.next()?;
            Some(Flat {
                field,
                modifiers: words.collect(),
                value,
                span: key.span.clone(),
            })
        });
    items.collect()
}

/// The maps of a selection: itself, or those of its list.
fn maps(selection: &Node) -> Vec<&Node> {
    let nodes = selection.items().unwrap_or(std::slice::from_ref(selection));
    nodes.iter().filter(|node| node.pairs().is_some()).collect()
}

fn selection_traps(selection: &Node, fields: &Fields, problems: &mut Problems) {
    for map in maps(selection) {
        let items = flat_items(map);
        for item in &items {
            single_character(item, problems);
            all_alone(item, problems);
        }
        same_element(&items, fields, problems);
    }
}

fn values(item: &Flat<'_>) -> Vec<Node> {
    let nodes = item
        .value
        .items()
        .unwrap_or(std::slice::from_ref(item.value));
    nodes.to_vec()
}

/// `?` in a URL is meant as itself and stands for any character.
fn single_character(item: &Flat<'_>, problems: &mut Problems) {
    if item.modifiers.contains(&"re") {
        return;
    }
    for node in values(item) {
        let Some(text) = node.text() else { continue };
        let is_url =
            item.field.ends_with("requestURI") || text.starts_with('/') || text.contains("://");
        if !is_url || !has_single(text) {
            continue;
        }
        let message = "an unescaped `?` stands for any one character";
        let escaped = text.replace("\\?", "?").replace('?', "\\?");
        let help = format!("write `\\?` for a question mark: `{escaped}`");
        problems.warning(codes::SINGLE_CHARACTER, node.span.clone(), message, help);
    }
}

fn all_alone(item: &Flat<'_>, problems: &mut Problems) {
    if item.modifiers.contains(&"all") && values(item).len() == 1 {
        let message = "`all` changes nothing for a single value";
        problems.warning(
            codes::ALL_ALONE,
            item.span.clone(),
            message,
            "list the values that must all match, or leave `all` out",
        );
    }
}

/// Two items of a map that lead through the same array need not be about the same element.
fn same_element(items: &[Flat<'_>], fields: &Fields, problems: &mut Problems) {
    for (at, item) in items.iter().enumerate() {
        let Some(array) = array_of(item.field, fields) else {
            continue;
        };
        let mut earlier = items.iter().take(at);
        let Some(other) =
            earlier.find(|other| array_of(other.field, fields).as_ref() == Some(&array))
        else {
            continue;
        };
        let message = format!(
            "`{}` and `{}` may be met by different elements of `{array}`",
            other.field, item.field
        );
        let help = format!(
            "to ask for one element with both, write `sigma-version: 3` in the rule and a block `{array}[any]:`"
        );
        problems.warning(codes::SAME_ELEMENT, item.span.clone(), message, help);
    }
}

/// `not` over an array of objects is false as soon as one element is selected.
fn negated_array(name: &str, selection: &Node, fields: &Fields, problems: &mut Problems) {
    for map in maps(selection) {
        for item in flat_items(map) {
            let Some(array) = array_of(item.field, fields) else {
                continue;
            };
            let message = format!(
                "`not {name}` is false as soon as one element of `{array}` is selected, whatever the others are"
            );
            let help = format!(
                "to find an element that is not selected, write `sigma-version: 3` in the rule and a block `{array}[any]:` with `condition: not …` in it"
            );
            problems.warning(codes::NEGATED_ARRAY, item.span.clone(), message, help);
        }
    }
}

/// The innermost array of objects that a field leads through.
fn array_of(field: &str, fields: &Fields) -> Option<String> {
    let begins = |name: &str, with: &[&str]| with.iter().any(|start| name.starts_with(start));
    let names = fields.names(field);
    let name = match names.as_slice() {
        _ if begins(field, &DERIVED) => field,
        [name] if begins(name, &BODIES) => name,
        _ => return None,
    };
    let segments: Vec<&str> = name.split('.').collect();
    let before_last = segments.len().checked_sub(1)?;
    let position = segments
        .iter()
        .take(before_last)
        .rposition(|segment| ARRAYS.contains(segment))?;
    Some(segments.get(..=position)?.join("."))
}
