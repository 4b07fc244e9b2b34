//! The webhook as a durable backend.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::delivers::{Delivers, DeliveryError, Pace};
use crate::buffered::BufferOptions;
use crate::encode::{list_item, list_of};
use crate::event::AuditEvent;
use crate::sink::SinkError;
use crate::webhook::WebhookSink;

const PLUGIN: &str = "webhook";
/// What kube-apiserver takes for the most that truncation hands on at once.
const BATCH_BYTES: usize = 10 << 20;
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A webhook that gets each event at least once, in order, one batch after another.
///
/// What counts as taken is as in the other modes, but for redirects: the page that one leads to is no receipt, and what it leads to may
/// have got no events. The waits between tries grow as theirs do, up to a minute, and the receiver may ask for as much with
/// `Retry-After`. They never end: one that answers 400 for ever is asked for ever, as one that is away. Only 413
/// changes anything: the next try has half as many events.
pub struct WebhookDelivery {
    webhook: WebhookSink,
    pace: Pace,
}

impl WebhookDelivery {
    /// Delivers by this webhook, in batches of the size and after the wait that these options give; the others are not looked at.
    pub fn new(webhook: WebhookSink, options: BufferOptions) -> Self {
        let pace = Pace {
            events: options.max_batch_size.max(1),
            bytes: BATCH_BYTES,
            gather: options.max_batch_wait,
            settle: Duration::ZERO,
        };
        Self { webhook, pace }
    }
}

#[async_trait]
impl Delivers for WebhookDelivery {
    fn plugin(&self) -> &'static str {
        PLUGIN
    }

    fn encode(&self, event: &AuditEvent) -> Result<Bytes, SinkError> {
        match list_item(event) {
            Ok(item) => Ok(item.into()),
            Err(fault) => Err(SinkError::new(PLUGIN, fault.to_string())),
        }
    }

    fn pace(&self) -> Pace {
        self.pace
    }

    fn pause(&self, failures: u32) -> Duration {
        let longest = LONGEST_PAUSE.max(self.webhook.backoff(1));
        self.webhook.backoff(failures.clamp(1, 20)).min(longest)
    }

    async fn begin(&self, _mark: &[u8]) -> Result<Vec<u8>, DeliveryError> {
        Ok(Vec::new())
    }

    async fn deliver(&self, events: &[Bytes]) -> Result<usize, DeliveryError> {
        let list = list_of(events.iter().map(Bytes::as_ref));
        match self.webhook.post_once(list.into()).await {
            Ok(()) => Ok(events.len()),
            Err(failure) => Err(DeliveryError {
                message: failure.text,
                is_too_large: failure.is_too_large,
                pause: failure.retry_after.map(|wait| wait.min(LONGEST_PAUSE)),
            }),
        }
    }

    async fn settle(&self) -> Result<Vec<u8>, DeliveryError> {
        Ok(Vec::new())
    }

    async fn close(&self) {}
}
