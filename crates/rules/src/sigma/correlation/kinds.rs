//! Sigma's eight types and what each asks in its condition.

use kubevigil_yaml::{Kind, Node};

use crate::correlation::{CorrelationKind, Presence};
use crate::sigma::codes;
use crate::sigma::correlation::body::{Body, Word};
use crate::sigma::correlation::bounds::{self, Quantity, RELATIONS};
use crate::sigma::correlation::{extension, presence};
use crate::sigma::problems::Problems;

pub(super) const TYPES: [&str; 8] = [
    "event_count",
    "value_count",
    "temporal",
    "temporal_ordered",
    "value_sum",
    "value_avg",
    "value_percentile",
    "value_median",
];

/// What a correlation asks, and of which values. Rules that only a condition names are added to `rules`.
pub(super) fn read(
    kind: Option<String>,
    body: &Body<'_>,
    rules: &mut Vec<Word>,
    problems: &mut Problems,
) -> Option<(CorrelationKind, Vec<Word>)> {
    let condition = body
        .map
        .entry("condition")
        .filter(|(_, value)| !value.is_null());
    let is_temporal = matches!(kind.as_deref(), Some("temporal" | "temporal_ordered"));
    if let (
        true,
        Some((
            key,
            value @ Node {
                kind: Kind::Scalar { .. },
                ..
            },
        )),
    ) = (is_temporal, condition)
    {
        let expression = presence::read(key, value, rules, problems);
        named(body, rules, problems)?;
        let is_ordered = kind.as_deref() == Some("temporal_ordered");
        return expression_kind(is_ordered, expression?, value, rules, problems);
    }
    named(body, rules, problems);
    let kind = kind?;
    match (condition, is_temporal) {
        (None, true) if kind == "temporal" => {
            Some((CorrelationKind::Temporal(Presence::All), Vec::new()))
        }
        (None, true) => Some((CorrelationKind::TemporalOrdered, Vec::new())),
        (None, false) => body.missing("condition", "such as `condition: {gte: 10}`", problems),
        (Some((key, value)), _) => of_map(&kind, key, value, rules.len(), problems),
    }
}

/// The type, if it is one of those that are known here.
pub(super) fn word(
    body: &Body<'_>,
    known: &[&'static str],
    problems: &mut Problems,
) -> Option<String> {
    let Some(word) = body.word("type", problems) else {
        let help = format!("one of {}", known.join(", "));
        return body.missing("type", &help, problems);
    };
    if known.contains(&word.text.as_str()) {
        return Some(word.text);
    }
    let message = format!("unknown type `{}`", word.text);
    let elsewhere = [
        ("correlation", TYPES.as_slice()),
        ("kubevigil", extension::TYPES.as_slice()),
    ];
    let elsewhere = elsewhere
        .iter()
        .find(|(_, types)| types.contains(&word.text.as_str()));
    if let Some((key, _)) = elsewhere {
        let help = format!(
            "this type is written under `{key}` in place of `{}`",
            body.key
        );
        return problems.error_with_help(codes::CORRELATION, word.span, message, help);
    }
    let known = known.iter().copied();
    problems.unknown(codes::CORRELATION, word.span, message, &word.text, known)
}

/// Notes that there are no rules.
pub(super) fn named(body: &Body<'_>, rules: &[Word], problems: &mut Problems) -> Option<()> {
    if rules.is_empty() {
        let help =
            "name the rules whose matches count by their `id` or `name`, such as `rules: [denied]`";
        return body.missing("rules", help, problems);
    }
    Some(())
}

fn expression_kind(
    is_ordered: bool,
    expression: crate::correlation::PresenceExpr,
    value: &Node,
    rules: &[Word],
    problems: &mut Problems,
) -> Option<(CorrelationKind, Vec<Word>)> {
    if !is_ordered {
        let presence = Presence::Expression(expression);
        return Some((CorrelationKind::Temporal(presence), Vec::new()));
    }
    if presence::is_all(&expression, rules.len()) {
        return Some((CorrelationKind::TemporalOrdered, Vec::new()));
    }
    let message = "an order needs all rules: only `and` can join them here";
    let help = "write `type: temporal`, or one correlation for each order";
    problems.error_with_help(codes::CONDITION, value.span.clone(), message, help)
}

/// The kind of a type whose condition is a map.
fn of_map(
    kind: &str,
    key: &Node,
    value: &Node,
    rules: usize,
    problems: &mut Problems,
) -> Option<(CorrelationKind, Vec<Word>)> {
    if value.pairs().is_none() {
        let message = format!("the condition of `{kind}` must be a map");
        let help = "such as `condition: {gte: 10}`; only temporal types know expressions of rules";
        return problems.error_with_help(codes::CORRELATION, value.span.clone(), message, help);
    }
    let condition = Body::of(key, value, problems)?;
    let has_field = kind.starts_with("value_");
    refuse_unknown_keys(kind, &condition, has_field, problems);
    let fields = if has_field {
        fields(kind, &condition, problems)
    } else {
        Some(Vec::new())
    };
    let percentile = percentile(kind, &condition, problems);
    #[expect(clippy::cast_precision_loss, reason = "no file names so many rules")]
    let quantity = match kind {
        "event_count" => Quantity::Count(1.0, f64::INFINITY),
        "value_count" => Quantity::Count(0.0, f64::INFINITY),
        "temporal" | "temporal_ordered" => Quantity::Count(1.0, rules.max(1) as f64),
        _ => Quantity::Measure,
    };
    let bounds = bounds::read(&condition, quantity, problems)?;
    let kind = match kind {
        "event_count" => CorrelationKind::EventCount(bounds),
        "value_count" => CorrelationKind::ValueCount(bounds),
        "value_sum" => CorrelationKind::ValueSum(bounds),
        "value_avg" => CorrelationKind::ValueAvg(bounds),
        "temporal" => CorrelationKind::Temporal(Presence::Count(bounds)),
        "temporal_ordered" => {
            let mut fewer =
                (1..rules).map(|count| u32::try_from(count).map_or(f64::INFINITY, f64::from));
            if fewer.any(|fewer| bounds.hold(fewer)) {
                let message = "an order needs all rules, and this asks for fewer";
                let help = "leave `condition` out, or write `type: temporal`";
                return problems.error_with_help(
                    codes::CONDITION,
                    value.span.clone(),
                    message,
                    help,
                );
            }
            CorrelationKind::TemporalOrdered
        }
        _ => CorrelationKind::ValuePercentile {
            percentile: percentile?,
            bounds,
        },
    };
    Some((kind, fields?))
}

fn refuse_unknown_keys(kind: &str, condition: &Body<'_>, has_field: bool, problems: &mut Problems) {
    let mut known = RELATIONS.map(|(word, _)| word).to_vec();
    if has_field {
        known.push("field");
    }
    if kind == "value_percentile" {
        known.push("percentile");
    }
    condition.refuse_unknown_keys(&known, problems);
}

/// The fields of a condition: one, or for `value_count` several.
fn fields(kind: &str, condition: &Body<'_>, problems: &mut Problems) -> Option<Vec<Word>> {
    let fields = condition.words("field", problems);
    match fields.as_slice() {
        [] => {
            let help =
                format!("`{kind}` looks at the values of a field, such as `field: objectRef.name`");
            condition.missing("field", &help, problems)
        }
        [_, second, ..] if kind != "value_count" => {
            let message = format!("`{kind}` looks at one field");
            let help = "only `value_count` takes several: it counts their combinations";
            problems.error_with_help(codes::CORRELATION, second.span.clone(), message, help)
        }
        _ => Some(fields),
    }
}

fn percentile(kind: &str, condition: &Body<'_>, problems: &mut Problems) -> Option<f64> {
    match kind {
        "value_median" => return Some(50.0),
        "value_percentile" => {}
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
