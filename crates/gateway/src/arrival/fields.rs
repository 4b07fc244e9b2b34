//! Header values as the upstream will read them.
//!
//! HTTP/2 carries blanks at the ends of a value, although a sender must not put them there (RFC 9113, section 8.2.1). The upstream is spoken
//! to in HTTP/1.1, where they are no part of the value (RFC 9112, section 5.1). With them a client could ask for the group
//! ` system:masters` and be recorded with that, while the server reads `system:masters`. They are taken off, as they are for clients of
//! HTTP/1.1; refusing the request instead would turn clients away that a kube-apiserver serves.

use http::{HeaderMap, HeaderValue};

/// Takes blanks off both ends of every value.
pub(super) fn trim(headers: &mut HeaderMap) {
    for value in headers.values_mut() {
        if let Some(trimmed) = trimmed(value) {
            *value = trimmed;
        }
    }
}

/// The value without its blanks; `None` when there are none.
fn trimmed(value: &HeaderValue) -> Option<HeaderValue> {
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let text = value.as_bytes();
    if !is_blank(text.first()) && !is_blank(text.last()) {
        return None;
    }
    let mut trimmed = HeaderValue::from_bytes(text.trim_ascii()).ok()?;
    trimmed.set_sensitive(value.is_sensitive());
    Some(trimmed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_begins_or_ends_with_a_blank() {
        let cases = [
            ("jane", "jane"),
            (" jane", "jane"),
            ("\tsystem:masters \t", "system:masters"),
            ("a b\tc", "a b\tc"),
            ("  ", ""),
            ("", ""),
        ];
        for (sent, read) in cases {
            let mut headers = HeaderMap::new();
            headers.append("impersonate-group", HeaderValue::from_static("first"));
            headers.append("impersonate-group", HeaderValue::from_static(sent));
            trim(&mut headers);
            let values: Vec<_> = headers.get_all("impersonate-group").iter().collect();
            assert_eq!(values, ["first", read], "{sent:?}");
        }
    }
}
