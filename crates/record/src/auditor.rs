//! What becomes of one request: the audit filter of the API server as a state machine (spec 6).
//!
//! [`Audit`] is told what happens, in order, and hands out the events that are due. It knows no clock and does no I/O: times are
//! arguments. Events come out at the moment at which the server would emit them, with one exception: a server knows the
//! error object before it writes it, a gateway only after it has read it. So when a long-running request is refused, its
//! `ResponseStarted` is held back until the error's body is there; its timestamp is that of the header.
//!
//! What only the server knows is left out rather than guessed. Whether it got as far as decoding a request's body is concluded
//! from the answer: see `outcome`.

mod bodies;
mod impersonation;
mod outcome;
mod subject;

use bytes::Bytes;
use kubevigil_audit::event::{Level, Stage};
use kubevigil_audit::policy::{Attributes, Decision, Policy, PolicyLevel, PolicyStage};
use kubevigil_audit::time::Timestamp;

use crate::auditor::impersonation::is_denied;
use crate::auditor::outcome::Answer;
use crate::event::{AuditEvent, ResponseStatus, UserInfo};
use crate::latency::{Latencies, Part};
use crate::request::RequestHead;

pub(crate) use crate::auditor::subject::Subject;

/// The longest request body that the server reads; it answers 413 to longer ones before it records anything.
pub const REQUEST_BODY_LIMIT: usize = 3 * 1024 * 1024;
/// The annotation of requests whose client has gone before the answer; its value is `unknown`.
pub const OUTCOME: &str = "kubevigil.io/outcome";

/// One request on its way, from level Metadata up.
#[derive(Debug)]
pub struct Audit {
    decision: Decision,
    event: AuditEvent,
    long_running: bool,
    /// Nobody was recognised, so that one event is due and no other.
    refused: bool,
    refusal: String,
    started: Option<Started>,
    request_body: Option<Bytes>,
    /// There is a body that could not be read.
    is_request_unread: bool,
    answer: Option<Answer>,
    /// The client accepts a format of API objects.
    is_negotiated: bool,
    latencies: Latencies,
    impersonating: Option<(UserInfo, Option<String>)>,
}

#[derive(Clone, Copy, Debug)]
struct Started {
    time: Timestamp,
    /// The stage `ResponseStarted` is dealt with.
    is_told: bool,
}

impl Audit {
    /// Puts a request that came in at `received` to the policy. `None` when it leaves no event.
    ///
    /// A head without a user is one whose credentials were refused: it leaves one `ResponseStarted` (spec 6.4).
    pub fn begin(policy: &Policy, head: RequestHead, received: Timestamp) -> Option<Self> {
        let groups: Option<Vec<Box<str>>> = head.user.as_ref().map(|user| {
            user.groups
                .iter()
                .map(|group| group.as_str().into())
                .collect()
        });
        let user = head.user.as_ref().zip(groups.as_deref());
        let user = user.map(|(user, groups)| (user.username.as_str(), groups));
        let decision = policy.decide(&Attributes::of(&head.info, user));
        let event = AuditEvent {
            level: event_level(decision.level)?,
            object_ref: head.object_ref(),
            audit_id: head.audit_id,
            request_uri: head.request_uri,
            source_ips: head.source_ips,
            user_agent: head.user_agent,
            request_received: Some(received),
            ..AuditEvent::default()
        };
        Some(Self {
            decision,
            long_running: head.info.is_long_running(),
            refused: head.user.is_none(),
            refusal: String::new(),
            event: AuditEvent {
                verb: head.info.verb,
                user: head.user.unwrap_or_default(),
                ..event
            },
            started: None,
            request_body: None,
            is_request_unread: false,
            answer: None,
            is_negotiated: false,
            latencies: Latencies::default(),
            impersonating: None,
        })
    }

    /// The level that the policy chose.
    pub fn level(&self) -> PolicyLevel {
        self.decision.level
    }

    /// What is known of the request.
    pub(crate) fn event(&self) -> &AuditEvent {
        &self.event
    }

    /// The event of the request's arrival. If a sink refuses it, the request must be answered with 500.
    pub fn received(&self) -> Option<AuditEvent> {
        let time = self.event.request_received?;
        (!self.refused)
            .then(|| self.at(Stage::RequestReceived, time))
            .flatten()
    }

    /// The request is carried out as somebody else, and that was allowed.
    pub fn impersonated(&mut self, user: UserInfo, constraint: Option<String>) {
        self.event.impersonated_user = Some(user);
        self.event.impersonation_constraint = constraint;
    }

    /// The client wants to be somebody else, and what comes after this decides: entered unless the answer shows that it was denied.
    pub fn impersonating(&mut self, user: UserInfo, constraint: Option<String>) {
        self.impersonating = Some((user, constraint));
    }

    /// Something else that is known. The first value of a key stays.
    pub fn annotate(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.event
            .annotations
            .entry(key.into())
            .or_insert(value.into());
    }

    /// What is known of refused credentials ([`crate::request::refusal`]); an error object in the answer replaces it.
    pub fn refused(&mut self, message: impl Into<String>) {
        self.refusal = message.into();
    }

    /// How long a part of the work took.
    pub fn took(&mut self, part: Part, time: std::time::Duration) {
        self.latencies.add(part, time);
    }

    /// The status line and header of the answer are there; 101 for an upgraded connection. Only the first call counts.
    pub fn response_started(&mut self, code: u16, now: Timestamp) -> Option<AuditEvent> {
        if self.started.is_some() {
            return None;
        }
        self.event.response_status = Some(ResponseStatus {
            message: std::mem::take(&mut self.refusal),
            code,
            ..ResponseStatus::default()
        });
        if code < 400 {
            self.tell_impersonation();
        }
        let is_told = code < 400 && !self.refused;
        self.started = Some(Started { time: now, is_told });
        (is_told && self.long_running)
            .then(|| self.at(Stage::ResponseStarted, now))
            .flatten()
    }

    /// The client has gone. Hands out what is due; if there was no answer yet, an event that does not say how it ended, because
    /// nobody who looks on from outside can know.
    pub fn abandoned(mut self, now: Timestamp) -> Vec<AuditEvent> {
        if self.started.is_some() {
            return self.complete(now);
        }
        self.tell_request();
        let message = match std::mem::take(&mut self.refusal) {
            unknown if unknown.is_empty() => "the client has gone before the answer".to_owned(),
            refusal => refusal,
        };
        self.event.response_status = Some(ResponseStatus {
            message,
            ..ResponseStatus::default()
        });
        self.tell_impersonation();
        self.annotate(OUTCOME, "unknown");
        let stage = if self.refused {
            Stage::ResponseStarted
        } else {
            Stage::ResponseComplete
        };
        self.into_last(stage, now).into_iter().collect()
    }

    /// The answer is sent, or the service is done without one. Hands out what is due, in order.
    pub fn complete(mut self, now: Timestamp) -> Vec<AuditEvent> {
        self.tell_answer();
        if self.event.response_status.is_none() {
            self.event.response_status = Some(ResponseStatus {
                status: "Success".to_owned(),
                message: "Connection closed early".to_owned(),
                code: 200,
                ..ResponseStatus::default()
            });
            self.started = Some(Started {
                time: now,
                is_told: false,
            });
            self.tell_impersonation();
        }
        let mut events = Vec::new();
        events.extend(self.held_back());
        if !self.refused {
            self.tell_request();
            let received = self.event.request_received.unwrap_or_default();
            let latencies = std::mem::take(&mut self.latencies);
            for (key, value) in latencies.annotations(received, now) {
                self.annotate(key, value);
            }
            events.extend(self.into_last(Stage::ResponseComplete, now));
        }
        events
    }

    /// Handling the request broke down: an upstream that resets while it answers is a panic of the server's proxy, too.
    pub fn panicked(mut self, message: &str, now: Timestamp) -> Vec<AuditEvent> {
        if self.refused {
            return self.complete(now);
        }
        self.tell_impersonation();
        let mut events = Vec::new();
        events.extend(self.held_back());
        self.tell_request();
        self.event.response_status = Some(ResponseStatus {
            status: "Failure".to_owned(),
            message: format!("APIServer panic'd: {message}"),
            reason: "InternalError".to_owned(),
            code: 500,
            ..ResponseStatus::default()
        });
        self.tell_impersonation();
        events.extend(self.into_last(Stage::Panic, now));
        events
    }

    /// `ResponseStarted`, if it is due and was not told.
    fn held_back(&mut self) -> Option<AuditEvent> {
        let started = self.started.as_mut()?;
        let is_due = !started.is_told && (self.long_running || self.refused);
        started.is_told = true;
        let time = started.time;
        is_due
            .then(|| self.at(Stage::ResponseStarted, time))
            .flatten()
    }

    /// Enters whom the request was carried out as, unless the answer denies it. Without an answer nothing is entered yet.
    fn tell_impersonation(&mut self) {
        let status = self.event.response_status.as_ref();
        let Some(status) = status.filter(|_| self.impersonating.is_some()) else {
            return;
        };
        let is_denied = is_denied(status, &self.event);
        let pending = self.impersonating.take();
        if let Some((user, constraint)) = pending.filter(|_| !is_denied) {
            self.impersonated(user, constraint);
        }
    }

    /// Enters the answer's object: a `Status` says how it ended at every level.
    fn tell_answer(&mut self) {
        self.tell_status();
        self.tell_impersonation();
    }

    fn tell_status(&mut self) {
        let Some(answer) = self.answer.take() else {
            return;
        };
        let code = self.code();
        if !self.is_negotiated && answer.is_unnegotiated(code) {
            return;
        }
        if let Some(status) = &answer.status {
            self.event.response_status = Some(ResponseStatus {
                code,
                ..status.clone()
            });
        }
        if self.event.level == Level::RequestResponse {
            self.event.response_object = Some(answer.object);
        }
    }

    fn code(&self) -> u16 {
        let status = self.event.response_status.as_ref();
        status.map_or(0, |status| status.code)
    }

    /// The event of a stage, unless the policy omits it.
    fn at(&self, stage: Stage, time: Timestamp) -> Option<AuditEvent> {
        (!self.omits(&stage)).then(|| AuditEvent {
            stage,
            stage_time: Some(time),
            ..self.event.clone()
        })
    }

    /// The same for the last one, for which nothing has to be copied.
    fn into_last(self, stage: Stage, time: Timestamp) -> Option<AuditEvent> {
        (!self.omits(&stage)).then(|| AuditEvent {
            stage,
            stage_time: Some(time),
            ..self.event
        })
    }

    fn omits(&self, stage: &Stage) -> bool {
        PolicyStage::parse(stage.as_str())
            .is_some_and(|stage| self.decision.omit_stages.contains(stage))
    }
}

/// The level as events have it; `None` when nothing is recorded.
fn event_level(level: PolicyLevel) -> Option<Level> {
    match level {
        PolicyLevel::None => None,
        PolicyLevel::Metadata => Some(Level::Metadata),
        PolicyLevel::Request => Some(Level::Request),
        PolicyLevel::RequestResponse => Some(Level::RequestResponse),
    }
}
