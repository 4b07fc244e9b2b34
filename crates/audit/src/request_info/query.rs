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
    /// Pairs with a `;` or a broken escape are left out, as Go's lenient reader does.
    pub(super) fn parse(query: &str) -> Self {
        let pair = |text: &str| {
            if text.is_empty() || text.contains(';') {
                return None;
            }
            let (key, value) = text.split_once('=').unwrap_or((text, ""));
            Some((decode(key, true)?, decode(value, true)?))
        };
        Self {
            pairs: query.split('&').filter_map(pair).collect(),
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

/// A path without its escapes; `None` when one is broken.
pub(super) fn decode_path(path: &str) -> Option<String> {
    decode(path, false)
}

/// A text without its percent escapes; bytes that are no UTF-8 become U+FFFD. `None` when an escape is broken.
fn decode(text: &str, plus_is_blank: bool) -> Option<String> {
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
    Some(match String::from_utf8_lossy(&bytes) {
        Cow::Borrowed(text) => text.to_owned(),
        Cow::Owned(text) => text,
    })
}

fn hexadecimal(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits).ok()?;
    let all = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u8::from_str_radix(digits, 16).ok().filter(|_| all)
}
