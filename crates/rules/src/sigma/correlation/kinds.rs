//! Sigma's eight types and what each asks in its condition.

use kubevigil_yaml::Node;

use crate::correlation::{CorrelationKind, Presence};
use crate::sigma::codes;
use crate::sigma::correlation::body::{Body, Word};
use crate::sigma::correlation::bounds::{self, Quantity, RELATIONS};
use crate::sigma::correlation::presence;
use crate::sigma::correlation::types::Type;
use crate::sigma::problems::Problems;

/// What a correlation asks, and of which values. Rules that only a condition names are added to `rules`.
pub(super) fn read(
    kind: Option<Type>,
    body: &Body<'_>,
    rules: &mut Vec<Word>,
    problems: &mut Problems,
) -> Option<(CorrelationKind, Vec<Word>)> {
    let condition = body
        .map
        .entry("condition")
        .filter(|(_, value)| !value.is_null());
    let is_temporal = kind.is_some_and(Type::is_temporal);
    if let (true, Some((key, value))) = (is_temporal, condition)
        && value.text().is_some()
    {
        let expression = presence::read(key, value, rules, problems)?;
        let kind = match kind? {
            Type::TemporalOrdered => {
                ordered(presence::is_all(&expression, rules.len()), value, problems)?
            }
            _ => CorrelationKind::Temporal(Presence::Expression(expression)),
        };
        return Some((kind, Vec::new()));
    }
    named(body, rules, problems);
    match (kind?, condition) {
        (Type::Temporal, None) => Some((CorrelationKind::Temporal(Presence::All), Vec::new())),
        (Type::TemporalOrdered, None) => Some((CorrelationKind::TemporalOrdered, Vec::new())),
        (_, None) => body.missing("condition", "such as `condition: {gte: 10}`", problems),
        (kind, Some((key, value))) => of_map(kind, key, value, rules.len(), problems),
    }
}

/// Notes that there are no rules.
pub(super) fn named(body: &Body<'_>, rules: &[Word], problems: &mut Problems) {
    if rules.is_empty() {
        let help =
            "name the rules whose matches count by their `id` or `name`, such as `rules: [denied]`";
        body.missing::<()>("rules", help, problems);
    }
}

/// An order of rules; only a condition that asks for every rule says what that is.
fn ordered(
    asks_for_all: bool,
    condition: &Node,
    problems: &mut Problems,
) -> Option<CorrelationKind> {
    if asks_for_all {
        return Some(CorrelationKind::TemporalOrdered);
    }
    let message = "an order needs every rule, and the condition asks for something else";
    let help = "leave `condition` out; where the order does not matter write `type: temporal`";
    problems.error_with_help(codes::CONDITION, condition.span.clone(), message, help)
}

/// The kind of a type whose condition is a map.
fn of_map(
    kind: Type,
    key: &Node,
    value: &Node,
    rules: usize,
    problems: &mut Problems,
) -> Option<(CorrelationKind, Vec<Word>)> {
    if value.pairs().is_none() {
        let message = format!("the condition of `{}` must be a map", kind.as_str());
        let help = "such as `condition: {gte: 10}`; only temporal types know expressions of rules";
        return problems.error_with_help(codes::CORRELATION, value.span.clone(), message, help);
    }
    let condition = Body::of(key, value, problems)?;
    condition.refuse_unknown_keys(&known_keys(kind), problems);
    let fields = fields(kind, &condition, problems);
    let percentile = percentile(kind, &condition, problems);
    let bounds = bounds::read(&condition, quantity(kind, rules), problems)?;
    let kind = match kind {
        Type::EventCount => CorrelationKind::EventCount(bounds),
        Type::ValueCount => CorrelationKind::ValueCount(bounds),
        Type::ValueSum => CorrelationKind::ValueSum(bounds),
        Type::ValueAvg => CorrelationKind::ValueAvg(bounds),
        Type::ValuePercentile | Type::ValueMedian => CorrelationKind::ValuePercentile {
            percentile: percentile?,
            bounds,
        },
        Type::Temporal => CorrelationKind::Temporal(Presence::Count(bounds)),
        Type::TemporalOrdered => {
            let for_fewer = (1..rules).any(|fewer| bounds.hold(number_of(fewer)));
            ordered(!for_fewer, value, problems)?
        }
        // They have no condition and are read elsewhere.
        Type::FirstSeen | Type::Join => return None,
    };
    Some((kind, fields?))
}

fn known_keys(kind: Type) -> Vec<&'static str> {
    let relations = RELATIONS.iter().map(|(word, _)| *word);
    let field = Some("field").filter(|_| kind.has_field());
    let percentile = Some("percentile").filter(|_| kind == Type::ValuePercentile);
    relations.chain(field).chain(percentile).collect()
}

fn quantity(kind: Type, rules: usize) -> Quantity {
    match kind {
        Type::EventCount => Quantity::Count(1.0, f64::INFINITY),
        // An event may lack the field.
        Type::ValueCount => Quantity::Count(0.0, f64::INFINITY),
        Type::Temporal | Type::TemporalOrdered => Quantity::Count(1.0, number_of(rules.max(1))),
        _ => Quantity::Measure,
    }
}

#[expect(clippy::cast_precision_loss, reason = "no file names so many rules")]
fn number_of(rules: usize) -> f64 {
    rules as f64
}

/// The fields of a condition: one, or for `value_count` several.
fn fields(kind: Type, condition: &Body<'_>, problems: &mut Problems) -> Option<Vec<Word>> {
    if !kind.has_field() {
        return Some(Vec::new());
    }
    let word = kind.as_str();
    let fields = condition.words("field", problems);
    match fields.as_slice() {
        [] => {
            let help =
                format!("`{word}` looks at the values of a field, such as `field: objectRef.name`");
            condition.missing("field", &help, problems)
        }
        [_, second, ..] if kind != Type::ValueCount => {
            let message = format!("`{word}` looks at one field");
            let help = "only `value_count` takes several: it counts their combinations";
            problems.error_with_help(codes::CORRELATION, second.span.clone(), message, help)
        }
        _ => Some(fields),
    }
}

fn percentile(kind: Type, condition: &Body<'_>, problems: &mut Problems) -> Option<f64> {
    match kind {
        Type::ValueMedian => return Some(50.0),
        Type::ValuePercentile => {}
        _ => return None,
    }
    let Some(word) = condition.word("percentile", problems) else {
        let help = "such as `percentile: 95`; `type: value_median` is the percentile 50";
        return condition.missing("percentile", help, problems);
    };
    let number: Option<f64> = word.text.parse().ok();
    match number.filter(|number| (0.0..=100.0).contains(number)) {
        Some(number) => Some(number),
        None => {
            let message = "`percentile` must be a number between 0 and 100";
            problems.error(codes::CORRELATION, word.span, message)
        }
    }
}
