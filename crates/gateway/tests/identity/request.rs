//! Requests, and what becomes of them.

use std::sync::Arc;
use std::time::SystemTime;

use http::Request;
use http::request::Parts;
use kubevigil_gateway::Peer;
use kubevigil_gateway::identity::{Authenticator, Identity, IdentityConfig, Refusal, Reviewer};
use kubevigil_record::encode::json_line;
use kubevigil_record::event::{AuditEvent, UserInfo};

/// Header lines.
pub(crate) type Lines<'l> = &'l [(&'l str, &'l str)];

/// A request with headers.
pub(crate) fn request(target: &str, headers: Lines<'_>) -> Parts {
    let mut request = Request::get(target);
    for (name, value) in headers {
        request = request.header(
            *name,
            http::HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    request.body(()).unwrap().into_parts().0
}

/// An authenticator that has nobody to ask.
pub(crate) fn authenticator(config: &IdentityConfig) -> Authenticator {
    Authenticator::new(config, None).unwrap()
}

pub(crate) fn asking(config: &IdentityConfig, upstream: &Arc<dyn Reviewer>) -> Authenticator {
    Authenticator::new(config, Some(upstream)).unwrap()
}

/// Judges a request now.
pub(crate) async fn judge(
    authenticator: &Authenticator,
    headers: Lines<'_>,
    peer: &Peer,
) -> Result<Identity, Refusal> {
    let parts = request("/api/v1/pods", headers);
    authenticator
        .authenticate(&parts, Some(peer), SystemTime::now())
        .await
}

/// `name|uid|groups|extra` of whoever was recognised, or the status of the refusal.
pub(crate) fn said(judgement: &Result<Identity, Refusal>) -> String {
    match judgement {
        Ok(Identity { user, .. }) => {
            let extra: Vec<String> = user
                .extra
                .iter()
                .map(|(key, values)| format!("{key}={}", values.join(",")))
                .collect();
            format!(
                "{}|{}|{}|{}",
                user.username,
                user.uid,
                user.groups.join(","),
                extra.join(";")
            )
        }
        Err(refusal) => refusal.status.to_string(),
    }
}

/// A user as events write it.
pub(crate) fn written(user: UserInfo) -> String {
    let event = AuditEvent {
        user,
        ..AuditEvent::default()
    };
    let line = String::from_utf8(json_line(&event).unwrap()).unwrap();
    let event: Event<'_> = serde_json::from_str(&line).unwrap();
    event.user.get().to_owned()
}

/// An event as far as it says who asked.
#[derive(serde::Deserialize)]
pub(crate) struct Event<'e> {
    #[serde(rename = "auditID")]
    pub(crate) id: String,
    #[serde(borrow)]
    pub(crate) user: &'e serde_json::value::RawValue,
}
