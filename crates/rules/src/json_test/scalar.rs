//! The text and the number that a JSON scalar is.
//!
//! A rule's author writes `403` and means `403`, `"403"` and `403.0`, so each scalar has one text, whichever way it was written.

use std::borrow::Cow;

use kubevigil_audit::json::{Json, JsonKind};

/// The text of a scalar: a string's content, `true`, `false`, a number in decimal. `None` for null, objects and arrays.
///
/// A whole number that is written without point and exponent keeps its digits; any other is written in the shortest decimal form,
/// so that `403.0` is `403`.
pub fn scalar_text(value: Json<'_>) -> Option<Cow<'_, [u8]>> {
    match value.kind() {
        JsonKind::String => value.string(),
        JsonKind::Bool => Some(Cow::Borrowed(value.raw())),
        JsonKind::Number => Some(number_text(value.raw())),
        JsonKind::Null | JsonKind::Object | JsonKind::Array | JsonKind::Other => None,
    }
}

fn number_text(raw: &[u8]) -> Cow<'_, [u8]> {
    let digits = raw.strip_prefix(b"-").unwrap_or(raw);
    let padded = digits.len() > 1 && digits.starts_with(b"0");
    if !padded && digits.iter().all(u8::is_ascii_digit) {
        return Cow::Borrowed(raw);
    }
    match std::str::from_utf8(raw)
        .ok()
        .and_then(|text| text.parse::<f64>().ok())
    {
        Some(number) => Cow::Owned(number.to_string().into_bytes()),
        None => Cow::Borrowed(raw),
    }
}

/// The number that a value is, or that its text says; never infinite.
pub fn number_of(value: Json<'_>) -> Option<f64> {
    let text = match value.kind() {
        JsonKind::Number => Cow::Borrowed(value.raw()),
        JsonKind::String => value.string()?,
        _ => return None,
    };
    number_in(&text)
}

/// The number that a text says; never infinite.
pub fn number_in(text: &[u8]) -> Option<f64> {
    let number = std::str::from_utf8(text).ok()?.trim().parse::<f64>().ok()?;
    number.is_finite().then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_text() {
        for (raw, text) in [
            ("403", "403"),
            ("403.0", "403"),
            ("4.03e2", "403"),
            ("1.50", "1.5"),
            ("-0", "-0"),
        ] {
            let value = Json::first_in(raw.as_bytes()).unwrap();
            assert_eq!(scalar_text(value).unwrap().as_ref(), text.as_bytes());
        }
    }
}
