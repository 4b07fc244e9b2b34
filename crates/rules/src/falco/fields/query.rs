//! Parameters of a request's query.
//!
//! Falco's plugin reads the URI with Go's `net/url`, which refuses a whole URI for one bad part; then the field is
//! absent. The same parts are checked here.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use super::readers::text;
use crate::field::{Inputs, Values};

/// `ka.uri.param`: the first value of the parameter that the argument names.
pub(super) fn parameter<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let (Some(uri), Some(key)) = (inputs.first(0), inputs.argument) else {
        return Values::Absent;
    };
    let uri = text(uri);
    let value = query_of(&uri).and_then(|query| first_value(query, key.as_bytes()));
    Values::text(value.map(Cow::Owned))
}

/// The query of a well-formed URI, empty if it has none.
fn query_of(uri: &[u8]) -> Option<&[u8]> {
    if uri.iter().any(u8::is_ascii_control) {
        return None;
    }
    let (uri, fragment) = cut(uri, b'#');
    let rest = without_scheme(uri)?;
    let (path, query) = cut(rest, b'?');
    let has_scheme = rest.len() < uri.len();
    let first_segment = cut(path, b'/').0;
    if !path.starts_with(b"/") && !has_scheme && first_segment.contains(&b':') {
        return None;
    }
    let opaque = !path.starts_with(b"/") && has_scheme;
    (well_escaped(fragment) && (opaque || well_escaped(path))).then_some(query)
}

/// The URI behind its scheme; `None` when it starts with a colon.
fn without_scheme(uri: &[u8]) -> Option<&[u8]> {
    for (at, byte) in uri.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return None,
            b':' => return uri.get(at + 1..),
            _ => break,
        }
    }
    Some(uri)
}

/// The first value of `key`; `None` when it does not occur or any part of the query is malformed.
fn first_value(query: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    let mut found = None;
    for part in query
        .split(|&byte| byte == b'&')
        .filter(|part| !part.is_empty())
    {
        let (name, value) = cut(part, b'=');
        if part.contains(&b';') || !well_escaped(part) {
            return None;
        }
        if found.is_none() && decode(name).as_ref() == key {
            found = Some(decode(value).into_owned());
        }
    }
    found
}

fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return Cow::Borrowed(text);
    }
    let blanks: Vec<u8> = text
        .iter()
        .map(|&byte| if byte == b'+' { b' ' } else { byte })
        .collect();
    Cow::Owned(percent_decode(&blanks).collect())
}

fn well_escaped(text: &[u8]) -> bool {
    let hexadecimal = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let ok = |at: usize| hexadecimal(text.get(at + 1)) && hexadecimal(text.get(at + 2));
    text.iter()
        .enumerate()
        .all(|(at, &byte)| byte != b'%' || ok(at))
}

/// What stands before and behind the first `separator`.
fn cut(text: &[u8], separator: u8) -> (&[u8], &[u8]) {
    let mut parts = text.splitn(2, |&byte| byte == separator);
    (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(uri: &str, key: &str) -> Option<String> {
        let value = first_value(query_of(uri.as_bytes())?, key.as_bytes())?;
        Some(String::from_utf8(value).unwrap())
    }

    #[test]
    fn the_first_value_is_decoded() {
        assert_eq!(
            value("/api?a=1&b=x%20y+z&b=2", "b").as_deref(),
            Some("x y z")
        );
        assert_eq!(value("/api?%61=1", "a").as_deref(), Some("1"));
        assert_eq!(value("/api?a", "a").as_deref(), Some(""));
        assert_eq!(value("/api?a=1#b", "a").as_deref(), Some("1"));
        assert_eq!(value("/api", "a"), None);
    }

    #[test]
    fn one_malformed_part_makes_all_parameters_absent() {
        for uri in [
            "/api?a=1&b=%zz",
            "/api?a=1;b=2",
            "/a%2?a=1",
            "::bad?a=1",
            "a:b/c%?a=1&%",
            "/\u{7}?a=1",
        ] {
            assert_eq!(value(uri, "a"), None, "{uri}");
        }
    }
}
