//! What of the bodies of a request and its answer is wanted, taken, and told.

use bytes::Bytes;
use kubevigil_audit::event::Level;

use super::impersonation::is_proxied;
use super::outcome::{Answer, decodes_body};
use super::subject::Subject;
use super::{Audit, REQUEST_BODY_LIMIT};
use crate::body;
use crate::truncate::mark;

/// The longest error that is looked at for its reason below level RequestResponse.
const ERROR_LIMIT: usize = 1024 * 1024;
/// The same for successes that may be a `Status` (an eviction, a delete).
const SUCCESS_LIMIT: usize = 16 * 1024;

impl Audit {
    /// How much of the request's body is needed, in bytes; 0 when it is not. A longer body is of no use at all.
    ///
    /// At level Metadata, too, the body of a create or update completes the object's name.
    pub fn request_body_limit(&self) -> usize {
        let names = matches!(self.event.verb.as_str(), "create" | "update");
        let bodies = self.event.may_have_bodies()
            && matches!(
                self.event.verb.as_str(),
                "patch" | "delete" | "deletecollection"
            );
        let wanted = self.event.object_ref.is_some() && !self.long_running && (names || bodies);
        if wanted { REQUEST_BODY_LIMIT } else { 0 }
    }

    /// The whole body of the request as JSON, without its transfer and content encodings. Anything else is left out.
    pub fn request_body(&mut self, body: &[u8]) {
        if self.request_body_limit() > 0 && !body.is_empty() {
            let omit = self.decision.omit_managed_fields && self.event.verb != "patch";
            self.request_body = body::compact(body, omit).ok().map(Bytes::from);
        }
    }

    /// What the request's body is about; nothing for patches, whose text is recorded.
    pub(crate) fn subject(&self) -> Option<Subject<'_>> {
        Subject::of(&self.event)
    }

    /// The request has a body that cannot be read here. If the server could, the event is marked as one that does not hold all it
    /// should (`audit.k8s.io/truncated`).
    pub fn request_body_unread(&mut self) {
        self.is_request_unread = self.request_body_limit() > 0;
    }

    /// How much of the answer's body is needed, in bytes; 0 when it is not. A longer body is of no use at all.
    pub fn response_body_limit(&self) -> usize {
        let Some(status) = &self.event.response_status else {
            return 0;
        };
        let reads = matches!(self.event.verb.as_str(), "get" | "list" | "head");
        match status.code {
            101..=399 if self.long_running => 0,
            _ if self.event.level == Level::RequestResponse => usize::MAX,
            400.. => ERROR_LIMIT,
            _ if reads => 0,
            _ => SUCCESS_LIMIT,
        }
    }

    /// The whole body of the answer as JSON, without its transfer and content encodings. Anything but an API object is left out.
    ///
    /// What a pod behind `proxy` answers is no word of the server's, and the server records its code only. The refusals of the server
    /// itself look like a pod that says the same, so they are recorded.
    pub fn response_body(&mut self, body: &[u8]) {
        if self.response_body_limit() >= body.len() {
            let answer = Answer::read(body, self.decision.omit_managed_fields);
            self.answer = answer.filter(|answer| answer.is_failure() || !is_proxied(&self.event));
        }
    }

    /// The answer came in another format than JSON, so the client accepts one in which the server writes its objects.
    pub fn negotiated(&mut self) {
        self.is_negotiated = true;
    }

    /// Enters the request's object, if the server got as far as decoding it.
    pub(super) fn tell_request(&mut self) {
        let status = self.event.response_status.as_ref();
        if status.is_some_and(|status| !decodes_body(status, &self.event.verb)) {
            return;
        }
        if self.is_request_unread && self.event.may_have_bodies() {
            mark(&mut self.event);
        }
        let Some(body) = self.request_body.take() else {
            return;
        };
        if let (Some(object), "create" | "update") =
            (&mut self.event.object_ref, self.event.verb.as_str())
        {
            body::complete_reference(object, &body);
        }
        if self.event.may_have_bodies() {
            self.event.request_object = Some(body);
        }
    }
}
