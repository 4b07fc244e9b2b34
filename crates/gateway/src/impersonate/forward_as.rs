//! The user in whose name the gateway asks the upstream.
//!
//! The gateway's own credentials may impersonate anybody, so the headers that say whom are the only thing between a caller and
//! the gateway's own rights. Two mistakes would be fatal: headers that name nobody, with which the upstream takes the request for
//! the gateway's own; and a name that changes on the way, such as ` admin`, which arrives as `admin`. Both are refused here, at
//! the last moment, whoever made the user.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use kubevigil_record::event::UserInfo;

use crate::identity::encode_extra_key;

const USER: HeaderName = HeaderName::from_static("impersonate-user");
const UID: HeaderName = HeaderName::from_static("impersonate-uid");
const GROUP: HeaderName = HeaderName::from_static("impersonate-group");
const EXTRA: &str = "impersonate-extra-";

/// Whom the upstream shall take the request for. In the extensions of every request that reaches the inner service in mode
/// `impersonate`; a request without it must not be sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ForwardAs {
    /// The user, with all groups.
    pub user: UserInfo,
}

/// A user that headers cannot name exactly.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unwritable {
    /// Without a name the upstream would take the request for the gateway's own.
    #[error("a user without a name cannot be impersonated")]
    Nameless,
    /// Control characters, or blanks at an end, which the upstream would not see.
    #[error("{part} {text:?} cannot be said in a header without changing it")]
    Changed {
        /// What it is: user, uid, group, extra.
        part: &'static str,
        /// The text.
        text: String,
    },
}

impl ForwardAs {
    /// Removes every header that impersonates and writes those of the user. Nothing is left of the old ones, nor is anything
    /// written, when the user cannot be written exactly.
    ///
    /// # Errors
    ///
    /// When the upstream would see another user. The request must be refused (403).
    pub fn write(&self, headers: &mut HeaderMap) -> Result<(), Unwritable> {
        remove_all(headers);
        if self.user.username.is_empty() {
            return Err(Unwritable::Nameless);
        }
        let lines = self.lines()?;
        headers.reserve(lines.len());
        for (name, value) in lines {
            headers.append(name, value);
        }
        Ok(())
    }

    fn lines(&self) -> Result<Vec<(HeaderName, HeaderValue)>, Unwritable> {
        let user = &self.user;
        let mut lines = vec![(USER, value("user", &user.username)?)];
        if !user.uid.is_empty() {
            lines.push((UID, value("uid", &user.uid)?));
        }
        for group in &user.groups {
            lines.push((GROUP, value("group", group)?));
        }
        for (key, values) in &user.extra {
            let name = format!("{EXTRA}{}", encode_extra_key(key));
            let name = HeaderName::try_from(name).map_err(|_| changed("extra", key))?;
            for text in values {
                lines.push((name.clone(), value("extra", text)?));
            }
        }
        Ok(lines)
    }
}

/// Removes every header that impersonates, and every one that could be taken for one.
pub(super) fn remove_all(headers: &mut HeaderMap) {
    let impersonating = |name: &&HeaderName| impersonates(name.as_str());
    let names: Vec<HeaderName> = headers.keys().filter(impersonating).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// Whether a header's name begins as those that impersonate, or could be taken to begin so.
pub(super) fn impersonates(name: &str) -> bool {
    let rest = name.strip_prefix("impersonate");
    rest.is_some_and(|rest| rest.starts_with(['-', '_']))
}

/// A header value that is read as it is written. Blanks at its ends are no part of a value (RFC 9110, 5.5).
fn value(part: &'static str, text: &str) -> Result<HeaderValue, Unwritable> {
    let is_trimmed = text.trim_matches([' ', '\t']).len() == text.len();
    let value = HeaderValue::from_bytes(text.as_bytes()).ok();
    value
        .filter(|_| is_trimmed)
        .ok_or_else(|| changed(part, text))
}

fn changed(part: &'static str, text: &str) -> Unwritable {
    let text = text.to_owned();
    Unwritable::Changed { part, text }
}
