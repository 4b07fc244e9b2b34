//! The meaning of questions to JSON values: on a tree, by recursion, with nothing shared but the types.

use kubevigil_rules::json_test::{Relation, TimePart};
use kubevigil_rules::lookup::{Dotted, Step};
use kubevigil_rules::pattern::Token;
use kubevigil_rules::{
    Compare, Condition, Elements, EventContext, JsonPredicate, JsonTest, Letters, Lookup,
    Quantifier, Subject, Value,
};
use serde_json::Value as Tree;

/// The event as a tree; of equal keys the last counts.
pub(crate) fn parsed(event: &[u8]) -> Tree {
    serde_json::from_slice(event).unwrap_or_default()
}

/// Whether a condition of JSON questions holds for an event or an element.
pub(crate) fn holds(condition: &Condition, tree: &Tree, event: &EventContext<'_>) -> bool {
    match condition {
        Condition::All(parts) => parts.iter().all(|part| holds(part, tree, event)),
        Condition::Any(parts) => parts.iter().any(|part| holds(part, tree, event)),
        Condition::ExactlyOne(parts) => {
            parts.iter().filter(|part| holds(part, tree, event)).count() == 1
        }
        Condition::Not(part) => !holds(part, tree, event),
        Condition::Json(test) => test_holds(test, tree, event),
        Condition::Elements(elements) => elements_hold(elements, tree, event),
        Condition::Test(_) => false,
    }
}

fn elements_hold(elements: &Elements, tree: &Tree, event: &EventContext<'_>) -> bool {
    let mut members = Vec::new();
    for place in places(&elements.of, tree) {
        match place {
            Tree::Array(inner) => members.extend(inner),
            Tree::Null => {}
            other => members.push(other),
        }
    }
    let holding = members
        .iter()
        .filter(|member| holds(&elements.condition, member, event))
        .count();
    match elements.quantifier {
        Quantifier::Any => holding > 0,
        Quantifier::All => holding > 0 && holding == members.len(),
        Quantifier::AllOrEmpty => holding == members.len(),
        Quantifier::None => holding == 0,
    }
}

fn test_holds(test: &JsonTest, tree: &Tree, event: &EventContext<'_>) -> bool {
    let found = found(&test.subject, tree, event);
    match (&test.predicate, found.is_empty()) {
        (JsonPredicate::Exists, empty) => !empty,
        (JsonPredicate::Null, true) => true,
        (predicate, _) => found
            .iter()
            .flat_map(flat)
            .any(|value| satisfies(&value, predicate, tree, event)),
    }
}

fn found(subject: &Subject, tree: &Tree, event: &EventContext<'_>) -> Vec<Tree> {
    match subject {
        Subject::Lookup(lookup) => places(lookup, tree),
        Subject::AnyScalar => leaves(tree),
        Subject::Field(field) => {
            let values = super::field_values(field, event);
            values.as_slice().iter().map(scalar).collect()
        }
    }
}

/// A value of a field as it would be written in JSON.
fn scalar(value: &Value<'_>) -> Tree {
    match value {
        Value::Bool(value) => Tree::Bool(*value),
        Value::Integer(number, _) => serde_json::from_str(&number.to_string()).unwrap(),
        Value::Text(text) => Tree::String(String::from_utf8_lossy(text).into_owned()),
    }
}

fn places(lookup: &Lookup, tree: &Tree) -> Vec<Tree> {
    let paths = lookup.paths.iter();
    let reachable = |path: &&Dotted| tree.is_object() || path.is_self();
    paths
        .filter(reachable)
        .flat_map(|path| walk(&path.steps, tree))
        .collect()
}

fn walk(steps: &[Step], tree: &Tree) -> Vec<Tree> {
    let mut current = vec![tree.clone()];
    for step in steps {
        let name: Vec<&str> = step.segments.iter().map(AsRef::as_ref).collect();
        current = current
            .iter()
            .flat_map(|tree| resolve(&name, tree))
            .collect();
        if let Some(number) = step.element {
            current = current
                .iter()
                .filter_map(|tree| {
                    let length = i64::try_from(tree.as_array()?.len()).ok()?;
                    let at = if number < 0 { length + number } else { number };
                    tree.get(usize::try_from(at).ok()?).cloned()
                })
                .collect();
        }
    }
    current
}

fn resolve(name: &[&str], tree: &Tree) -> Vec<Tree> {
    match tree {
        _ if name.is_empty() => vec![tree.clone()],
        Tree::Array(members) => members
            .iter()
            .flat_map(|member| resolve(name, member))
            .collect(),
        Tree::Object(object) => {
            for taken in (1..=name.len()).rev() {
                let key = name[..taken].join(".");
                let found = object.get(&key).map(|value| resolve(&name[taken..], value));
                if let Some(found) = found.filter(|found| !found.is_empty()) {
                    return found;
                }
            }
            Vec::new()
        }
        _ => Vec::new(),
    }
}

fn flat(tree: &Tree) -> Vec<Tree> {
    match tree {
        Tree::Array(members) => members.iter().flat_map(flat).collect(),
        other => vec![other.clone()],
    }
}

fn leaves(tree: &Tree) -> Vec<Tree> {
    match tree {
        Tree::Array(members) => members.iter().flat_map(leaves).collect(),
        Tree::Object(object) => object.values().flat_map(leaves).collect(),
        other => vec![other.clone()],
    }
}

fn satisfies(
    value: &Tree,
    predicate: &JsonPredicate,
    tree: &Tree,
    event: &EventContext<'_>,
) -> bool {
    let text = text(value);
    let number = number(value);
    match predicate {
        JsonPredicate::Exists => true,
        JsonPredicate::HasValue => !value.is_null(),
        JsonPredicate::Null => value.is_null(),
        JsonPredicate::Bool(wanted) => match value {
            Tree::Bool(value) => value == wanted,
            Tree::String(text) => folded(text) == wanted.to_string(),
            _ => false,
        },
        JsonPredicate::Number(wanted, texts) => match value {
            Tree::Number(_) => number == Some(*wanted),
            Tree::String(text) => texts.iter().any(|other| **other == **text),
            _ => false,
        },
        JsonPredicate::OneOf(texts, letters) => text.is_some_and(|text| {
            texts
                .iter()
                .any(|other| **other == *in_letters(&text, *letters))
        }),
        JsonPredicate::Like(patterns, letters) => text.is_some_and(|text| {
            let text: Vec<char> = in_letters(&text, *letters).chars().collect();
            patterns
                .iter()
                .any(|pattern| like(&pattern.0, &text, *letters))
        }),
        JsonPredicate::Regex(pattern) => {
            text.is_some_and(|text| regex::Regex::new(pattern).unwrap().is_match(&text))
        }
        JsonPredicate::Network(networks) => match value {
            Tree::String(text) => text
                .parse()
                .is_ok_and(|address| networks.iter().any(|network| network.contains(address))),
            _ => false,
        },
        JsonPredicate::Compare(compare, wanted) => {
            number.is_some_and(|number| relation(*compare, number, *wanted))
        }
        JsonPredicate::TimePart(part, compare, wanted) => value
            .as_str()
            .and_then(|text| time_part(text, *part))
            .is_some_and(|number| relation(*compare, number, *wanted)),
        JsonPredicate::Against(other, relation, letters) => {
            let others = found(other, tree, event);
            let others: Vec<Tree> = others.iter().flat_map(flat).collect();
            text.is_some_and(|text| {
                others.iter().filter_map(self::text).any(|other| {
                    let (text, other) = (in_letters(&text, *letters), in_letters(&other, *letters));
                    match relation {
                        Relation::Equals => text == other,
                        Relation::Contains => text.contains(&other),
                        Relation::StartsWith => text.starts_with(&other),
                        Relation::EndsWith => text.ends_with(&other),
                    }
                })
            })
        }
    }
}

fn text(value: &Tree) -> Option<String> {
    match value {
        Tree::String(text) => Some(text.clone()),
        Tree::Bool(value) => Some(value.to_string()),
        Tree::Number(number) if number.is_f64() => Some(number.as_f64().unwrap().to_string()),
        Tree::Number(number) => Some(number.to_string()),
        Tree::Null | Tree::Array(_) | Tree::Object(_) => None,
    }
}

fn number(value: &Tree) -> Option<f64> {
    match value {
        Tree::Number(number) => number.as_f64(),
        Tree::String(text) => text
            .trim()
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

fn relation(compare: Compare, one: f64, other: f64) -> bool {
    match compare {
        Compare::Equal => one == other,
        Compare::Greater => one > other,
        Compare::GreaterOrEqual => one >= other,
        Compare::Less => one < other,
        Compare::LessOrEqual => one <= other,
    }
}

/// By characters of the text alone; good for UTC, which is all that tests use.
fn time_part(text: &str, part: TimePart) -> Option<f64> {
    kubevigil_audit::time::Timestamp::parse(text.as_bytes())?;
    let digits = |range: std::ops::Range<usize>| text.get(range)?.parse().ok();
    match part {
        TimePart::Year => digits(0..4),
        TimePart::Month => digits(5..7),
        TimePart::Day => digits(8..10),
        TimePart::Hour => digits(11..13),
        TimePart::Minute => digits(14..16),
        TimePart::Week => kubevigil_rules::json_test::time_part(text.as_bytes(), part),
    }
}

fn in_letters(text: &str, letters: Letters) -> String {
    match letters {
        Letters::Exact => text.to_owned(),
        Letters::Folded => folded(text),
    }
}

fn folded(text: &str) -> String {
    text.chars()
        .map(kubevigil_rules::json_test::fold_char)
        .collect()
}

fn like(pattern: &[Token], text: &[char], letters: Letters) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((Token::Many, rest)) => {
            (0..=text.len()).any(|skipped| like(rest, &text[skipped..], letters))
        }
        Some((Token::One, rest)) => !text.is_empty() && like(rest, &text[1..], letters),
        Some((Token::Char(character), rest)) => {
            let wanted = in_letters(&character.to_string(), letters).chars().next();
            text.first().copied() == wanted && like(rest, &text[1..], letters)
        }
    }
}
