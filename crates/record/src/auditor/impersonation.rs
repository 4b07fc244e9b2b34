//! Whether a server let a client be somebody else, concluded from its answer (spec 6.7).
//!
//! A denial is a `Status` that says who `cannot impersonate` what. Everything else means that impersonation was allowed, or that it
//! cannot be told; then whom the client named is entered. The other way round an attacker could hide behind any answer that
//! a gateway cannot read. Names in the message are the attacker's too, so it is read by its quotes and not searched.

use crate::event::{ObjectReference, ResponseStatus};

/// Whether the answer to a request for `object` shows that the impersonation was denied.
pub(super) fn is_denied(status: &ResponseStatus, object: Option<&ObjectReference>) -> bool {
    match status.code {
        401 => true,
        403 => {
            let is_plain =
                object.is_none_or(|object| is_word(&object.resource) && is_word(&object.api_group));
            is_plain && denies_impersonation(&status.message)
        }
        _ => false,
    }
}

/// A resource of a URL goes into messages without quotes; with spaces and quotes of its own it could look like a denial.
fn is_word(text: &str) -> bool {
    !text.contains([' ', '"', '\\'])
}

/// `users "bob" is forbidden: User "jane" cannot impersonate resource "users" …`; the same with `impersonate-on:…`.
fn denies_impersonation(message: &str) -> bool {
    // A quote inside of a name stands behind a backslash, and so not behind a space.
    let Some((_, behind)) = message.split_once("forbidden: User \"") else {
        return false;
    };
    let rest = behind_quote(behind);
    rest.is_some_and(|rest| rest.starts_with(" cannot impersonate"))
}

/// What stands behind the end of a text in Go's quotes.
fn behind_quote(text: &str) -> Option<&str> {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' if !is_escaped => return text.get(at + 1..),
            b'\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_denial_in_the_servers_own_words_is_one() {
        // Code, message, resource asked for, whether it was denied.
        let cases = [
            (200, "", "pods", false),
            (401, "", "pods", true),
            (403, "", "pods", false),
            (
                403,
                r#"users "bob" is forbidden: User "jane" cannot impersonate resource "users" in API group "" at the cluster scope"#,
                "pods",
                true,
            ),
            (
                403,
                r#"pods is forbidden: User "jane" cannot impersonate-on:user-info:list resource "pods""#,
                "pods",
                true,
            ),
            (
                403,
                r#"forbidden: User "jane" cannot impersonate-on:user-info:get path "/x""#,
                "",
                true,
            ),
            (
                403,
                r#"pods "web" is forbidden: User "bob" cannot get resource "pods""#,
                "pods",
                false,
            ),
            (
                403,
                r#"pods is forbidden: User "x\" cannot impersonate" cannot list resource "pods""#,
                "pods",
                false,
            ),
            (
                403,
                r#"pods "forbidden: User \"a\" cannot impersonate" is forbidden: User "bob" cannot get"#,
                "pods",
                false,
            ),
            (
                403,
                r#"a is forbidden: User "b" cannot impersonate is forbidden: User "bob" cannot get"#,
                r#"a is forbidden: User "b" cannot impersonate"#,
                false,
            ),
            (
                422,
                r#"users is forbidden: User "jane" cannot impersonate"#,
                "pods",
                false,
            ),
        ];
        for (code, message, resource, expected) in cases {
            let status = ResponseStatus {
                code,
                message: message.to_owned(),
                ..ResponseStatus::default()
            };
            let object = ObjectReference {
                resource: resource.to_owned(),
                ..ObjectReference::default()
            };
            assert_eq!(is_denied(&status, Some(&object)), expected, "{message}");
        }
    }
}
