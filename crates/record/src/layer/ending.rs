//! The end of a request: its last events, made of what is known by then.
//!
//! Bodies are read and written anew at this point and not earlier, when all of it is done at once or not at all. A large one
//! is worked on where it may block: a few milliseconds of JSON would hold up every connection of the same thread.
//!
//! The bodies of events go on taking room of the budget until the last sink has let go of them. Giving it back with the answer
//! would be simpler, but a backend that stands still would then collect bodies without an end.

use std::sync::Arc;

use bytes::Bytes;
use kubevigil_audit::policy::PolicyLevel;
use kubevigil_audit::time::Timestamp;
use kubevigil_media::Format;
use tokio::task::{JoinError, spawn_blocking};
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::auditing::{Auditing, Share};
use crate::auditor::{Audit, Subject};
use crate::event::AuditEvent;
use crate::layer::body_copy::{BodyCopy, Decoded, LeftOut};
use crate::sink::SinkError;
use crate::truncate::{is_marked, mark};

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
        let concluded = if self.is_large() {
            let _turn = auditing.large_body().await;
            let inside = Arc::clone(auditing);
            let concluded = spawn_blocking(move || self.conclude(&inside)).await;
            concluded.map_err(|error| lost(auditing, &error))?
        } else {
            self.conclude(auditing)
        };
        concluded.hand_over(auditing).await
    }

    fn is_large(&self) -> bool {
        let copies = [&self.request, &self.answer].into_iter().flatten();
        let weights = copies.map(BodyCopy::weight);
        weights.fold(0, usize::saturating_add) >= LARGE
    }

    fn conclude(mut self, auditing: &Auditing) -> Concluded {
        let mut room = auditing.share(&self.audit);
        let are_read = self.read_bodies(&mut room, auditing);
        let mut events = match self.panic {
            Some(message) => self.audit.panicked(&message, self.at),
            None => self.audit.abandoned(self.at),
        };
        if !are_read || events.iter().any(is_marked) {
            auditing.counters().count_dropped_body();
        }
        if !are_read || self.is_cut {
            events.iter_mut().for_each(mark_as_cut);
        }
        if room.bytes() > 0 {
            hold_room(&mut events, room);
        }
        Concluded {
            events,
            _token: self.token,
        }
    }

    /// Gives the bodies to the audit, and takes room for what the events will hold of them. False if one of them is left out.
    fn read_bodies(&mut self, room: &mut Share, auditing: &Auditing) -> bool {
        let mut fits = |body: &Decoded| {
            let length = written_at_most(body.copy.as_slice());
            length <= auditing.limits().recorded_body && room.grow(length)
        };
        let request = self.request.take();
        let request = request.map(|copy| {
            let subject = self.audit.subject();
            copy.decoded(auditing, subject.as_ref().map(Subject::expected))
        });
        let is_request_read = match request {
            Some(Ok(body)) if fits(&body) => {
                self.audit.request_body(body.copy.as_slice());
                true
            }
            Some(Err(LeftOut::Unread)) => {
                self.audit.request_body_unread();
                true
            }
            Some(Ok(_) | Err(LeftOut::ByUs)) => false,
            Some(Err(LeftOut::ByNature)) | None => true,
        };
        let answer = self.answer.take();
        let answer = answer.map(|copy| copy.decoded(auditing, None));
        let is_answer_read = match answer {
            Some(Ok(body)) if fits(&body) => {
                if body.format != Format::Json {
                    self.audit.negotiated();
                }
                self.audit.response_body(body.copy.as_slice());
                true
            }
            Some(Err(LeftOut::Unread)) => self.audit.level() != PolicyLevel::RequestResponse,
            Some(Ok(_) | Err(LeftOut::ByUs)) => false,
            Some(Err(LeftOut::ByNature)) | None => true,
        };
        is_request_read && is_answer_read
    }
}

/// How long a body can be as it stands in an event, where some characters are written as escapes (spec 2.4).
fn written_at_most(body: &[u8]) -> usize {
    let count = |is: fn(&u8) -> bool| body.iter().filter(|byte| is(byte)).count();
    let html = count(|byte| matches!(byte, b'<' | b'>' | b'&'));
    let mut more = 5 * html;
    if !body.is_ascii() {
        // U+2028 and U+2029 take twice as much, and each byte that is no UTF-8 becomes U+FFFD.
        let separators = body.windows(3);
        let separators = separators.filter(|three| matches!(three, [0xe2, 0x80, 0xa8 | 0xa9]));
        let invalid = body.utf8_chunks().map(|chunk| chunk.invalid().len());
        more += 3 * separators.count() + 2 * invalid.sum::<usize>();
    }
    body.len() + more
}

/// Lets the bodies take room for as long as they live: in the queue of a backend, too.
fn hold_room(events: &mut [AuditEvent], mut room: Share) {
    let length = events.iter().map(bodies_of).max().unwrap_or_default();
    // Shorter than foreseen, so it cannot fail.
    let _ = room.resize(length);
    let room = Arc::new(room);
    for event in events {
        let bodies = [&mut event.request_object, &mut event.response_object];
        for body in bodies.into_iter().flatten() {
            *body = Bytes::from_owner(Held {
                body: std::mem::take(body),
                _room: Arc::clone(&room),
            });
        }
    }
}

/// A body and the room that it takes.
struct Held {
    body: Bytes,
    _room: Arc<Share>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

/// The last events of a request.
struct Concluded {
    events: Vec<AuditEvent>,
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
    bodies.into_iter().flatten().map(Bytes::len).sum()
}

/// With the word that the server has for events that were cut down (spec 7).
fn mark_as_cut(event: &mut AuditEvent) {
    if event.may_have_bodies() {
        mark(event);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::body::compact;

    proptest! {
        #[test]
        fn no_body_gets_longer_than_foreseen(text in "[<>&a-c \u{2028}\u{2029}\u{20ac}\u{fffd}]{0,40}", cut in 0_usize..8) {
            let mut body = format!("[\"{text}\"]").into_bytes();
            // Cuts a character open.
            if cut > 1 && cut + 2 < body.len() {
                body.remove(cut);
            }
            if let Ok(written) = compact(&body, false) {
                prop_assert!(written.len() <= written_at_most(&body));
            }
        }
    }
}
