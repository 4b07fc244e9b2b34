//! The events that a correlation's alert rests on.
//!
//! The alert itself is about the event that completed the correlation; the others are listed here, oldest first, with as much as a
//! person needs to look further: which event, who did what, what became of it. How many there are is bounded by whoever keeps
//! them between events, and here once more, so that the largest alert still fits into a record of the outbox: beyond
//! [`MAX_EVENTS`] those in the middle go, since the first and the last say most.

use std::time::Duration;

use kubevigil_audit::event::Outcome;
use kubevigil_audit::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alert::{nanoseconds, outcome_word};
use crate::event::{EventReference, EventSummary, Request};
use crate::receipt;

/// An alert lists no more events than this.
pub const MAX_EVENTS: usize = 256;

/// One event that a correlation counted.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct EvidenceEvent {
    /// The name of the rule that matched it.
    pub rule: String,
    /// That rule's identifier, if its language has one.
    #[serde(default)]
    pub rule_id: Option<String>,
    /// When it happened.
    #[serde(with = "nanoseconds")]
    pub time: Timestamp,
    /// What became of the request.
    #[serde(with = "outcome_word")]
    pub outcome: Outcome,
    /// Which event it was.
    pub event: EventReference,
    /// Who did what.
    pub request: Request,
}

impl EvidenceEvent {
    /// An event from its receipt. A receipt that cannot be read, as another program may have left it, still says that there was
    /// an event and when.
    pub fn new(rule: &kubevigil_rules::Rule, time: Timestamp, receipt: &[u8]) -> Self {
        let summary = receipt::decode(receipt).unwrap_or_else(|_| EventSummary {
            event: EventReference::default(),
            request: Request::default(),
            outcome: Outcome::Started,
        });
        Self {
            rule: rule.name.to_string(),
            rule_id: rule.id.as_deref().map(str::to_owned),
            time,
            outcome: summary.outcome,
            event: summary.event,
            request: summary.request,
        }
    }
}

/// The events without those in the middle that are too many.
pub(crate) fn bounded(mut events: Vec<EvidenceEvent>) -> Vec<EvidenceEvent> {
    if events.len() > MAX_EVENTS {
        let excess = events.len() - MAX_EVENTS;
        events.drain(MAX_EVENTS / 2..MAX_EVENTS / 2 + excess);
    }
    events
}

/// `5 events in 32 s`: how many events there were, and how far the first and the last of those listed are apart. Empty without events.
pub fn in_words(events: &[EvidenceEvent], total: u64) -> String {
    let (Some(first), Some(last)) = (events.first(), events.last()) else {
        return String::new();
    };
    let ending = if total == 1 { "" } else { "s" };
    let apart = last.time.nanoseconds - first.time.nanoseconds;
    match u64::try_from(apart) {
        Ok(apart) if total > 1 => {
            let apart = span_in_words(Duration::from_nanos(apart));
            format!("{total} event{ending} in {apart}")
        }
        _ => format!("{total} event{ending}"),
    }
}

/// `350 ms`, `32 s`, `5 min 3 s`, `3 h 20 min`, `2 d 4 h`: the two largest units.
pub fn span_in_words(span: Duration) -> String {
    let seconds = span.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let two = |large: u64, unit: &str, small: u64, smaller: &str| match small {
        0 => format!("{large} {unit}"),
        small => format!("{large} {unit} {small} {smaller}"),
    };
    match (days, hours, minutes, seconds) {
        (0, 0, 0, 0) => format!("{} ms", span.subsec_millis()),
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, seconds) => two(minutes, "min", seconds % 60, "s"),
        (0, hours, minutes, _) => two(hours, "h", minutes % 60, "min"),
        (days, hours, ..) => two(days, "d", hours % 24, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(second: i128) -> EvidenceEvent {
        EvidenceEvent {
            rule: "r".to_owned(),
            rule_id: None,
            time: Timestamp {
                nanoseconds: second * 1_000_000_000,
            },
            outcome: Outcome::Allowed,
            event: EventReference::default(),
            request: Request::default(),
        }
    }

    #[test]
    fn time_spans_are_said_in_two_units() {
        for (seconds, expected) in [
            (0, "2 events in 0 ms"),
            (32, "2 events in 32 s"),
            (60, "2 events in 1 min"),
            (303, "2 events in 5 min 3 s"),
            (12_000, "2 events in 3 h 20 min"),
            (187_200, "2 events in 2 d 4 h"),
            (-5, "2 events"),
        ] {
            assert_eq!(in_words(&[event(0), event(seconds)], 2), expected);
        }
        assert_eq!(in_words(&[event(0)], 1), "1 event");
        assert_eq!(in_words(&[], 0), "");
    }

    #[test]
    fn of_too_many_events_the_first_and_the_last_are_kept() {
        let all: Vec<_> = (0..1_000).map(event).collect();
        let kept = bounded(all.clone());
        assert_eq!(kept.len(), MAX_EVENTS);
        assert_eq!(kept.first(), all.first());
        assert_eq!(kept.last(), all.last());
        assert_eq!(bounded(all[..3].to_vec()), all[..3]);
    }
}
