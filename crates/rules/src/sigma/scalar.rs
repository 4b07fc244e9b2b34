//! Scalars by YAML 1.2's core schema: `yes` and `on` are texts, and so is a date.

use kubevigil_yaml::{Kind, Node, Style};

/// A scalar with its type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scalar<'n> {
    Null,
    Bool(bool),
    /// A number and how it is written.
    Number(f64, &'n str),
    Text(&'n str),
}

impl<'n> Scalar<'n> {
    /// The scalar that a node is.
    pub(super) fn of(node: &'n Node) -> Option<Self> {
        let Kind::Scalar { text, style } = &node.kind else {
            return None;
        };
        if *style != Style::Plain {
            return Some(Self::Text(text));
        }
        Some(match text.as_str() {
            _ if node.is_null() => Self::Null,
            "true" | "True" | "TRUE" => Self::Bool(true),
            "false" | "False" | "FALSE" => Self::Bool(false),
            text => number(text).map_or(Self::Text(text), |number| Self::Number(number, text)),
        })
    }

    /// The word for it in messages.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a truth value",
            Self::Number(..) => "a number",
            Self::Text(_) => "a text",
        }
    }
}

fn number(text: &str) -> Option<f64> {
    let based = |digits: &str, base| {
        u64::from_str_radix(digits, base)
            .ok()
            .map(|number| number as f64)
    };
    if let Some(digits) = text.strip_prefix("0x") {
        return based(digits, 16).filter(|_| !digits.starts_with(['+', '-']));
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return based(digits, 8).filter(|_| !digits.starts_with(['+', '-']));
    }
    // Rust also reads words (`inf`, `nan`), which are texts here.
    let numeric = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    let has_digit = text.bytes().any(|byte| byte.is_ascii_digit());
    if !has_digit || !text.bytes().all(numeric) {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_those_of_yaml_1_2() {
        let text = Scalar::Text;
        for (yaml, expected) in [
            ("403", Scalar::Number(403.0, "403")),
            ("010", Scalar::Number(10.0, "010")),
            ("0x1F", Scalar::Number(31.0, "0x1F")),
            ("0o17", Scalar::Number(15.0, "0o17")),
            ("-1.5e3", Scalar::Number(-1500.0, "-1.5e3")),
            (".5", Scalar::Number(0.5, ".5")),
            ("1.33.0", text("1.33.0")),
            ("1_000", text("1_000")),
            ("10:20", text("10:20")),
            ("nan", text("nan")),
            ("e", text("e")),
            ("2024-01-01", text("2024-01-01")),
            ("yes", text("yes")),
            ("'403'", text("403")),
            ("True", Scalar::Bool(true)),
            ("\"true\"", text("true")),
            ("~", Scalar::Null),
        ] {
            let document = kubevigil_yaml::parse(&format!("- {yaml}\n"))
                .unwrap()
                .remove(0);
            let node = &document.root.items().unwrap()[0];
            assert_eq!(Scalar::of(node), Some(expected), "{yaml}");
        }
    }
}
