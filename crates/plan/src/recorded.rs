//! Recorded events as requests, and as another policy would have recorded them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use kubevigil_audit::event::EventView;
use kubevigil_audit::policy::{Attributes, Decision, PolicyLevel, PolicyStage, User};
use kubevigil_audit::request_info::RequestInfo;
use serde_json::value::RawValue;

/// What a policy looks at, taken from an event.
///
/// `objectRef.name` of a creation is filled in by the server after its policy has decided, so it does not count; a namespace of an
/// event about a Namespace is its own name, as for the server.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    user: Option<(Box<str>, Vec<Box<str>>)>,
    info: RequestInfo,
    /// The stage that the event tells of; `None` for one that is not known.
    pub stage: Option<PolicyStage>,
    /// The level at which it was recorded; `None` for one that is not known.
    pub level: Option<PolicyLevel>,
    /// Bytes of the request's body.
    pub request_bytes: usize,
    /// Bytes of the response's body.
    pub response_bytes: usize,
}

impl Recorded {
    /// Reads an event.
    pub fn of(view: &EventView<'_>) -> Self {
        let user = view.user().and_then(|user| {
            let groups = user.groups().map(|group| group.as_ref().into()).collect();
            user.name().map(|name| (name.as_ref().into(), groups))
        });
        Self {
            user,
            info: info(view),
            stage: view
                .stage()
                .and_then(|stage| PolicyStage::parse(stage.as_str())),
            level: view
                .level()
                .and_then(|level| PolicyLevel::parse(level.as_str())),
            request_bytes: view.request_object().map_or(0, |body| body.raw().len()),
            response_bytes: view.response_object().map_or(0, |body| body.raw().len()),
        }
    }

    /// What a policy looks at.
    pub fn attributes(&self) -> Attributes<'_> {
        let user = self
            .user
            .as_ref()
            .map(|(name, groups)| User { name, groups });
        Attributes {
            user,
            ..Attributes::of(&self.info, None)
        }
    }

    /// How much of the event is left under a decision, of which `None` is nothing; bodies that were not recorded cannot come back.
    pub fn left(&self, decision: &Decision) -> Option<PolicyLevel> {
        let omitted = self
            .stage
            .is_some_and(|stage| decision.omit_stages.contains(stage));
        (decision.level > PolicyLevel::None && !omitted).then_some(decision.level)
    }

    /// Bytes that the event loses when it is recorded at this level.
    pub fn bytes_above(&self, level: PolicyLevel) -> usize {
        let request = if level < PolicyLevel::Request {
            self.request_bytes
        } else {
            0
        };
        let response = if level < PolicyLevel::RequestResponse {
            self.response_bytes
        } else {
            0
        };
        request + response
    }
}

fn info(view: &EventView<'_>) -> RequestInfo {
    let owned = |text: Option<Cow<'_, str>>| text.unwrap_or_default().into_owned();
    let uri = owned(view.request_uri());
    let path = uri.split('?').next().unwrap_or_default().to_owned();
    let verb = owned(view.verb());
    let Some(object) = view.object_ref() else {
        return RequestInfo {
            verb,
            path,
            ..RequestInfo::default()
        };
    };
    RequestInfo {
        is_resource_request: true,
        name: if verb == "create" && object.subresource.is_none() {
            String::new()
        } else {
            owned(object.name)
        },
        verb,
        path,
        api_group: owned(object.api_group),
        api_version: owned(object.api_version),
        namespace: owned(object.namespace),
        resource: owned(object.resource),
        subresource: owned(object.subresource),
        ..RequestInfo::default()
    }
}

/// The event without the bodies that this level does not carry. Of equal keys the last stays.
pub fn at_level<'e>(raw: &'e [u8], level: PolicyLevel, recorded: &Recorded) -> Cow<'e, [u8]> {
    if recorded.bytes_above(level) == 0 {
        return Cow::Borrowed(raw);
    }
    let Ok(mut members) = serde_json::from_slice::<BTreeMap<String, &RawValue>>(raw) else {
        return Cow::Borrowed(raw);
    };
    if level < PolicyLevel::Request {
        members.remove("requestObject");
    }
    if level < PolicyLevel::RequestResponse {
        members.remove("responseObject");
    }
    serde_json::to_vec(&members).map_or(Cow::Borrowed(raw), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_go_and_the_rest_stays_as_it_was() {
        let raw = br#"{"level":"RequestResponse","verb":"create","requestObject":{"a":1.50},"responseObject":{"b":2}}"#;
        let recorded = Recorded::of(&EventView::read(raw).unwrap());
        let left = at_level(raw, PolicyLevel::Request, &recorded);
        assert_eq!(
            &*left,
            br#"{"level":"RequestResponse","requestObject":{"a":1.50},"verb":"create"}"#
        );
        assert_eq!(recorded.bytes_above(PolicyLevel::Metadata), 17);
    }
}
