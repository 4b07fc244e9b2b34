//! A second implementation of what conditions, expressions and templates mean: slow, small, and written from the
//! documentation of the types alone.
//!
//! It walks the whole JSON for every field and shares nothing with the matcher, so the matcher can be tested against
//! it. Other crates' tests include this file by its path.

#![allow(
    clippy::allow_attributes,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    dead_code,
    reason = "tests; each that includes this file uses its own part"
)]

mod glob;
mod json;
mod options;
mod template;
mod transform;
mod values;

use bstr::ByteSlice;
use kubevigil_rules::condition::Case;
use kubevigil_rules::{
    Compare, Condition, EventContext, Members, Needle, Predicate, Test, Value, Values,
};

use self::glob::{glob, path_prefix};
use self::values::expr_values;

#[allow(
    unused_imports,
    reason = "each test that includes this file uses its own part"
)]
pub(crate) use self::{
    template::{printed, rendered},
    values::field_values,
};

/// Whether the condition holds for the event.
pub(crate) fn holds(condition: &Condition, event: &EventContext<'_>) -> bool {
    match condition {
        Condition::All(parts) => parts.iter().all(|part| holds(part, event)),
        Condition::Any(parts) => parts.iter().any(|part| holds(part, event)),
        Condition::ExactlyOne(parts) => parts.iter().filter(|part| holds(part, event)).count() == 1,
        Condition::Not(part) => !holds(part, event),
        Condition::Test(test) => test_holds(test, event),
        Condition::Json(_) | Condition::Elements(_) => {
            json::holds(condition, &json::parsed(event.raw), event)
        }
    }
}

fn test_holds(test: &Test, event: &EventContext<'_>) -> bool {
    let values = expr_values(&test.subject, event);
    let values = values.as_slice();
    let satisfies = |value: &Value<'_>| satisfies(value, &test.predicate, event);
    match test.members {
        Members::All => !values.is_empty() && values.iter().all(satisfies),
        Members::Any => values.iter().any(satisfies),
    }
}

fn satisfies(value: &Value<'_>, predicate: &Predicate, event: &EventContext<'_>) -> bool {
    let text = value.to_text().into_owned();
    let with = |needle: &Needle, relation: &dyn Fn(&[u8], &[u8]) -> bool| match needle {
        Needle::Integer(_) => false,
        Needle::Text(needle) => relation(&text, needle),
        Needle::Value(expr) => match expr_values(expr, event) {
            Values::One(other) => relation(&text, &other.to_text()),
            Values::Absent | Values::Many(_) => false,
        },
    };
    match predicate {
        Predicate::Exists => true,
        Predicate::Compare(compare, needle) => compares(value, *compare, needle, event),
        Predicate::Contains(needle, case) => with(needle, &|text, needle| {
            fold(text, *case).find(fold(needle, *case)).is_some()
        }),
        Predicate::StartsWith(needle, case) => with(needle, &|text, needle| {
            fold(text, *case).starts_with(&fold(needle, *case))
        }),
        Predicate::EndsWith(needle, case) => with(needle, &|text, needle| {
            fold(text, *case).ends_with(&fold(needle, *case))
        }),
        Predicate::OneOf(texts) => texts.iter().any(|candidate| candidate.as_slice() == text),
        Predicate::OneOfValues(expr) => expr_values(expr, event)
            .as_slice()
            .iter()
            .any(|candidate| candidate.to_text().as_ref() == text),
        Predicate::Glob(pattern, case) => glob(&fold(pattern, *case), &fold(&text, *case)),
        Predicate::PathPrefix(prefixes) => prefixes.iter().any(|prefix| path_prefix(prefix, &text)),
        Predicate::Regex(pattern) => regex::bytes::Regex::new(pattern)
            .unwrap()
            .is_match(String::from_utf8_lossy(&text).as_bytes()),
    }
}

fn compares(
    value: &Value<'_>,
    compare: Compare,
    needle: &Needle,
    event: &EventContext<'_>,
) -> bool {
    let other = match needle {
        Needle::Integer(number) => Value::Integer(*number, None),
        Needle::Text(text) => Value::borrowed(text),
        Needle::Value(expr) => match expr_values(expr, event) {
            Values::One(other) => {
                return compares_values(value, compare, &other);
            }
            Values::Absent | Values::Many(_) => return false,
        },
    };
    match (needle, value) {
        (Needle::Integer(_), Value::Integer(..)) => compares_values(value, compare, &other),
        (Needle::Integer(_), _) => false,
        _ => relation(compare, value.to_text().as_ref().cmp(&other.to_text())),
    }
}

fn compares_values(value: &Value<'_>, compare: Compare, other: &Value<'_>) -> bool {
    match (value, other) {
        (Value::Integer(one, _), Value::Integer(other, _)) => relation(compare, one.cmp(other)),
        _ => relation(compare, value.to_text().cmp(&other.to_text())),
    }
}

fn relation(compare: Compare, order: std::cmp::Ordering) -> bool {
    match compare {
        Compare::Equal => order.is_eq(),
        Compare::Greater => order.is_gt(),
        Compare::GreaterOrEqual => order.is_ge(),
        Compare::Less => order.is_lt(),
        Compare::LessOrEqual => order.is_le(),
    }
}

fn fold(text: &[u8], case: Case) -> Vec<u8> {
    match case {
        Case::AsciiInsensitive => text.to_ascii_lowercase(),
        Case::Sensitive => text.to_vec(),
    }
}
