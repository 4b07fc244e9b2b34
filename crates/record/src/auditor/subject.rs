//! What the body of a request is about, as far as its path says it.

use kubevigil_media::Expected;

use crate::event::AuditEvent;

/// The object that a request creates, updates or deletes.
#[derive(Debug)]
pub(crate) struct Subject {
    api_version: String,
    resource: String,
    subresource: String,
}

impl Subject {
    /// Of a patch, or a request that is about no resource, nothing is known.
    pub(super) fn of(event: &AuditEvent) -> Option<Self> {
        let object = event.object_ref.as_ref()?;
        let resource = match event.verb.as_str() {
            "create" | "update" => object.resource.as_str(),
            "delete" | "deletecollection" => "deleteoptions",
            _ => return None,
        };
        let version = object.api_version.as_str();
        let api_version = match object.api_group.as_str() {
            "" => version.to_owned(),
            group => format!("{group}/{version}"),
        };
        Some(Self {
            api_version,
            resource: resource.to_owned(),
            subresource: object.subresource.clone(),
        })
    }

    /// The kind of object that is expected.
    pub(crate) fn expected(&self) -> Expected<'_> {
        Expected {
            api_version: &self.api_version,
            resource: &self.resource,
            subresource: &self.subresource,
        }
    }
}
