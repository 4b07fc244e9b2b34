//! Which operators go with which types (spec 2.2).

use super::ast::Check;
use super::operator::{Operator, OperatorKind};
use super::problem::{Problem, ProblemClass};
use crate::condition::Compare;
use crate::field::Kind;

/// Whether an operator goes with a type (spec 2.2).
pub(super) fn fits(operator: OperatorKind, kind: Kind) -> bool {
    use OperatorKind as Op;
    match kind {
        Kind::Text | Kind::Time => !matches!(operator, Op::BytesContain | Op::BytesStartWith),
        Kind::TextList => matches!(operator, Op::Exists | Op::In | Op::Intersects),
        Kind::Integer => matches!(
            operator,
            Op::Exists | Op::In | Op::Intersects | Op::NotEqual | Op::Compare(_)
        ),
        Kind::Bool => matches!(
            operator,
            Op::Exists | Op::In | Op::Intersects | Op::NotEqual | Op::Compare(Compare::Equal)
        ),
    }
}

pub(super) fn operator_problem(check: &Check, kind: Kind) -> Problem {
    let Operator { word, .. } = check.operator;
    let message = format!("`{word}` does not apply to {}", describe(kind));
    let problem = Problem::new(ProblemClass::OperatorType, &check.place, message);
    match kind {
        Kind::TextList => problem.help(
            "for lists there are `in` (all elements), `intersects` (any element) and `exists`",
        ),
        Kind::Integer => {
            problem.help("for numbers there are `=`, `!=`, `<`, `<=`, `>`, `>=`, `in` and `exists`")
        }
        Kind::Bool => problem.help("for truth values there are `=`, `!=`, `in` and `exists`"),
        Kind::Text | Kind::Time => problem.help("for texts there are `contains` and `startswith`"),
    }
}

pub(super) fn describe(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "a truth value",
        Kind::Integer => "a number",
        Kind::Text | Kind::Time => "a text",
        Kind::TextList => "a list",
    }
}
