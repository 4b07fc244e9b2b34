//! The query of a URL, decoded as Go decodes it, and the part of it that list requests are made of.

use std::borrow::Cow;

use super::{field_selector, label_selector};

/// Keys and values in the order in which they were sent.
pub(super) struct Query {
    pairs: Vec<(String, String)>,
}

/// What a list or watch asks for, as far as the verb and the name depend on it.
pub(super) struct ListOptions {
    pub(super) watch: bool,
    /// The only name that the field selector admits.
    pub(super) name: Option<String>,
}

impl Query {
    /// Bytes that are no UTF-8 become U+FFFD.
    pub(super) fn parse(query: &str) -> Self {
        let text = |bytes: Cow<'_, [u8]>| String::from_utf8_lossy(&bytes).into_owned();
        let pairs = query_pairs(query).map(|(key, value)| (text(key), text(value)));
        Self {
            pairs: pairs.collect(),
        }
    }

    /// The first value of a key.
    pub(super) fn first(&self, key: &str) -> Option<&str> {
        let mut pairs = self.pairs.iter();
        pairs
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    /// Whether the first `watch` says so; anything but `false` and `0` does.
    pub(super) fn wants_watch(&self) -> bool {
        self.first("watch")
            .is_some_and(|value| value != "0" && !value.eq_ignore_ascii_case("false"))
    }

    /// The list options; `None` when one of them cannot be read.
    pub(super) fn list_options(&self) -> Option<ListOptions> {
        for key in ["limit", "timeoutSeconds"] {
            if let Some(value) = self.first(key) {
                value.parse::<i64>().ok()?;
            }
        }
        if !label_selector::is_valid(self.first("labelSelector").unwrap_or_default()) {
            return None;
        }
        let selector = self.first("fieldSelector").unwrap_or_default();
        Some(ListOptions {
            watch: self.wants_watch(),
            name: field_selector::name(selector)?.filter(|name| is_path_segment(name)),
        })
    }
}

/// Whether a name could stand in a URL.
fn is_path_segment(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '%'])
}

/// Keys and values of a query in their order, as Go reads them: without escapes, and without the pairs that have a `;` or a broken escape.
pub fn query_pairs(query: &str) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
    let pairs = query.split('&');
    pairs.filter_map(|pair| {
        if pair.is_empty() || pair.contains(';') {
            return None;
        }
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decode(key, true)?, decode(value, true)?))
    })
}

/// A path without its escapes; `None` when one is broken. Bytes that are no UTF-8 become U+FFFD.
pub(super) fn decode_path(path: &str) -> Option<String> {
    let bytes = decode(path, false)?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// A text without its percent escapes; `None` when one is broken.
fn decode(text: &str, plus_is_blank: bool) -> Option<Cow<'_, [u8]>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text.as_bytes()));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        bytes.push(match byte {
            b'+' if plus_is_blank => b' ',
            b'%' => {
                let (digits, behind) = rest.split_at_checked(2)?;
                rest = behind;
                hexadecimal(digits)?
            }
            other => other,
        });
    }
    Some(Cow::Owned(bytes))
}

fn hexadecimal(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits).ok()?;
    let all = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u8::from_str_radix(digits, 16).ok().filter(|_| all)
}
