//! What exceptions do to a condition: `(condition) and not (...) and not (...)`, as text.
//!
//! The text is made before list names are replaced and before it is parsed, as Falco does, so list names work as values,
//! and a value that holds a parenthesis or a comma breaks the condition unless its author quotes it.

use std::ops::Range;
use std::sync::Arc;

use kubevigil_diagnostics::{Diagnostic, Source};

use crate::falco::codes;
use crate::falco::exceptions::{Exception, Shape, Value, takes_list};
use crate::falco::lists::quoted;
use crate::falco::text::Text;

/// The condition with all exceptions that have values.
///
/// # Errors
///
/// One for each exception whose values do not fit its fields; their items are the exceptions alone.
pub(super) fn expand(condition: &Text, exceptions: &[Exception]) -> Result<Text, Vec<Diagnostic>> {
    let effective: Vec<_> = exceptions
        .iter()
        .filter(|exception| !exception.values.is_empty())
        .collect();
    if effective.is_empty() {
        return Ok(condition.clone());
    }
    let mut text = Text::default();
    text.push("(");
    text.append(condition);
    text.push(")");
    let mut problems = Vec::new();
    for exception in effective {
        text.push(" and not ");
        if let Err(misfit) = append(&mut text, exception) {
            problems.push(misfit.diagnostic(exception));
        }
    }
    if problems.is_empty() {
        Ok(text)
    } else {
        Err(problems)
    }
}

/// A value that does not fit the fields, with its place.
struct Misfit(String, Option<(Arc<Source>, Range<usize>)>);

impl Misfit {
    fn diagnostic(self, exception: &Exception) -> Diagnostic {
        let (source, span) = self
            .1
            .unwrap_or_else(|| (Arc::clone(&exception.source), exception.span.clone()));
        Diagnostic::error(codes::VALIDATE, self.0)
            .within(format!("exception \"{}\"", exception.name))
            .at(&source, span)
    }
}

fn append(text: &mut Text, exception: &Exception) -> Result<(), Misfit> {
    match &exception.shape {
        Some(Shape::One(field, operator)) => append_one(text, field, operator, &exception.values),
        Some(Shape::Many(tests)) => append_many(text, tests, &exception.values),
        None => Ok(()),
    }
}

/// `(field op (value, value))`
fn append_one(
    text: &mut Text,
    field: &Text,
    operator: &Text,
    values: &[Value],
) -> Result<(), Misfit> {
    text.push("(");
    text.append(field);
    text.push(" ");
    text.append(operator);
    text.push(" (");
    for (nth, value) in values.iter().enumerate() {
        let Value::One(value) = value else {
            let message = "values must be texts when `fields` is one field, not lists";
            return Err(Misfit(message.to_owned(), place(value)));
        };
        text.push(if nth == 0 { "" } else { ", " });
        append_quoted(text, value);
    }
    text.push("))");
    Ok(())
}

/// `((field op value and field op value) or (...))`
fn append_many(text: &mut Text, tests: &[(Text, Text)], rows: &[Value]) -> Result<(), Misfit> {
    text.push("(");
    for (nth, row) in rows.iter().enumerate() {
        let values = match row {
            Value::Many(values) => values.as_slice(),
            Value::One(_) => &[],
        };
        if values.len() != tests.len() {
            let message = format!(
                "an entry of `values` must be a list of {}, one for each field",
                count(tests.len())
            );
            return Err(Misfit(message, place(row)));
        }
        text.push(if nth == 0 { "(" } else { " or (" });
        for (nth, ((field, operator), value)) in tests.iter().zip(values).enumerate() {
            text.push(if nth == 0 { "" } else { " and " });
            text.append(field);
            text.push(" ");
            text.append(operator);
            text.push(" ");
            append_value(text, operator, value);
        }
        text.push(")");
    }
    text.push(")");
    Ok(())
}

fn append_value(text: &mut Text, operator: &Text, value: &Value) {
    match value {
        Value::Many(values) => {
            text.push("(");
            for (nth, value) in values.iter().enumerate() {
                text.push(if nth == 0 { "" } else { ", " });
                if let Value::One(value) = value {
                    append_quoted(text, value);
                }
            }
            text.push(")");
        }
        Value::One(value) if takes_list(operator.as_str()) && !value.as_str().starts_with('(') => {
            text.push("(");
            text.append(value);
            text.push(")");
        }
        Value::One(value) if takes_list(operator.as_str()) => text.append(value),
        Value::One(value) => append_quoted(text, value),
    }
}

/// Quotes a value as list items are quoted.
fn append_quoted(text: &mut Text, value: &Text) {
    let quote = if quoted(value.as_str()).len() > value.as_str().len() {
        "\""
    } else {
        ""
    };
    text.push(quote);
    text.append(value);
    text.push(quote);
}

fn count(number: usize) -> String {
    if number == 1 {
        "1 value".to_owned()
    } else {
        format!("{number} values")
    }
}

/// Where the first text of a value stands.
fn place(value: &Value) -> Option<(Arc<Source>, Range<usize>)> {
    match value {
        Value::One(text) => {
            let place = text.place(0..text.as_str().len());
            Some((place.source, place.span))
        }
        Value::Many(values) => values.iter().find_map(place),
    }
}
