//! The webhook backend: batches of events as an `EventList`, POSTed until they are taken or given up (spec 11).
//!
//! Everything but 101 and 200 to 206 is a failure and tried again, five times in all, with waits that grow by half. `Retry-After` on
//! 429 and 5xx is obeyed within a try. Then the batch is dropped, counted, and every event of it goes to this process's
//! log. Delivery is at least once and in no order; whoever must not lose anything uses another mode.
//!
//! An event whose body is not one JSON value costs the server the whole batch; here it costs that event.

mod answer;
mod client;

use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kubevigil_kubeconfig::{Access, AccessError, InCluster};

use crate::encode::{event_list, legacy_line};
use crate::sink::{ErrorCounters, Events, Sink, SinkError};
use crate::webhook::answer::Answer;
use crate::webhook::client::Receiver;

pub(crate) use crate::webhook::answer::NotTaken;

/// Tries in all.
const TRIES: u32 = 5;
/// Requests within a try that the receiver asked for with `Retry-After`, besides the first.
const ASKED_FOR: u32 = 10;
/// `--audit-webhook-initial-backoff`
pub const INITIAL_BACKOFF: Duration = Duration::from_secs(10);

/// Something that waits: time itself, or a test that has none to lose.
#[async_trait]
pub trait Waits: Send + Sync {
    /// Waits so long.
    async fn wait(&self, time: Duration);
}

/// Waits by the clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByTheClock;

#[async_trait]
impl Waits for ByTheClock {
    async fn wait(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// The sink `webhook`. Each call is one POST.
pub struct WebhookSink {
    receiver: Receiver,
    initial_backoff: Duration,
    waits: Box<dyn Waits>,
    chance: RandomState,
    counters: Arc<ErrorCounters>,
}

impl WebhookSink {
    /// A sink that posts to whom a kubeconfig names (`--audit-webhook-config-file`), with its credentials, or with those of this pod, if the
    /// kubeconfig leads nowhere. Tokens and client certificates are renewed, authorities are those of the start.
    ///
    /// # Errors
    ///
    /// When the kubeconfig, or a file that it names, is missing or wrong: the API server would not start.
    pub fn from_kubeconfig(
        path: &Path,
        initial_backoff: Duration,
        counters: Arc<ErrorCounters>,
    ) -> Result<Self, AccessError> {
        let access = Access::load_or_in_cluster(path, &InCluster::from_environment())?;
        Self::from_access(&access, initial_backoff, counters)
    }

    /// A sink that posts to a server and its path.
    ///
    /// # Errors
    ///
    /// When no HTTP client can be made of it.
    pub fn from_access(
        access: &Access,
        initial_backoff: Duration,
        counters: Arc<ErrorCounters>,
    ) -> Result<Self, AccessError> {
        Ok(Self {
            receiver: Receiver::of(access)?,
            initial_backoff,
            waits: Box::new(ByTheClock),
            chance: RandomState::new(),
            counters,
        })
    }

    /// The same with another way to wait.
    #[must_use]
    pub fn waiting(self, waits: impl Waits + 'static) -> Self {
        Self {
            waits: Box::new(waits),
            ..self
        }
    }

    /// Tries until the list is taken; what the last try said if it never was.
    async fn deliver(&self, list: bytes::Bytes) -> Result<(), String> {
        let mut failure = String::new();
        for number in 0..TRIES {
            if number > 0 {
                self.waits.wait(self.backoff(number)).await;
            }
            match self.try_once(&list).await {
                Ok(()) => return Ok(()),
                Err(error) => failure = error.text,
            }
            tracing::debug!(failure, number, "the audit webhook did not take a batch");
        }
        Err(failure)
    }

    /// One request, for whoever tries for ever: a receiver that asks to wait is not waited for here, and one that redirects has not taken
    /// anything, since what it redirects to may get a GET without the list.
    pub(crate) async fn post_once(&self, list: bytes::Bytes) -> Result<(), NotTaken> {
        let response = self.receiver.post(list).await.map_err(NotTaken::new)?;
        if !self.receiver.is_at(response.url()) {
            let to = response.url();
            let text = format!("the receiver redirects to {to}; name that address instead");
            return Err(NotTaken::new(text));
        }
        let answer = Answer::of(response.status().as_u16(), response.headers());
        answer.result.map_err(|failure| NotTaken {
            retry_after: answer.retry_after,
            ..failure
        })
    }

    /// One try: a request, and those that the receiver asks for.
    async fn try_once(&self, list: &bytes::Bytes) -> Result<(), NotTaken> {
        let mut asked = 0;
        loop {
            let answer = self.post(list.clone()).await?;
            match answer.retry_after {
                Some(wait) if asked < ASKED_FOR => self.waits.wait(wait).await,
                _ => return answer.result,
            }
            asked += 1;
        }
    }

    async fn post(&self, list: bytes::Bytes) -> Result<Answer, NotTaken> {
        let response = self.receiver.post(list).await.map_err(NotTaken::new)?;
        Ok(Answer::of(response.status().as_u16(), response.headers()))
    }

    /// The wait before a try: half as long again every time, and up to a fifth longer by chance.
    pub(crate) fn backoff(&self, number: u32) -> Duration {
        let exponent = i32::try_from(number).unwrap_or(1) - 1;
        let hash = self.chance.hash_one((number, std::time::Instant::now()));
        let chance = f64::from(u32::try_from(hash >> 32).unwrap_or_default()) / f64::from(u32::MAX);
        self.initial_backoff
            .mul_f64(1.5_f64.powi(exponent) * (1.0 + 0.2 * chance))
    }

    fn lost(&self, events: usize) {
        self.counters.add("webhook", events);
    }
}

#[async_trait]
impl Sink for WebhookSink {
    fn name(&self) -> String {
        "webhook".to_owned()
    }

    async fn emit(&self, events: Events<'_>) -> Result<(), SinkError> {
        let (list, unwritable) = event_list(events);
        if unwritable > 0 {
            self.lost(unwritable);
            tracing::error!(
                unwritable,
                "audit events with bodies that are no JSON were lost"
            );
        }
        if unwritable == events.len() && !events.is_empty() {
            return Err(SinkError::new(
                "webhook",
                "no event of the batch can be written as JSON",
            ));
        }
        let delivered = self.deliver(list.into()).await;
        if let Err(failure) = &delivered {
            self.lost(events.len() - unwritable);
            for event in events {
                tracing::error!(
                    failure,
                    event = legacy_line(event),
                    "an audit event was lost"
                );
            }
        }
        let failure = delivered.err().or_else(|| {
            (unwritable > 0).then(|| format!("{unwritable} events cannot be written as JSON"))
        });
        failure.map_or(Ok(()), |failure| Err(SinkError::new("webhook", failure)))
    }
}
