//! Constants, checked against the type that they are compared with.

use bstr::{BString, ByteSlice};

use super::ast::Literal;
use super::problem::{Problem, ProblemClass};
use crate::field::Kind;

/// The longest constant that Falco takes, in bytes.
const LONGEST: usize = 255;

/// A constant of a known type.
pub(super) enum Constant {
    Number(i128),
    Text(BString),
}

/// Reads a constant for a comparison with a value of type `kind`.
pub(super) fn constant(literal: &Literal, kind: Kind) -> Result<Constant, Problem> {
    let text = checked(literal)?;
    let wrong = |wanted: &str| {
        let message = format!("`{text}` is not {wanted}, which this field is compared with");
        Problem::new(ProblemClass::BadValue, &literal.place, message)
    };
    match kind {
        Kind::Bool if text == "true" || text == "false" => Ok(Constant::Text(text.clone())),
        Kind::Bool => Err(wrong("`true` or `false`")),
        Kind::Integer => unsigned(text)
            .map(Constant::Number)
            .ok_or_else(|| wrong("a whole decimal number")),
        Kind::Text | Kind::TextList | Kind::Time => Ok(Constant::Text(text.clone())),
    }
}

/// The constant's text, if it is one that Falco takes.
pub(super) fn checked(literal: &Literal) -> Result<&BString, Problem> {
    let wrong = |message: String| Problem::new(ProblemClass::BadValue, &literal.place, message);
    let text = &literal.text;
    if text.len() > LONGEST {
        let message = format!(
            "the constant has {} bytes, but {LONGEST} are the most",
            text.len()
        );
        return Err(wrong(message));
    }
    if text.contains(&0) {
        return Err(wrong(
            "the constant holds a NUL character, which no value can".to_owned(),
        ));
    }
    Ok(text)
}

/// A number as C reads unsigned 64-bit ones: a minus sign wraps around, so `evt.num > -1` never holds.
fn unsigned(text: &BString) -> Option<i128> {
    let text = text.to_str().ok()?;
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    let negative = text.starts_with('-');
    Some(i128::from(if negative {
        number.wrapping_neg()
    } else {
        number
    }))
}
