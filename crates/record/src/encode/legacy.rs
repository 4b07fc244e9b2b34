//! The line that the log had before events were JSON (`--audit-log-format=legacy`, spec 9).

use std::fmt::Write as _;

use kubevigil_audit::time::Timestamp;

use crate::event::{AuditEvent, UserInfo};
use crate::quote::literal;

/// One line with a line feed. Level, object and annotations are not in it.
pub fn legacy_line(event: &AuditEvent) -> String {
    let user = Some(&event.user).filter(|user| !user.username.is_empty());
    let groups = user.filter(|user| !user.groups.is_empty()).map(listed);
    let impersonated = event.impersonated_user.as_ref();
    let as_groups = impersonated
        .filter(|user| !user.groups.is_empty())
        .map(listed);
    let namespace = event
        .object_ref
        .as_ref()
        .map(|object| object.namespace.as_str());
    let values = [
        ("id", event.audit_id.as_str()),
        ("stage", event.stage.as_str()),
        (
            "ip",
            event.source_ips.first().map_or("<unknown>", String::as_str),
        ),
        ("method", &event.verb),
        ("user", user.map_or("<none>", |user| &user.username)),
        ("groups", groups.as_deref().unwrap_or("<none>")),
        ("as", impersonated.map_or("<self>", |user| &user.username)),
        ("asgroups", as_groups.as_deref().unwrap_or("<lookup>")),
        ("user-agent", &event.user_agent),
        (
            "namespace",
            namespace
                .filter(|name| !name.is_empty())
                .unwrap_or("<none>"),
        ),
        ("uri", &event.request_uri),
    ];
    let mut line = time(event.request_received) + " AUDIT:";
    for (name, value) in values {
        let _ = write!(line, " {name}={}", literal(value));
    }
    let status = event.response_status.as_ref();
    let response = status.map_or("<deferred>".to_owned(), |status| status.code.to_string());
    let _ = writeln!(line, " response=\"{response}\"");
    line
}

fn listed(user: &UserInfo) -> String {
    let groups: Vec<String> = user.groups.iter().map(|group| literal(group)).collect();
    groups.join(",")
}

/// RFC 3339 with as many digits of the second as there are.
fn time(time: Option<Timestamp>) -> String {
    let Some(time) = time else {
        return "0001-01-01T00:00:00Z".to_owned();
    };
    let text = time.to_string();
    let text = text.trim_end_matches('Z').trim_end_matches('0');
    text.trim_end_matches('.').to_owned() + "Z"
}
