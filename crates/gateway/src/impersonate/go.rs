//! Texts as Go's `%q` and `%#v` write them, for messages in the server's words.

/// A text in double quotes (`strconv.Quote`).
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            '\0'..' ' | '\u{7f}' => quoted.push_str(&format!("\\x{:02x}", u32::from(character))),
            _ if is_hidden(character) => quoted.push_str(&escape(character)),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// A list of texts (`[]string`).
pub(super) fn quoted_list(texts: &[String]) -> String {
    if texts.is_empty() {
        return "[]string(nil)".to_owned();
    }
    let texts: Vec<String> = texts.iter().map(|text| quote(text)).collect();
    format!("[]string{{{}}}", texts.join(", "))
}

/// What a terminal or a log viewer would not show as it is.
fn is_hidden(character: char) -> bool {
    !character.is_ascii() && character.escape_debug().len() > 1
}

fn escape(character: char) -> String {
    match u32::from(character) {
        code @ ..=0xffff => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_as_go_quotes_them() {
        let cases = [
            ("jane", r#""jane""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("\t\n\u{7}\u{1}\u{7f}", r#""\t\n\a\x01\x7f""#),
            ("\u{e9}\u{202e}\u{e0001}", "\"\u{e9}\\u202e\\U000e0001\""),
            ("<&>", r#""<&>""#),
        ];
        for (text, expected) in cases {
            assert_eq!(quote(text), expected);
        }
    }
}
