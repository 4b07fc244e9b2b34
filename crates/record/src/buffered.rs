//! Mode `batch`: a queue between requests and a backend (spec 9.3).
//!
//! Requests never wait and never learn what becomes of their events: what does not fit into the queue is dropped and counted. One
//! task collects batches, until there are enough events or the time is up, waits for the throttle and hands over. Batches
//! for a webhook go out side by side without a bound, as the server's do; those for a log one after another.
//!
//! One thing is different and cannot be observed but in CPU time: the server's timer fires for ever when the longest wait is 0.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout_at};

use crate::event::AuditEvent;
use crate::sink::{ErrorCounters, Events, Sink, SinkError};

/// The flags `--audit-*-batch-*`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BufferOptions {
    /// How many events the queue holds.
    pub buffer_size: usize,
    /// The most events of a batch.
    pub max_batch_size: usize,
    /// The longest time that a batch waits for more events; looked at only if batches may have more than one.
    pub max_batch_wait: Duration,
    /// How fast batches are handed over; `None` for as fast as it goes.
    pub throttle: Option<ThrottleOptions>,
    /// Whether a batch may be handed over while others still are.
    pub side_by_side: bool,
}

/// A bucket of tokens; every batch takes one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ThrottleOptions {
    /// Tokens a second.
    pub qps: f64,
    /// Tokens that the bucket holds, and starts with.
    pub burst: u32,
}

impl BufferOptions {
    /// The server's defaults for a log.
    pub const LOG: Self = Self {
        buffer_size: 10_000,
        max_batch_size: 1,
        max_batch_wait: Duration::ZERO,
        throttle: None,
        side_by_side: false,
    };
    /// The server's defaults for a webhook.
    pub const WEBHOOK: Self = Self {
        buffer_size: 10_000,
        max_batch_size: 400,
        max_batch_wait: Duration::from_secs(30),
        throttle: Some(ThrottleOptions {
            qps: 10.0,
            burst: 15,
        }),
        side_by_side: true,
    };
}

/// The sink `buffered<...>`.
pub struct Buffered {
    inner: Arc<dyn Sink>,
    queue: Mutex<Option<Sender<Arc<AuditEvent>>>>,
    collector: Mutex<Option<JoinHandle<()>>>,
    counters: Arc<ErrorCounters>,
}

impl Buffered {
    /// Starts the task that collects; to be called within a runtime.
    pub fn start(
        inner: Arc<dyn Sink>,
        options: BufferOptions,
        counters: Arc<ErrorCounters>,
    ) -> Self {
        let (queue, events) = channel(options.buffer_size.max(1));
        let collector = Collector {
            inner: Arc::clone(&inner),
            options,
            events,
            tokens: options.throttle.map(Tokens::full),
            in_flight: JoinSet::new(),
        };
        Self {
            inner,
            queue: Mutex::new(Some(queue)),
            collector: Mutex::new(Some(tokio::spawn(collector.run()))),
            counters,
        }
    }

    /// How many of the events were not taken.
    fn push(&self, events: Events<'_>) -> usize {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(queue) = queue.as_ref() else {
            return events.len();
        };
        let taken = events
            .iter()
            .take_while(|event| queue.try_send(Arc::clone(event)).is_ok())
            .count();
        events.len() - taken
    }
}

#[async_trait]
impl Sink for Buffered {
    fn name(&self) -> String {
        format!("buffered<{}>", self.inner.name())
    }

    async fn emit(&self, events: Events<'_>) -> Result<(), SinkError> {
        let lost = self.push(events);
        if lost > 0 {
            self.counters.add("buffered", lost);
            tracing::warn!(lost, "the queue for audit events is full or closed");
        }
        Ok(())
    }

    async fn shutdown(&self) {
        drop(
            self.queue
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let collector = self
            .collector
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(collector) = collector {
            let _ = collector.await;
            self.inner.shutdown().await;
        }
    }
}

struct Collector {
    inner: Arc<dyn Sink>,
    options: BufferOptions,
    events: Receiver<Arc<AuditEvent>>,
    tokens: Option<Tokens>,
    in_flight: JoinSet<()>,
}

impl Collector {
    /// Hands over batches until the queue is closed and empty.
    async fn run(mut self) {
        while let Some(batch) = self.collect().await {
            if let Some(tokens) = &mut self.tokens {
                tokens.take().await;
            }
            let inner = Arc::clone(&self.inner);
            // Whoever loses events counts and logs them.
            let hand_over = async move {
                let _ = inner.emit(&batch).await;
            };
            if self.options.side_by_side {
                self.in_flight.spawn(hand_over);
                while self.in_flight.try_join_next().is_some() {}
            } else {
                hand_over.await;
            }
        }
        while self.in_flight.join_next().await.is_some() {}
    }

    /// The next batch, never empty; `None` at the end.
    async fn collect(&mut self) -> Option<Vec<Arc<AuditEvent>>> {
        let start = Instant::now();
        let mut batch = vec![self.events.recv().await?];
        let end = next_tick(start, Instant::now(), self.options.max_batch_wait);
        while batch.len() < self.options.max_batch_size {
            match timeout_at(end, self.events.recv()).await {
                Ok(Some(event)) => batch.push(event),
                Ok(None) | Err(_) => break,
            }
        }
        Some(batch)
    }
}

/// When the time of a batch is up: the server's timer goes on and on from `start`, and skips batches without events.
fn next_tick(start: Instant, now: Instant, wait: Duration) -> Instant {
    let since = now.saturating_duration_since(start).as_nanos();
    let behind = since.checked_rem(wait.as_nanos()).unwrap_or_default();
    let behind = Duration::from_nanos(u64::try_from(behind).unwrap_or_default());
    now + wait.saturating_sub(behind)
}

/// The bucket: it fills evenly and never beyond its size.
struct Tokens {
    options: ThrottleOptions,
    left: f64,
    filled: Instant,
}

impl Tokens {
    fn full(options: ThrottleOptions) -> Self {
        Self {
            options,
            left: f64::from(options.burst),
            filled: Instant::now(),
        }
    }

    /// Takes a token, and waits for it if there is none.
    async fn take(&mut self) {
        self.fill();
        if self.left < 1.0 {
            let seconds = (1.0 - self.left) / self.options.qps;
            sleep(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)).await;
            self.fill();
        }
        self.left -= 1.0;
    }

    fn fill(&mut self) {
        let now = Instant::now();
        let seconds = now.saturating_duration_since(self.filled).as_secs_f64();
        self.left = (self.left + seconds * self.options.qps).min(f64::from(self.options.burst));
        self.filled = now;
    }
}
