//! Numbers as Go writes them.

/// A number in JSON; `None` if it is none there: infinite, or no number at all.
pub(crate) fn float(number: f64) -> Option<String> {
    let size = number.abs();
    if !number.is_finite() {
        return None;
    }
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return Some(number.to_string());
    }
    let text = format!("{number:e}");
    Some(if size < 1.0 {
        text
    } else {
        text.replace('e', "e+")
    })
}

/// A number that is a key in YAML: rounded to 32 bits, short.
pub(crate) fn float_key(number: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "Go rounds, too")]
    let number = number as f32;
    if number.is_nan() {
        return ".nan".to_owned();
    }
    if number.is_infinite() {
        let sign = if number > 0.0 { "" } else { "-" };
        return format!("{sign}.inf");
    }
    let scientific = format!("{number:e}");
    let parts = scientific.split_once('e');
    let exponent = parts.and_then(|(_, exponent)| exponent.parse::<i32>().ok());
    match (parts, exponent) {
        (Some((digits, _)), Some(exponent)) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_look_as_go_writes_them() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1000.0, "1000"),
            (0.1, "0.1"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (-1.5e300, "-1.5e+300"),
            (0.000_001, "0.000001"),
            (1e-7, "1e-7"),
            (2.5e-10, "2.5e-10"),
            (18_446_744_073_709_551_616.0, "18446744073709552000"),
        ];
        for (number, text) in cases {
            assert_eq!(float(number).as_deref(), Some(text));
        }
        assert_eq!((float(f64::NAN), float(f64::INFINITY)), (None, None));
    }

    #[test]
    fn keys_are_short() {
        let cases = [
            (1.5, "1.5"),
            (1e6, "1e+06"),
            (123_456.0, "123456"),
            (0.1, "0.1"),
            (0.000_01, "1e-05"),
            (-1.25e10, "-1.25e+10"),
            (1e300, ".inf"),
            (f64::NEG_INFINITY, "-.inf"),
        ];
        for (number, text) in cases {
            assert_eq!(float_key(number), text);
        }
    }
}
