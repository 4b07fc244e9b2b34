//! Comparisons that compile but hardly do what their author meant (spec 1.9).

use bstr::ByteSlice;

use super::ast::{Check, Literal, Right, Term};
use super::lower::Lowering;
use super::operator::OperatorKind;
use super::parse_term_prefix;
use crate::condition::Compare;

/// Looks at one comparison.
pub(super) fn check(lowering: &mut Lowering<'_>, check: &Check) {
    let literals: &[Literal] = match &check.right {
        Right::Value(literal) => std::slice::from_ref(literal),
        Right::List(literals) => literals,
        Right::Nothing | Right::Val(_) | Right::Term(_) => return,
    };
    absence(lowering, check, literals);
    for literal in literals {
        field_as_text(lowering, literal);
    }
}

/// A comparison with the text that absent fields print as; one warning a condition.
fn absence(lowering: &mut Lowering<'_>, check: &Check, literals: &[Literal]) {
    const CODE: &str = "LOAD_UNSAFE_NA_CHECK";
    let compares = matches!(
        check.operator.kind,
        OperatorKind::Compare(Compare::Equal)
            | OperatorKind::NotEqual
            | OperatorKind::In
            | OperatorKind::Intersects
            | OperatorKind::PathMatch
    );
    let known = lowering.warnings.iter().any(|warning| warning.code == CODE);
    let Some(literal) = literals.iter().find(|literal| literal.text == "<NA>") else {
        return;
    };
    if compares && !known && reads_audit_event(&check.left) {
        lowering.warn(
            CODE,
            &literal.place,
            "no value is ever `<NA>`; to ask whether a field is there, use `exists`",
        );
    }
}

fn reads_audit_event(term: &Term) -> bool {
    match term {
        Term::Field { name, .. } => name.starts_with("ka.") || name.starts_with("jevt."),
        Term::Transform { arguments, .. } => arguments.iter().any(reads_audit_event),
        Term::List(terms, _) => terms.iter().any(reads_audit_event),
        Term::Text(_) | Term::Number(_) => false,
    }
}

/// A constant that looks like something with a value.
fn field_as_text(lowering: &mut Lowering<'_>, literal: &Literal) {
    let Ok(text) = literal.text.to_str() else {
        return;
    };
    if !text.contains(['.', '(']) {
        return;
    }
    let text: String = text
        .chars()
        .filter(|letter| !matches!(letter, ' ' | '\t' | '\n' | '\r'))
        .collect();
    let Ok((term, length)) = parse_term_prefix(&text) else {
        return;
    };
    let mut trial = Lowering::new(lowering.options);
    if length == text.len() && trial.term(&term).is_some() {
        let message = format!("`{text}` is compared as a text, although it looks like a field");
        lowering.warn("LOAD_COMPILE_CONDITION", &literal.place, message);
        if let Some(warning) = lowering.warnings.last_mut() {
            warning.help = Some("to compare with another field, write `val(FIELD)`".to_owned());
        }
    }
}
