//! What serde says about a value, in the words of the file's author.

use kubevigil_diagnostics::closest;

/// What is wrong with a value, and what to do about it.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Wording {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// Whether the key is wrong, not its value.
    pub(crate) about_key: bool,
}

/// Words a message of serde for people. A message of another shape stays as it is.
pub(crate) fn of(message: &str) -> Wording {
    if let Some((word, expected)) = unknown(message, "unknown field ") {
        let message = format!("unknown key `{word}`");
        return Wording {
            message,
            help: suggestion(word, &expected),
            about_key: true,
        };
    }
    if let Some((word, expected)) = unknown(message, "unknown variant ") {
        let message = format!("unknown word `{word}`");
        return Wording {
            message,
            help: suggestion(word, &expected),
            about_key: false,
        };
    }
    if let Some(key) = message.strip_prefix("missing field ") {
        let message = format!("key {key} is missing");
        return Wording {
            message,
            help: None,
            about_key: true,
        };
    }
    let message = match mismatch(message) {
        Some((found, expected)) => format!("expected {expected}, found {found}"),
        None if message.contains("socket address") => {
            "expected an address and a port, such as 127.0.0.1:8765".to_owned()
        }
        None => message.to_owned(),
    };
    Wording {
        message,
        help: None,
        about_key: false,
    }
}

/// The word and what was expected, of a message that quotes them all.
fn unknown<'m>(message: &'m str, start: &str) -> Option<(&'m str, Vec<&'m str>)> {
    let mut quoted = message.strip_prefix(start)?.split('`').skip(1).step_by(2);
    Some((quoted.next()?, quoted.collect()))
}

fn suggestion(word: &str, expected: &[&str]) -> Option<String> {
    match (closest(word, expected.iter().copied()), expected) {
        (Some(near), _) => Some(format!("did you mean `{near}`?")),
        (None, []) => None,
        (None, _) => Some(format!("expected one of {}", expected.join(", "))),
    }
}

/// What was found and what was expected.
fn mismatch(message: &str) -> Option<(String, &str)> {
    let rest = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "))?;
    let (found, expected) = rest.rsplit_once(", expected ")?;
    Some((found_words(found), expected_words(expected)))
}

fn found_words(found: &str) -> String {
    let (kind, value) = found.split_once(' ').unwrap_or((found, ""));
    match kind {
        "string" => format!("the text {value}"),
        "integer" | "floating" => value
            .trim_start_matches("point ")
            .trim_matches('`')
            .to_owned(),
        "boolean" => value.trim_matches('`').to_owned(),
        "map" => "a mapping".to_owned(),
        "null" | "unit" | "Option" => "nothing".to_owned(),
        "sequence" => "a list".to_owned(),
        _ => found.to_owned(),
    }
}

fn expected_words(expected: &str) -> &str {
    match expected {
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a string" => "a text",
        "path string" => "a path",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        _ if expected.starts_with("struct ") || expected.starts_with("internally tagged") => {
            "a mapping"
        }
        _ => expected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_worded_for_people() {
        let cases = [
            (
                "unknown field `tokes`, expected one of `tls`, `tokens`",
                "unknown key `tokes`; did you mean `tokens`?",
            ),
            (
                "unknown field `zzz`, expected `tls` or `tokens`",
                "unknown key `zzz`; expected one of tls, tokens",
            ),
            (
                "unknown variant `inof`, expected `info` or `warn`",
                "unknown word `inof`; did you mean `info`?",
            ),
            ("missing field `paths`", "key `paths` is missing"),
            (
                "invalid type: string \"a, expected b\", expected a sequence",
                "expected a list, found the text \"a, expected b\"",
            ),
            (
                "invalid value: integer `-1`, expected u64",
                "expected a whole number, 0 or more, found -1",
            ),
            (
                "invalid type: floating point `1.5`, expected u64",
                "expected a whole number, 0 or more, found 1.5",
            ),
            (
                "invalid type: map, expected a boolean",
                "expected true or false, found a mapping",
            ),
            (
                "invalid type: null, expected struct Config",
                "expected a mapping, found nothing",
            ),
            (
                "invalid socket address syntax",
                "expected an address and a port, such as 127.0.0.1:8765",
            ),
            ("something else", "something else"),
        ];
        for (message, expected) in cases {
            let Wording { message, help, .. } = of(message);
            let worded: Vec<String> = std::iter::once(message).chain(help).collect();
            assert_eq!(worded.join("; "), expected);
        }
    }
}
