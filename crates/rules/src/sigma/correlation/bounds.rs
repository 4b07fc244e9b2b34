//! What a number must be: `gte: 3`, or several of these at once.

use std::ops::Range;

use kubevigil_yaml::Node;

use crate::correlation::{Bounds, Relation};
use crate::sigma::codes;
use crate::sigma::correlation::body::Body;
use crate::sigma::problems::Problems;

/// The words of relations.
pub(super) const RELATIONS: [(&str, Relation); 6] = [
    ("gt", Relation::Greater),
    ("gte", Relation::GreaterOrEqual),
    ("lt", Relation::Less),
    ("lte", Relation::LessOrEqual),
    ("eq", Relation::Equal),
    ("neq", Relation::NotEqual),
];

/// What a number can be at all when a correlation looks at it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Quantity {
    /// A whole number from the first to the second, infinity included.
    Count(f64, f64),
    /// Any number.
    Measure,
}

/// Reads the relations in a condition.
pub(super) fn read(
    condition: &Body<'_>,
    quantity: Quantity,
    problems: &mut Problems,
) -> Option<Bounds> {
    let mut bounds = Vec::new();
    let mut places: Option<Range<usize>> = None;
    let mut complete = true;
    for (key, value) in condition.map.pairs().unwrap_or_default() {
        let mut known = RELATIONS.iter();
        let Some((_, relation)) = known.find(|(word, _)| key.text() == Some(word)) else {
            continue;
        };
        let start = places.map_or(key.span.start, |places| places.start);
        places = Some(start..value.span.end);
        match number(value, quantity, problems) {
            Some(number) => bounds.push((*relation, number)),
            None => complete = false,
        }
    }
    let bounds = Bounds(bounds);
    match places {
        None => compares_with_nothing(condition, problems),
        Some(places) if complete && !can_hold(&bounds, quantity) => {
            never_holds(places, &bounds, quantity, problems)
        }
        Some(_) => complete.then_some(bounds),
    }
}

/// Notes that there is no relation, unless some unknown word was probably meant as one.
fn compares_with_nothing<T>(condition: &Body<'_>, problems: &mut Problems) -> Option<T> {
    let others = condition.map.pairs().unwrap_or_default();
    let is_expected = |key: &Node| matches!(key.text(), Some("field" | "percentile"));
    if others.iter().any(|(key, _)| !is_expected(key)) {
        return None;
    }
    let message = "the condition compares with nothing";
    let help = "write one or several of gt, gte, lt, lte, eq, neq, such as `gte: 10`";
    problems.error_with_help(codes::CORRELATION, condition.start.clone(), message, help)
}

fn number(node: &Node, quantity: Quantity, problems: &mut Problems) -> Option<f64> {
    let number = node.text().and_then(|text| text.parse().ok());
    let number = number.filter(|number: &f64| number.is_finite());
    // Up to the last bound every whole number has a neighbour of its own.
    let is_count = |number: &f64| number.fract() == 0.0 && (0.0..=1e15).contains(number);
    match (number, quantity) {
        (Some(number), Quantity::Measure) => Some(number),
        (Some(number), Quantity::Count(..)) if is_count(&number) => Some(number),
        (Some(_), Quantity::Count(..)) => {
            let message = "what is counted is compared with a whole number from 0";
            problems.error(codes::CORRELATION, node.span.clone(), message)
        }
        (None, _) => problems.error(
            codes::CORRELATION,
            node.span.clone(),
            "a number is expected",
        ),
    }
}

fn never_holds<T>(
    span: Range<usize>,
    bounds: &Bounds,
    quantity: Quantity,
    problems: &mut Problems,
) -> Option<T> {
    let without_end = Quantity::Count(1.0, f64::INFINITY);
    let help = match quantity {
        Quantity::Count(..) if bounds.hold(0.0) => {
            "a correlation is judged when an event comes, so there is at least one; that events are missing cannot be seen this way".to_owned()
        }
        Quantity::Count(_, rules) if can_hold(bounds, without_end) => {
            format!("different rules are counted, and `rules` names {rules}")
        }
        _ => "no number satisfies all of it".to_owned(),
    };
    let message = "the condition can never hold";
    problems.error_with_help(codes::CORRELATION, span, message, help)
}

/// Whether some number satisfies all bounds.
///
/// The numbers that do form an interval without at most one point, since each relation stands once. So a bound, its neighbours,
/// the ends of what the number can be, or for measures a point between two bounds, is among them, if any is.
fn can_hold(bounds: &Bounds, quantity: Quantity) -> bool {
    let stated: Vec<f64> = bounds.0.iter().map(|(_, bound)| *bound).collect();
    let around = stated
        .iter()
        .flat_map(|bound| [bound - 1.0, *bound, bound + 1.0]);
    match quantity {
        Quantity::Count(least, most) => around
            .chain([least, most])
            .filter(|count| (least..=most).contains(count))
            .any(|count| bounds.hold(count)),
        Quantity::Measure => {
            let mut points: Vec<f64> = around.chain([f64::MIN, f64::MAX]).collect();
            points.sort_by(f64::total_cmp);
            let between = points.windows(2).filter_map(|pair| match pair {
                [one, other] => Some(f64::midpoint(*one, *other)),
                _ => None,
            });
            let between: Vec<f64> = between.collect();
            points
                .into_iter()
                .chain(between)
                .any(|number| bounds.hold(number))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(texts: &[(&str, f64)]) -> Bounds {
        let relation = |word| {
            RELATIONS
                .iter()
                .find(|(known, _)| *known == word)
                .unwrap()
                .1
        };
        Bounds(
            texts
                .iter()
                .map(|(word, bound)| (relation(*word), *bound))
                .collect(),
        )
    }

    #[test]
    fn a_condition_that_can_never_hold_is_seen() {
        let (events, rules) = (
            Quantity::Count(1.0, f64::INFINITY),
            Quantity::Count(1.0, 3.0),
        );
        let measure = Quantity::Measure;
        for (texts, quantity, expected) in [
            (vec![("gte", 5.0), ("lt", 3.0)], events, false),
            (vec![("gt", 1.0), ("lt", 2.0)], events, false),
            (vec![("gt", 1.0), ("lt", 2.0)], measure, true),
            (vec![("gt", 1.0), ("lt", 2.0), ("neq", 1.5)], measure, true),
            (vec![("gt", 1.0), ("lt", 4.0), ("neq", 2.0)], events, true),
            (vec![("gt", 1.0), ("lt", 3.0), ("neq", 2.0)], events, false),
            (vec![("eq", 0.0)], events, false),
            (vec![("lt", 1.0)], events, false),
            (vec![("neq", 1.0)], events, true),
            (vec![("gte", 4.0)], rules, false),
            (vec![("gte", 3.0)], rules, true),
            (vec![("gt", 3.0)], rules, false),
            (vec![("gt", 100_000.0)], events, true),
            (vec![("eq", 2.0), ("neq", 2.0)], measure, false),
            (vec![("lt", -1e300)], measure, true),
        ] {
            assert_eq!(can_hold(&bounds(&texts), quantity), expected, "{texts:?}");
        }
    }
}
