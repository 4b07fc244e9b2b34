//! The query of a request, read as the API server reads it (spec 5): a pair with `;` or a broken escape is dropped, the others stay.
//!
//! Falco's `ka.uri.param` gives nothing at all when one pair is broken; a client could hide every parameter that way.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// The parameters of a request URI, decoded, in order.
pub(super) fn parameters(uri: &[u8]) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
    let query = split(uri, b'?').1;
    let pairs = query
        .split(|&byte| byte == b'&')
        .filter(|pair| !pair.is_empty());
    pairs.filter_map(|pair| {
        let (name, value) = split(pair, b'=');
        (!pair.contains(&b';')).then_some((decoded(name)?, decoded(value)?))
    })
}

/// The values of one parameter, in order.
pub(super) fn values<'u>(uri: &'u [u8], name: &str) -> impl Iterator<Item = Cow<'u, [u8]>> {
    let named = parameters(uri).filter(move |(key, _)| **key == *name.as_bytes());
    named.map(|(_, value)| value)
}

/// `None` when an escape is broken.
fn decoded(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    if !text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return Some(Cow::Borrowed(text));
    }
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let mut escapes = memchr_all(text);
    let whole = escapes.all(|at| is_digit(text.get(at + 1)) && is_digit(text.get(at + 2)));
    let blanks = |&byte: &u8| if byte == b'+' { b' ' } else { byte };
    let with_blanks: Vec<u8> = text.iter().map(blanks).collect();
    whole.then(|| Cow::Owned(percent_decode(&with_blanks).collect()))
}

fn memchr_all(text: &[u8]) -> impl Iterator<Item = usize> {
    let bytes = text.iter().enumerate();
    bytes.filter(|(_, byte)| **byte == b'%').map(|(at, _)| at)
}

/// What stands before and behind the first `separator`.
fn split(text: &[u8], separator: u8) -> (&[u8], &[u8]) {
    let mut parts = text.splitn(2, |&byte| byte == separator);
    (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    )
}
