//! Whether a server let a client be somebody else, concluded from its answer (spec 6.7).
//!
//! A denial is a `Status` that says who `cannot impersonate` what. Everything else means that impersonation was allowed, or that it
//! cannot be told; then whom the client named is entered. The other way round an attacker could hide behind any answer that
//! a gateway cannot read. Names in the message are the attacker's too, so it is read from its beginning and by its quotes, and
//! not searched. And where a pod or an aggregated API may have answered, which happens after impersonation was allowed, no answer counts
//! as a denial.

use crate::event::{AuditEvent, ResponseStatus};
use crate::quote::behind_quote;

/// Whether the answer to a request shows that the impersonation was denied.
pub(super) fn is_denied(status: &ResponseStatus, event: &AuditEvent) -> bool {
    match status.code {
        401 => is_answered_by_server(event),
        403 => is_answered_by_server(event) && denies_impersonation(&status.message),
        _ => false,
    }
}

/// Whether a pod, a service or a node may have answered.
pub(super) fn is_proxied(event: &AuditEvent) -> bool {
    let object = event.object_ref.as_ref();
    event.verb == "proxy" || object.is_some_and(|object| object.subresource == "proxy")
}

/// Whether nobody but the API server itself can have answered, and the names that it puts into messages without quotes
/// are words.
fn is_answered_by_server(event: &AuditEvent) -> bool {
    let Some(object) = &event.object_ref else {
        return true;
    };
    let group = object.api_group.as_str();
    let is_own_group = !group.contains('.') || group.ends_with(".k8s.io");
    let is_word = |text: &str| !text.contains([' ', '"', '\\']);
    is_own_group && !is_proxied(event) && is_word(&object.resource) && is_word(group)
}

/// `users "bob" is forbidden: User "jane" cannot impersonate resource "users" …`; the same with `impersonate-on:…`.
fn denies_impersonation(message: &str) -> bool {
    let reason = message.strip_prefix("forbidden: ");
    let who = reason
        .or_else(|| behind_subject(message))
        .and_then(|reason| reason.strip_prefix("User \""));
    let rest = who.and_then(behind_quote);
    rest.is_some_and(|rest| rest.starts_with(" cannot impersonate"))
}

/// What stands behind `pods is forbidden: ` or `pods "web" is forbidden: `.
fn behind_subject(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once(' ')?;
    let rest = match rest.strip_prefix('"') {
        Some(name) => behind_quote(name)?.strip_prefix(' ')?,
        None => rest,
    };
    rest.strip_prefix("is forbidden: ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ObjectReference;

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
                403,
                r#"pods "web" is forbidden: policy: User "a" cannot impersonate"#,
                "pods",
                false,
            ),
            (
                403,
                r#"denied: forbidden: User "a" cannot impersonate"#,
                "pods",
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
            let found = is_denied(&status, &asking("get", resource));
            assert_eq!(found, expected, "{message}");
        }
    }

    /// A request for `resource.group/subresource`.
    fn asking(verb: &str, what: &str) -> AuditEvent {
        let (resource, subresource) = what.split_once('/').unwrap_or((what, ""));
        let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
        AuditEvent {
            verb: verb.to_owned(),
            object_ref: Some(ObjectReference {
                resource: resource.to_owned(),
                subresource: subresource.to_owned(),
                api_group: group.to_owned(),
                ..ObjectReference::default()
            }),
            ..AuditEvent::default()
        }
    }

    #[test]
    fn whoever_is_behind_the_server_cannot_hide_an_impersonation() {
        let cases = [
            ("get", "pods", true),
            ("get", "pods/log", true),
            ("get", "deployments.apps", true),
            ("get", "leases.coordination.k8s.io", true),
            ("get", "services/proxy", false),
            ("create", "pods/proxy", false),
            ("proxy", "nodes", false),
            ("get", "orders.shop.example.com", false),
            ("get", "orders.k8s.io.example.com", false),
        ];
        let denial = r#"users "bob" is forbidden: User "jane" cannot impersonate resource "users""#;
        for (verb, what, expected) in cases {
            for (code, message) in [(401, ""), (403, denial)] {
                let status = ResponseStatus {
                    code,
                    message: message.to_owned(),
                    ..ResponseStatus::default()
                };
                let found = is_denied(&status, &asking(verb, what));
                assert_eq!(found, expected, "{verb} {what} {code}");
            }
        }
    }
}
