//! Numbers as Go writes them.

use crate::Unreadable;

/// The shortest text that is read as the same number: with an exponent below 10^-6 and from 10^21 on.
///
/// # Errors
///
/// When it is infinite or not a number: JSON has no text for that.
pub(super) fn float(number: f64) -> Result<String, Unreadable> {
    let size = number.abs();
    if !number.is_finite() {
        return Err(Unreadable::Malformed);
    }
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return Ok(format!("{number}"));
    }
    let text = format!("{number:e}");
    Ok(match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        _ => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_go_writes_them() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.000001, "0.000001"),
            (0.0000001, "1e-7"),
            (1.25e-10, "1.25e-10"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.7976931348623157e308, "1.7976931348623157e+308"),
        ];
        for (number, text) in cases {
            assert_eq!(float(number).as_deref(), Ok(text));
        }
        assert_eq!(float(f64::NAN), Err(Unreadable::Malformed));
    }
}
