//! What the body of a request is about, as far as its path says it.

use std::borrow::Cow;

use kubevigil_media::Expected;

use crate::event::AuditEvent;

/// The object that a request creates, updates or deletes.
#[derive(Debug)]
pub(crate) struct Subject<'e> {
    api_version: Cow<'e, str>,
    resource: &'e str,
    subresource: &'e str,
}

impl<'e> Subject<'e> {
    /// Of a patch, or a request that is about no resource, nothing is known.
    pub(super) fn of(event: &'e AuditEvent) -> Option<Self> {
        let object = event.object_ref.as_ref()?;
        let resource = match event.verb.as_str() {
            "create" | "update" => object.resource.as_str(),
            "delete" | "deletecollection" => "deleteoptions",
            _ => return None,
        };
        let version = object.api_version.as_str();
        let api_version = match object.api_group.as_str() {
            "" => Cow::Borrowed(version),
            group => Cow::Owned(format!("{group}/{version}")),
        };
        Some(Self {
            api_version,
            resource,
            subresource: &object.subresource,
        })
    }

    /// The kind of object that is expected.
    pub(crate) fn expected(&self) -> Expected<'_> {
        Expected {
            api_version: &self.api_version,
            resource: self.resource,
            subresource: self.subresource,
        }
    }
}
