//! The line that the log had before events were JSON (`--audit-log-format=legacy`, spec 9).

use std::fmt::Write as _;

use kubevigil_audit::time::Timestamp;

use crate::event::{AuditEvent, UserInfo};

/// One line with a line feed. Level, object and annotations are not in it.
pub fn legacy_line(event: &AuditEvent) -> String {
    let user = Some(&event.user).filter(|user| !user.username.is_empty());
    let groups = user.filter(|user| !user.groups.is_empty()).map(listed);
    let impersonated = event.impersonated_user.as_ref();
    let as_groups = impersonated
        .filter(|user| !user.groups.is_empty())
        .map(listed);
    let namespace = event
        .object_ref
        .as_ref()
        .map(|object| object.namespace.as_str());
    let values = [
        ("id", event.audit_id.as_str()),
        ("stage", event.stage.as_str()),
        (
            "ip",
            event.source_ips.first().map_or("<unknown>", String::as_str),
        ),
        ("method", &event.verb),
        ("user", user.map_or("<none>", |user| &user.username)),
        ("groups", groups.as_deref().unwrap_or("<none>")),
        ("as", impersonated.map_or("<self>", |user| &user.username)),
        ("asgroups", as_groups.as_deref().unwrap_or("<lookup>")),
        ("user-agent", &event.user_agent),
        (
            "namespace",
            namespace
                .filter(|name| !name.is_empty())
                .unwrap_or("<none>"),
        ),
        ("uri", &event.request_uri),
    ];
    let mut line = time(event.request_received) + " AUDIT:";
    for (name, value) in values {
        let _ = write!(line, " {name}={}", quoted(value));
    }
    let status = event.response_status.as_ref();
    let response = status.map_or("<deferred>".to_owned(), |status| status.code.to_string());
    let _ = writeln!(line, " response=\"{response}\"");
    line
}

fn listed(user: &UserInfo) -> String {
    let groups: Vec<String> = user.groups.iter().map(|group| quoted(group)).collect();
    groups.join(",")
}

/// RFC 3339 with as many digits of the second as there are.
fn time(time: Option<Timestamp>) -> String {
    let Some(time) = time else {
        return "0001-01-01T00:00:00Z".to_owned();
    };
    let text = time.to_string();
    let text = text.trim_end_matches('Z').trim_end_matches('0');
    text.trim_end_matches('.').to_owned() + "Z"
}

/// A text as a Go string literal.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        let number = u32::from(character);
        let _ = match character {
            '"' | '\\' => write!(quoted, "\\{character}"),
            '\n' => quoted.write_str("\\n"),
            '\r' => quoted.write_str("\\r"),
            '\t' => quoted.write_str("\\t"),
            '\u{7}' => quoted.write_str("\\a"),
            '\u{8}' => quoted.write_str("\\b"),
            '\u{b}' => quoted.write_str("\\v"),
            '\u{c}' => quoted.write_str("\\f"),
            _ if is_printable(character) => quoted.write_char(character),
            '\0'..=' ' | '\u{7f}' => write!(quoted, "\\x{number:02x}"),
            '\u{80}'..='\u{ffff}' => write!(quoted, "\\u{number:04x}"),
            _ => write!(quoted, "\\U{number:08x}"),
        };
    }
    quoted.push('"');
    quoted
}

/// Whether Go shows the character as it is. Rust escapes the same in the middle of a text, marks that need a letter before
/// them excepted at its beginning.
fn is_printable(character: char) -> bool {
    let mut text = [0; 5];
    let length = character.len_utf8();
    if let Some((first, rest)) = text.split_first_mut() {
        *first = b'a';
        character.encode_utf8(rest);
    }
    let text = text.get(..=length).unwrap_or_default();
    let text = std::str::from_utf8(text).unwrap_or_default();
    text.escape_debug().nth(1) != Some('\\') || character == '\''
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_as_go_quotes_them() {
        let cases = [
            ("a'b", r#""a'b""#),
            ("a\"\\\n\t\u{7}\u{b}\0\u{7f}", r#""a\"\\\n\t\a\v\x00\x7f""#),
            (
                "\u{e9}\u{301}\u{20ac}\u{1f600}",
                "\"\u{e9}\u{301}\u{20ac}\u{1f600}\"",
            ),
            ("\u{301}", "\"\u{301}\""),
            (
                "\u{a0}\u{200b}\u{2028}\u{feff}",
                r#""\u00a0\u200b\u2028\ufeff""#,
            ),
            ("\u{e0001}", r#""\U000e0001""#),
        ];
        for (text, expected) in cases {
            assert_eq!(quoted(text), expected);
        }
    }
}
