//! From a body to durable events: what is good goes to the intake, what is not goes to the dead letters.
//!
//! The dead letter comes first: should the intake refuse, the API server sends the same batch again and the letter, known by
//! its content, is not written twice.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use kubevigil_audit::payload::{self, PayloadError, Split};
use kubevigil_connections::Throttle;
use tokio_util::task::TaskTracker;
use tracing::{error, warn};

use super::answer::Refusal;
use super::body::{Received, Reservation};
use super::counters::WebhookCounters;
use super::dead_letters::{DeadLetters, Kept, Letter};
use crate::{Arrival, Batch, Intake, Origin, Refused};

/// Larger bodies are split on a thread of their own, because it takes longer than others should wait.
const LARGE: usize = 1 << 20;

/// What an event costs at least until it is durable, however short: its places in the batch, the queue and the index of
/// keys. A body of `{},{},…` would take a hundred times the memory that its bytes do.
const EVENT_COST: u64 = 512;

/// What takes bodies to where they belong.
pub(super) struct Delivery {
    pub(super) intake: Arc<dyn Intake>,
    pub(super) dead_letters: Option<Arc<DeadLetters>>,
    pub(super) counters: Arc<WebhookCounters>,
    pub(super) timeout: Duration,
    /// The memory of all bodies together: what the events of one may take at most.
    pub(super) memory: u64,
    /// For letters that are not kept: without it, whoever sends rubbish could fill the log, too.
    pub(super) throttle: Throttle,
    /// Deliveries go on when the sender hangs up, so that what is half written becomes whole.
    pub(super) tasks: TaskTracker,
}

impl Delivery {
    /// Returns `Ok` only when every event of the body is durable.
    pub(super) async fn deliver(&self, received: Received) -> Result<(), Refusal> {
        let Received {
            bytes,
            mut reservation,
        } = received;
        let Split {
            events,
            problems,
            further_problems,
        } = match split(&bytes, self.most_events()).await? {
            Ok(split) => split,
            Err(PayloadError::TooMany { limit }) => {
                return Err(self.refuse(bytes, Refusal::TooMany(limit)).await);
            }
            Err(error) => return Err(self.refuse(bytes, payload_refusal(&error)).await),
        };
        reservation.grow(events.len() as u64 * EVENT_COST)?;
        let Some(problem) = problems.first() else {
            return self.hand_over(events, reservation).await;
        };
        if events.is_empty() {
            return Err(self.refuse(bytes, payload_refusal(problem)).await);
        }
        let count = problems.len() + further_problems;
        self.counters.source.problems.add(count as u64);
        let reason = format!("{count} elements of a list, the first: {problem}");
        // What goes wrong is reported there; it must not hold up the good events.
        let _ = self
            .bury(Letter::Rest, without(&bytes, &events), &reason)
            .await;
        self.hand_over(events, reservation).await
    }

    /// As many as fit into the memory when there is nothing else in it.
    fn most_events(&self) -> usize {
        usize::try_from(self.memory / EVENT_COST).unwrap_or(usize::MAX)
    }

    async fn refuse(&self, body: Bytes, refusal: Refusal) -> Refusal {
        self.counters.source.problems.add(1);
        self.bury_body(body, &refusal)
            .await
            .err()
            .unwrap_or(refusal)
    }

    /// Keeps a body that can never be accepted. When the disk fails, the sender is asked to come again.
    pub(super) async fn bury_body(&self, body: Bytes, refusal: &Refusal) -> Result<(), Refusal> {
        let reason = refusal.to_string();
        let kept = self.bury(Letter::Body, body, &reason).await;
        kept.map_err(|()| Refusal::Storage("the dead-letter folder fails".to_owned()))
    }

    async fn bury(&self, letter: Letter, content: Bytes, reason: &str) -> Result<(), ()> {
        let (bytes, digest) = (content.len(), blake3::hash(&content).to_hex());
        let digest = digest.as_str();
        let Some(dead_letters) = self.dead_letters.clone() else {
            self.counters.dead_letters_lost.add(1);
            if let Some(held_back) = self.throttle.pass() {
                warn!(
                    ?letter,
                    bytes,
                    digest,
                    ?reason,
                    held_back,
                    "refused for good and, without a dead-letter folder, not kept"
                );
            }
            return Ok(());
        };
        let keeping = tokio::task::spawn_blocking(move || dead_letters.keep(letter, &content));
        match keeping.await {
            Ok(Ok(Kept::New(path))) => {
                self.counters.dead_letters.add(1);
                warn!(?letter, bytes, digest, ?reason, file = %path.display(), "refused for good and kept as a dead letter");
            }
            Ok(Ok(Kept::Before)) => {}
            Ok(Ok(Kept::Full)) => {
                self.counters.dead_letters_lost.add(1);
                if let Some(held_back) = self.throttle.pass() {
                    error!(
                        ?letter,
                        bytes,
                        digest,
                        ?reason,
                        held_back,
                        "refused for good and not kept: the dead-letter folder is full; empty it"
                    );
                }
            }
            Ok(Err(problem)) => {
                self.counters.dead_letters_lost.add(1);
                if let Some(held_back) = self.throttle.pass() {
                    error!(?letter, bytes, digest, ?reason, %problem, held_back, "a dead letter cannot be kept");
                }
                return Err(());
            }
            Err(_) => return Err(()),
        }
        Ok(())
    }

    async fn hand_over(&self, events: Vec<Bytes>, reservation: Reservation) -> Result<(), Refusal> {
        if events.is_empty() {
            return Ok(());
        }
        let count = events.len() as u64;
        let bytes = events.iter().map(|event| event.len() as u64).sum();
        let events = events
            .into_iter()
            .map(|raw| Arrival { raw, line: 0 })
            .collect();
        let batch = Batch {
            origin: Origin::Webhook,
            received: now(),
            events,
        };
        let intake = Arc::clone(&self.intake);
        let writing = self.tasks.spawn(async move {
            let result = intake.accept(batch).await;
            drop(reservation);
            result
        });
        let result = match tokio::time::timeout(self.timeout, writing).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Refused::Storage("the writer failed".to_owned())),
            Err(_) => Err(Refused::Storage("the disk takes too long".to_owned())),
        };
        result.map_err(|refused| self.refused(&refused))?;
        self.counters.source.batches.add(1);
        self.counters.source.events.add(count);
        self.counters.source.bytes.add(bytes);
        Ok(())
    }

    fn refused(&self, refused: &Refused) -> Refusal {
        self.counters.source.refused.add(1);
        match refused {
            Refused::Busy => Refusal::Busy,
            Refused::Stopping => Refusal::Stopping,
            Refused::Storage(reason) => Refusal::Storage(reason.clone()),
        }
    }
}

/// The reason may quote the body; control characters would reach the terminal of whoever reads the answer.
fn payload_refusal(reason: &impl ToString) -> Refusal {
    Refusal::Payload(reason.to_string().replace(char::is_control, "\u{fffd}"))
}

async fn split(body: &Bytes, limit: usize) -> Result<Result<Split, PayloadError>, Refusal> {
    if body.len() < LARGE {
        return Ok(payload::split_at_most(body, limit));
    }
    let body = body.clone();
    let splitting = tokio::task::spawn_blocking(move || payload::split_at_most(&body, limit));
    splitting.await.map_err(|_| Refusal::Stopping)
}

/// What remains of a body when its events are cut out: everything that was not taken, byte for byte.
fn without(body: &Bytes, events: &[Bytes]) -> Bytes {
    let start_of = |part: &Bytes| (part.as_ptr() as usize).wrapping_sub(body.as_ptr() as usize);
    let mut rest = Vec::new();
    let mut at = 0;
    for event in events {
        let start = start_of(event);
        rest.extend_from_slice(body.get(at..start).unwrap_or_default());
        at = start.saturating_add(event.len());
    }
    rest.extend_from_slice(body.get(at..).unwrap_or_default());
    rest.into()
}

fn now() -> i128 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i128::try_from(since.as_nanos()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_taken_remains_byte_for_byte() {
        let body = Bytes::from_static(br#"{"items":[{"a":1}, 3 ,{"b":2},"x"]}"#);
        let events = [body.slice(10..17), body.slice(22..29)];
        assert_eq!(&events[1][..], br#"{"b":2}"#);
        assert_eq!(without(&body, &events), br#"{"items":[, 3 ,,"x"]}"#[..]);
        assert_eq!(without(&body, &[]), body);
    }
}
