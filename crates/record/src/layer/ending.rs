//! The end of a request: its last events, made of what is known by then.
//!
//! Bodies are read and written anew at this point and not earlier, when all of it is done at once or not at all. A large one
//! is worked on where it may block: a few milliseconds of JSON would hold up every connection of the same thread.

use std::sync::Arc;

use kubevigil_audit::time::Timestamp;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::auditing::{Auditing, Share};
use crate::auditor::Audit;
use crate::event::AuditEvent;
use crate::layer::body_copy::BodyCopy;
use crate::layer::emission::Emission;
use crate::sink::SinkError;

/// From so many bytes on work on bodies is moved away.
const LARGE: usize = 128 * 1024;

/// What a request has come to.
pub(super) struct Ending {
    pub(super) audit: Audit,
    pub(super) request: Option<BodyCopy>,
    pub(super) answer: Option<BodyCopy>,
    /// Why it broke down, if it did.
    pub(super) panic: Option<String>,
    pub(super) at: Timestamp,
    /// Somebody may be waiting for these events to be kept.
    pub(super) token: TaskTrackerToken,
}

impl Ending {
    /// Makes the events and hands them over.
    pub(super) fn tell(self, auditing: &Arc<Auditing>) -> Emission {
        let shared = Arc::clone(auditing);
        Emission::new(auditing, async move {
            let is_large = self.size() >= LARGE;
            let inside = Arc::clone(&shared);
            let conclude = move || self.conclude(&inside);
            let concluded = if is_large {
                let concluded = tokio::task::spawn_blocking(conclude).await;
                concluded.map_err(|error| lost(&shared, &error))?
            } else {
                conclude()
            };
            concluded.hand_over(&shared).await
        })
    }

    fn size(&self) -> usize {
        let copies = [&self.request, &self.answer];
        copies.into_iter().flatten().map(BodyCopy::len).sum()
    }

    fn conclude(mut self, auditing: &Auditing) -> Concluded {
        let mut room = auditing.share();
        let request = self.request.take();
        let had_answer = self.answer.is_some();
        let answer = self.answer.take().and_then(|copy| copy.decoded(auditing));
        let size = |copy: &Option<BodyCopy>| copy.as_ref().map_or(0, BodyCopy::len);
        let is_lost = had_answer && answer.is_none();
        // The events hold the bodies once more, written anew.
        let fits = room.resize(size(&request) + size(&answer));
        if fits {
            if let Some(body) = &request {
                self.audit.request_body(body.as_slice());
            }
            if let Some(body) = &answer {
                self.audit.response_body(body.as_slice());
            }
        }
        drop((request, answer));
        let mut events = match self.panic {
            Some(message) => self.audit.panicked(&message, self.at),
            None => self.audit.complete(self.at),
        };
        let held = events.iter().map(bodies_of).max().unwrap_or_default();
        let still_fits = room.resize(held);
        if !still_fits {
            events.iter_mut().for_each(without_bodies);
        }
        if is_lost || !fits || !still_fits {
            auditing.counters().count_dropped_body();
        }
        Concluded {
            events,
            _room: room,
            _token: self.token,
        }
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

fn lost(auditing: &Auditing, error: &tokio::task::JoinError) -> SinkError {
    auditing.counters().count_abandoned();
    tracing::error!(%error, "a request's last audit events could not be made");
    SinkError::new(
        "layer",
        format!("the last events of a request were not made: {error}"),
    )
}
