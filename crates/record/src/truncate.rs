//! Events cut down to a size (spec 10).
//!
//! Too large an event loses its bodies and says so in an annotation; if it is still too large it is dropped and counted, and nobody
//! else learns of it. That is the server's rule; before a sink that must keep everything it is cut down further instead
//! ([`crate::shorten`]), since clients choose how large their events are. The annotation goes to a copy here, so that a second
//! backend that does not truncate writes what there was.

use std::sync::Arc;

use async_trait::async_trait;

use crate::encode::json_line;
use crate::event::AuditEvent;
use crate::shorten::{to_fit, without_bodies};
use crate::sink::{ErrorCounters, Events, Sink, SinkError};

/// The annotation of an event without its bodies.
pub const TRUNCATED: &str = "audit.k8s.io/truncated";

const UNWRITABLE: &str = "the event cannot be written as JSON";

/// Says in an event that it does not hold all that it should.
pub(crate) fn mark(event: &mut AuditEvent) {
    let mark = (TRUNCATED.to_owned(), "true".to_owned());
    event.annotations.extend([mark]);
}

/// Whether an event says so.
pub(crate) fn is_marked(event: &AuditEvent) -> bool {
    event.annotations.contains_key(TRUNCATED)
}

/// The flags `--audit-*-truncate-*`; sizes in bytes of JSON with the line feed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TruncateOptions {
    /// The longest event.
    pub max_event_size: usize,
    /// The most that is handed on in one call.
    pub max_batch_size: usize,
}

impl Default for TruncateOptions {
    fn default() -> Self {
        Self {
            max_event_size: 100 * 1024,
            max_batch_size: 10 * 1024 * 1024,
        }
    }
}

/// A sink that gets events of a limited size.
pub struct Truncate<S> {
    inner: S,
    options: TruncateOptions,
    counters: Arc<ErrorCounters>,
}

impl<S: Sink> Truncate<S> {
    /// Wraps a sink.
    pub fn new(inner: S, options: TruncateOptions, counters: Arc<ErrorCounters>) -> Self {
        Self {
            inner,
            options,
            counters,
        }
    }

    /// The event as it may be handed on, and its size; `None` when it may not, or cannot be written at all.
    fn fit(&self, event: &Arc<AuditEvent>) -> Option<(Arc<AuditEvent>, usize)> {
        let limit = self.options.max_event_size;
        if self.must_keep() {
            return to_fit(event, limit);
        }
        let size = size_of(event)?;
        if size <= limit || !event.may_have_bodies() {
            return (size <= limit).then(|| (Arc::clone(event), size));
        }
        let event = without_bodies(event);
        let size = size_of(&event)?;
        (size <= limit).then(|| (Arc::new(event), size))
    }
}

#[async_trait]
impl<S: Sink> Sink for Truncate<S> {
    fn name(&self) -> String {
        format!("truncate<{}>", self.inner.name())
    }

    async fn emit(&self, events: Events<'_>) -> Result<(), SinkError> {
        let mut result = Ok(());
        let mut batch = Vec::with_capacity(events.len());
        let mut batch_size = 0_usize;
        for event in events {
            let Some((event, size)) = self.fit(event) else {
                self.counters.add("truncate", 1);
                tracing::error!(
                    audit_id = event.audit_id,
                    "an audit event is too large and was lost"
                );
                if self.must_keep() {
                    result = Err(SinkError::new("truncate", UNWRITABLE));
                }
                continue;
            };
            if !batch.is_empty() && batch_size + size > self.options.max_batch_size {
                result = result.and(self.inner.emit(&batch).await);
                batch.clear();
                batch_size = 0;
            }
            batch_size += size;
            batch.push(event);
        }
        if !batch.is_empty() {
            result = result.and(self.inner.emit(&batch).await);
        }
        result
    }

    fn must_keep(&self) -> bool {
        self.inner.must_keep()
    }

    async fn shutdown(&self) {
        self.inner.shutdown().await;
    }
}

fn size_of(event: &AuditEvent) -> Option<usize> {
    json_line(event).ok().map(|line| line.len())
}
