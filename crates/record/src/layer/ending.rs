//! The end of a request: its last events, made of what is known by then.
//!
//! Bodies are read and written anew at this point and not earlier, when all of it is done at once or not at all. A large one
//! is worked on where it may block: a few milliseconds of JSON would hold up every connection of the same thread.

use std::sync::Arc;

use kubevigil_audit::time::Timestamp;
use tokio::task::{JoinError, spawn_blocking};
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::auditing::{Auditing, Share};
use crate::auditor::Audit;
use crate::event::AuditEvent;
use crate::layer::body_copy::{BodyCopy, LeftOut};
use crate::sink::SinkError;
use crate::truncate::TRUNCATED;

/// From so many bytes on work on bodies is moved away.
const LARGE: usize = 128 * 1024;

/// What a request has come to.
pub(super) struct Ending {
    pub(super) audit: Box<Audit>,
    pub(super) request: Option<BodyCopy>,
    pub(super) answer: Option<BodyCopy>,
    /// A body was left out that the policy wants.
    pub(super) is_cut: bool,
    /// Why it broke down, if it did.
    pub(super) panic: Option<String>,
    pub(super) at: Timestamp,
    /// Somebody may be waiting for these events to be kept.
    pub(super) token: TaskTrackerToken,
}

impl Ending {
    /// Makes the events and hands them over.
    pub(super) async fn tell(self, auditing: &Arc<Auditing>) -> Result<(), SinkError> {
        let concluded = if self.size() < LARGE {
            self.conclude(auditing)
        } else {
            let inside = Arc::clone(auditing);
            let concluded = spawn_blocking(move || self.conclude(&inside)).await;
            concluded.map_err(|error| lost(auditing, &error))?
        };
        concluded.hand_over(auditing).await
    }

    fn size(&self) -> usize {
        let copies = [&self.request, &self.answer];
        copies.into_iter().flatten().map(BodyCopy::len).sum()
    }

    fn conclude(mut self, auditing: &Auditing) -> Concluded {
        let mut room = auditing.share();
        let are_read = self.read_bodies(&mut room, auditing);
        let mut events = match self.panic {
            Some(message) => self.audit.panicked(&message, self.at),
            None => self.audit.abandoned(self.at),
        };
        let written = events.iter().map(bodies_of).max().unwrap_or_default();
        let has_room = room.resize(written);
        if !has_room {
            events.iter_mut().for_each(without_bodies);
        }
        let is_cut = !are_read || !has_room;
        if is_cut {
            auditing.counters().count_dropped_body();
        }
        if is_cut || self.is_cut {
            events.iter_mut().for_each(mark_as_cut);
        }
        Concluded {
            events,
            _room: room,
            _token: self.token,
        }
    }

    /// Gives the bodies to the audit. False if one of them is left out.
    fn read_bodies(&mut self, room: &mut Share, auditing: &Auditing) -> bool {
        let request = self.request.take();
        let answer = self.answer.take().map(|copy| copy.decoded(auditing));
        let is_lost = matches!(answer, Some(Err(LeftOut::ByUs)));
        let answer = answer.and_then(Result::ok);
        let size = |copy: &Option<BodyCopy>| copy.as_ref().map_or(0, BodyCopy::len);
        // The events will hold them once more, written anew.
        if !room.resize(size(&request) + size(&answer)) {
            return false;
        }
        if let Some(body) = request {
            self.audit.request_body(body.as_slice());
        }
        if let Some(body) = answer {
            self.audit.response_body(body.as_slice());
        }
        !is_lost
    }
}

/// The last events of a request, and the memory that they hold.
struct Concluded {
    events: Vec<AuditEvent>,
    _room: Share,
    _token: TaskTrackerToken,
}

impl Concluded {
    /// One by one, as the server does it; none is skipped because another one is lost.
    async fn hand_over(self, auditing: &Auditing) -> Result<(), SinkError> {
        let mut result = Ok(());
        for event in self.events {
            let kept = auditing.emit(event).await;
            result = result.and(kept);
        }
        result
    }
}

fn bodies_of(event: &AuditEvent) -> usize {
    let bodies = [&event.request_object, &event.response_object];
    bodies.into_iter().flatten().map(bytes::Bytes::len).sum()
}

fn without_bodies(event: &mut AuditEvent) {
    event.request_object = None;
    event.response_object = None;
}

/// With the word that the server has for events that were cut down (spec 7).
fn mark_as_cut(event: &mut AuditEvent) {
    if event.may_have_bodies() {
        let mark = (TRUNCATED.to_owned(), "true".to_owned());
        event.annotations.extend([mark]);
    }
}

fn lost(auditing: &Auditing, error: &JoinError) -> SinkError {
    auditing.counters().count_abandoned();
    tracing::error!(%error, "a request's last audit events could not be made");
    SinkError::new(
        "layer",
        format!("the last events of a request were not made: {error}"),
    )
}
