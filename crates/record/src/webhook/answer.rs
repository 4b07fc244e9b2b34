//! What a receiver's answer means (spec 11.3).

use std::time::Duration;

use http::HeaderMap;
use http::header::{CONTENT_TYPE, RETRY_AFTER};

use crate::quote::behind_quote;

/// A receiver's answer.
#[derive(Debug)]
pub(super) struct Answer {
    /// Whether the batch is taken; what is wrong if not.
    pub(super) result: Result<(), NotTaken>,
    /// How long to wait before the same request is sent again, if the receiver asks for it.
    pub(super) retry_after: Option<Duration>,
}

/// Why a batch was not taken.
#[derive(Debug)]
pub(crate) struct NotTaken {
    /// What went wrong.
    pub(crate) text: String,
    /// A smaller batch might be taken.
    pub(crate) is_too_large: bool,
    /// How long the receiver asks to wait.
    pub(crate) retry_after: Option<Duration>,
}

impl NotTaken {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            is_too_large: false,
            retry_after: None,
        }
    }
}

impl Answer {
    pub(super) fn of(code: u16, headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let may_ask = code == 429 || code >= 500;
        let seconds = text(RETRY_AFTER).and_then(|seconds| seconds.parse().ok());
        let is_readable = headers
            .get(CONTENT_TYPE)
            .is_none_or(|kind| kind.is_empty() || kind.to_str().is_ok_and(is_media_type));
        let result = match code {
            101 | 200..=206 if is_readable => Ok(()),
            101 | 200..=206 => Err(format!("the answer {code} has a Content-Type that is none")),
            _ => Err(format!("the receiver answered {code}")),
        };
        Self {
            result: result.map_err(|text| NotTaken {
                is_too_large: code == 413,
                ..NotTaken::new(text)
            }),
            retry_after: seconds.filter(|_| may_ask).map(Duration::from_secs),
        }
    }
}

/// Whether Go can read the media type: `type/subtype; name=value`, the subtype and what follows it optional.
fn is_media_type(text: &str) -> bool {
    let (kind, parameters) = text.split_once(';').unwrap_or((text, ""));
    let is_kind = kind.trim().splitn(2, '/').all(is_token);
    is_kind && are_parameters(parameters)
}

/// `name=token` or `name="text"`, separated by semicolons; one that ends in a semicolon is fine.
fn are_parameters(text: &str) -> bool {
    let mut rest = text.trim();
    while !rest.is_empty() {
        let Some((name, value)) = rest.split_once('=') else {
            return false;
        };
        let Some(behind) = behind_value(value.trim_start()) else {
            return false;
        };
        let behind = behind.trim_start();
        if !is_token(name.trim()) || !(behind.is_empty() || behind.starts_with(';')) {
            return false;
        }
        rest = behind.strip_prefix(';').unwrap_or(behind).trim_start();
    }
    true
}

/// What follows a parameter's value.
fn behind_value(value: &str) -> Option<&str> {
    let Some(inside) = value.strip_prefix('"') else {
        let end = value.find(|character: char| !is_token_character(character));
        let (token, behind) = value.split_at(end.unwrap_or(value.len()));
        return (!token.is_empty()).then_some(behind);
    };
    behind_quote(inside)
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_token_character)
}

fn is_token_character(character: char) -> bool {
    character.is_ascii_graphic() && !"()<>@,;:\\\"/[]?=".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_taken_or_tried_again_as_the_server_does() {
        // Code, Content-Type, Retry-After, whether taken, seconds to wait.
        let cases = [
            (200, "", "", true, None),
            (204, "application/json; charset=utf-8", "", true, None),
            (206, "text", "", true, None),
            (101, "", "", true, None),
            (200, "text/html; charset=\"a\\\"b\";", "", true, None),
            (200, "a b", "", false, None),
            (200, "text/", "", false, None),
            (200, "text/html; charset", "", false, None),
            (200, "text/html; charset=\"a", "", false, None),
            (207, "", "", false, None),
            (302, "", "1", false, None),
            (400, "", "1", false, None),
            (429, "", "1", false, Some(1)),
            (429, "", "soon", false, None),
            (500, "", "0", false, Some(0)),
            (503, "", "7", false, Some(7)),
            (200, "", "7", true, None),
        ];
        for (code, kind, after, taken, wait) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in [(CONTENT_TYPE, kind), (RETRY_AFTER, after)] {
                if !value.is_empty() {
                    headers.insert(name, value.parse().unwrap());
                }
            }
            let answer = Answer::of(code, &headers);
            assert_eq!(answer.result.is_ok(), taken, "{code} {kind}");
            assert_eq!(
                answer.retry_after,
                wait.map(Duration::from_secs),
                "{code} {after}"
            );
        }
    }
}
