//! What a scalar is to Kubernetes: YAML 1.1 with Go's numbers.
//!
//! A Kubernetes API server turns YAML into JSON with `sigs.k8s.io/yaml`, which stands on go-yaml 2: an unquoted `no` is a truth value, `017`
//! an octal number, `1e3` a number and a date a text. Who has to read what the server reads resolves here, so that policies
//! and recorded bodies cannot come to differ.
//!
//! Two readings of go-yaml are left out: base-2 numbers with a second sign (`0b-1`), and whole numbers of more than 64 bits in
//! another base than 10, which newer versions read as numbers and older ones as texts. They are texts here.

use crate::node::{Style, bool_of, is_null_word};

/// What comes before the tags of YAML's own types.
const CORE: &str = "tag:yaml.org,2002:";

/// A scalar whose type is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Resolved<'t> {
    /// Nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number, between the least that has a sign in 64 bits and the greatest that has none.
    Integer(i128),
    /// A number with a fraction or exponent, or a larger one; infinite or not a number if that is written (`.inf`, `.nan`).
    Float(f64),
    /// A text.
    Text(&'t str),
}

impl<'t> Resolved<'t> {
    /// A scalar with its tag, written out in full (`tag:yaml.org,2002:int`), if it has one. `None` when the text is not what the tag says.
    pub fn of(text: &'t str, style: Style, tag: Option<&str>) -> Option<Self> {
        let Some(tag) = tag else {
            let is_plain = style == Style::Plain;
            return Some(if is_plain {
                Self::plain(text)
            } else {
                Self::Text(text)
            });
        };
        match (tag.strip_prefix(CORE), Self::plain(text)) {
            (Some("bool"), found @ Self::Bool(_))
            | (Some("int"), found @ Self::Integer(_))
            | (Some("float"), found @ Self::Float(_))
            | (Some("null"), found @ Self::Null) => Some(found),
            (Some("float"), Self::Integer(number)) => {
                i64::try_from(number).ok().map(|it| Self::Float(it as f64))
            }
            (Some("bool" | "int" | "float" | "null"), _) => None,
            _ => Some(Self::Text(text)),
        }
    }

    /// A scalar without quotes and tag.
    pub fn plain(text: &'t str) -> Self {
        if is_null_word(text) {
            return Self::Null;
        }
        let found = match text.as_bytes().first() {
            Some(b'.') => special(text).or_else(|| float(text)),
            Some(b'0'..=b'9' | b'+' | b'-') => number(text),
            _ => bool_of(text).map(Self::Bool),
        };
        found.unwrap_or(Self::Text(text))
    }
}

fn number(text: &str) -> Option<Resolved<'static>> {
    if let Some(special) = special(text) {
        return Some(special);
    }
    let without_underscores: String;
    let mut digits = text;
    if text.contains('_') {
        without_underscores = text.replace('_', "");
        digits = &without_underscores;
    }
    integer(digits)
        .map(Resolved::Integer)
        .or_else(|| float(digits))
}

fn special(text: &str) -> Option<Resolved<'static>> {
    match text {
        ".nan" | ".NaN" | ".NAN" => Some(Resolved::Float(f64::NAN)),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            Some(Resolved::Float(f64::INFINITY))
        }
        "-.inf" | "-.Inf" | "-.INF" => Some(Resolved::Float(f64::NEG_INFINITY)),
        _ => None,
    }
}

/// A whole number as Go's `strconv` reads it with base 0.
fn integer(text: &str) -> Option<i128> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (base, digits) = match unsigned.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (16, unsigned.get(2..)?),
        [b'0', b'o' | b'O', _, ..] => (8, unsigned.get(2..)?),
        [b'0', b'b' | b'B', _, ..] => (2, unsigned.get(2..)?),
        [b'0', _, ..] => (8, unsigned.get(1..)?),
        _ => (10, unsigned),
    };
    // The parser would take a second sign.
    if !digits.starts_with(|first: char| first.is_digit(base)) {
        return None;
    }
    let number = i128::from_str_radix(digits, base).ok()?;
    let (signed, most) = match text.as_bytes().first() {
        Some(b'-') => (-number, i128::from(i64::MAX)),
        Some(b'+') => (number, i128::from(i64::MAX)),
        _ => (number, i128::from(u64::MAX)),
    };
    (i128::from(i64::MIN) <= signed && signed <= most).then_some(signed)
}

/// A number that is too large is a text.
fn float(text: &str) -> Option<Resolved<'static>> {
    let is_of_a_number = |byte: u8| byte.is_ascii_digit() || b".eE+-".contains(&byte);
    let number: f64 = text
        .bytes()
        .all(is_of_a_number)
        .then(|| text.parse().ok())??;
    number.is_finite().then_some(Resolved::Float(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_are_what_go_makes_of_them() {
        let integers = [
            ("0", 0),
            ("017", 15),
            ("0o17", 15),
            ("0O17", 15),
            ("0x1F", 31),
            ("-0X1f", -31),
            ("0b101", 5),
            ("+12", 12),
            ("1_000", 1000),
            ("0_7", 7),
            ("00", 0),
            ("-9223372036854775808", i128::from(i64::MIN)),
            ("18446744073709551615", i128::from(u64::MAX)),
        ];
        for (text, number) in integers {
            assert_eq!(Resolved::plain(text), Resolved::Integer(number), "{text}");
        }
        let floats = [
            ("08", 8.0),
            ("1.", 1.0),
            (".5", 0.5),
            ("-.5", -0.5),
            ("1e3", 1000.0),
            ("1_0.5", 10.5),
            ("18446744073709551616", 18_446_744_073_709_551_616.0),
            ("+9223372036854775808", 9_223_372_036_854_775_808.0),
            ("-.INF", f64::NEG_INFINITY),
        ];
        for (text, number) in floats {
            assert_eq!(Resolved::plain(text), Resolved::Float(number), "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_a_number_is_a_text() {
        let texts = [
            "+",
            "-",
            ".",
            "_1",
            "0x",
            "0o8",
            "0b2",
            "1e",
            "1e400",
            "1:30",
            "2001-01-01",
            ".1_0",
            "0x1p4",
            "infinity",
            "nan",
            "+-1",
            "0x-1",
            "-+1",
            "1.2.3",
            "12e03x",
            "yEs",
        ];
        for text in texts {
            assert_eq!(Resolved::plain(text), Resolved::Text(text), "{text}");
        }
    }

    #[test]
    fn a_tag_decides_or_contradicts() {
        let of = |text, tag: &str| Resolved::of(text, Style::DoubleQuoted, Some(tag));
        let core = |text, tag: &str| of(text, &format!("{CORE}{tag}"));
        assert_eq!(core("3", "int"), Some(Resolved::Integer(3)));
        assert_eq!(core("3", "float"), Some(Resolved::Float(3.0)));
        assert_eq!(core("3", "str"), Some(Resolved::Text("3")));
        assert_eq!(core("on", "bool"), Some(Resolved::Bool(true)));
        assert_eq!(core("", "null"), Some(Resolved::Null));
        assert_eq!(of("3", "!"), Some(Resolved::Text("3")));
        assert_eq!(of("3", "!local"), Some(Resolved::Text("3")));
        assert_eq!((core("3.5", "int"), core("x", "null")), (None, None));
        let quoted = Resolved::of("3", Style::SingleQuoted, None);
        assert_eq!(quoted, Some(Resolved::Text("3")));
    }
}
