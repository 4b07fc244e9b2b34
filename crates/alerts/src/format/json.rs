//! kubevigil's own JSON: everything an alert holds, in one object.
//!
//! Keys of the alert are written once and stay: consumers build on them. Keys are only ever added.

use serde::Serialize;

use super::Fields;
use super::harmless::to_harmless_json;
use crate::alert::Alert;
use crate::event::{EventReference, Request};
use crate::evidence::EvidenceEvent;

/// The alert as one JSON object.
pub(super) fn line(alert: &Alert, hostname: Option<&str>) -> String {
    to_harmless_json(&Shape {
        id: alert.id.to_string(),
        rule: &alert.rule,
        rule_id: alert.rule_id.as_deref(),
        priority: alert.priority.as_str(),
        time: alert.time.to_string(),
        outcome: alert.outcome.as_str(),
        output: &alert.output,
        output_fields: Fields(
            alert
                .output_fields
                .iter()
                .map(|(name, value)| (name.as_str(), value))
                .collect(),
        ),
        tags: &alert.tags,
        source: &alert.source,
        hostname,
        event: EventShape::of(&alert.event),
        request: RequestShape::of(&alert.request),
        evidence: alert.evidence.iter().map(EvidenceShape::of).collect(),
        evidence_total: Some(alert.evidence_total).filter(|total| *total > 0),
    })
}

#[derive(Serialize)]
struct Shape<'a> {
    id: String,
    rule: &'a str,
    #[serde(rename = "ruleId", skip_serializing_if = "Option::is_none")]
    rule_id: Option<&'a str>,
    priority: &'a str,
    time: String,
    outcome: &'a str,
    output: &'a str,
    output_fields: Fields<'a>,
    tags: &'a [String],
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Option<&'a str>,
    event: EventShape<'a>,
    request: RequestShape<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    evidence: Vec<EvidenceShape<'a>>,
    #[serde(rename = "evidenceTotal", skip_serializing_if = "Option::is_none")]
    evidence_total: Option<u64>,
}

#[derive(Serialize)]
struct EvidenceShape<'a> {
    rule: &'a str,
    #[serde(rename = "ruleId", skip_serializing_if = "Option::is_none")]
    rule_id: Option<&'a str>,
    time: String,
    outcome: &'a str,
    event: EventShape<'a>,
    request: RequestShape<'a>,
}

#[derive(Serialize)]
struct EventShape<'a> {
    #[serde(rename = "auditID")]
    audit_id: &'a str,
    stage: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<u64>,
    digest: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestShape<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    impersonated_user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verb: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subresource: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<i64>,
}

impl<'a> EvidenceShape<'a> {
    fn of(evidence: &'a EvidenceEvent) -> Self {
        Self {
            rule: &evidence.rule,
            rule_id: evidence.rule_id.as_deref(),
            time: evidence.time.to_string(),
            outcome: evidence.outcome.as_str(),
            event: EventShape::of(&evidence.event),
            request: RequestShape::of(&evidence.request),
        }
    }
}

impl<'a> EventShape<'a> {
    fn of(event: &'a EventReference) -> Self {
        Self {
            audit_id: &event.audit_id,
            stage: &event.stage,
            file: event.file.as_deref(),
            line: event.line,
            place: event.place,
            digest: event.digest.to_string(),
        }
    }
}

impl<'a> RequestShape<'a> {
    fn of(request: &'a Request) -> Self {
        Self {
            user: request.user.as_deref(),
            impersonated_user: request.impersonated_user.as_deref(),
            verb: request.verb.as_deref(),
            resource: request.resource.as_deref(),
            subresource: request.subresource.as_deref(),
            namespace: request.namespace.as_deref(),
            name: request.name.as_deref(),
            uri: request.uri.as_deref(),
            address: request.address.as_deref(),
            user_agent: request.user_agent.as_deref(),
            code: request.code,
        }
    }
}
