//! Brings alerts from the outbox to one output.
//!
//! Each output has a courier of its own: a task with its own reader of the outbox. So a slow or broken output delays
//! nobody. A courier reads, leaves out what is below the minimum priority, hands over, and commits, in that order: whatever
//! happens in between, an alert is handed over again rather than lost.
//!
//! A failure is followed by a wait ([`Backoff`]) and another try, for as long as it lasts. Only an alert that the other side
//! refuses for good goes, after some tries, to the dead-letter file, so that those behind it get their turn.

use std::sync::Arc;
use std::time::Duration;

use kubevigil_rules::Priority;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::alert::Alert;
use crate::backoff::Backoff;
use crate::dead_letters::DeadLetters;
use crate::format::{Format, Renderer};
use crate::identity::AlertId;
use crate::metrics::OutputMetrics;
use crate::outbox::{AlertReader, LogError, Place, Record, decode};
use crate::output::{DeliveryError, FailureKind, Output};
use kubevigil_diagnostics::escape;

/// How long a courier waits for alerts before it looks up.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// What couriers are told while they run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Orders {
    /// Counts up each time that outputs must reopen what may have been replaced.
    pub reopen: u64,
    /// Deliver what waits, then end; give up at this moment.
    pub drain_until: Option<Instant>,
}

/// How a courier ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// Nothing waited any more.
    Drained,
    /// The time was up; what waits is delivered after the next start.
    TimedOut,
}

/// Brings alerts from the outbox to one output.
pub struct Courier {
    /// The output's name, which is also its reader's name in the outbox.
    pub name: String,
    /// The least urgent priority that the output gets.
    pub min_priority: Priority,
    /// How often an alert that is refused for good is handed over before it becomes a dead letter.
    pub tries: u32,
    /// The output.
    pub output: Box<dyn Output>,
    /// Where the alerts come from.
    pub alerts: Box<dyn AlertReader>,
    /// Where undeliverable alerts go.
    pub dead_letters: DeadLetters,
    /// What is counted.
    pub metrics: Arc<OutputMetrics>,
}

/// The memory of a running courier; nothing of it matters after a crash.
struct Round {
    courier: Courier,
    orders: watch::Receiver<Orders>,
    reopened: u64,
    backoff: Backoff,
    /// The alert that was refused last, and how often.
    refused: Option<(AlertId, u32)>,
}

/// Why a round stopped before its batch was done with.
enum Obstacle {
    /// A wait may mend it.
    Wait { retry_after: Option<Duration> },
    /// The outbox is closed.
    Closed,
}

/// A record and what it turned out to be.
struct Parcel {
    place: Place,
    content: Content,
}

enum Content {
    Alert(Box<Alert>),
    Filtered,
    Unreadable { text: String, reason: String },
}

impl Courier {
    /// Works until told to drain, and then until nothing waits or the time is up. The future may be dropped at any moment.
    pub async fn run(self, orders: watch::Receiver<Orders>) -> Ended {
        let deadline = out_of_time(orders.clone());
        let reopened = orders.borrow().reopen;
        let round = Round {
            courier: self,
            orders,
            reopened,
            backoff: Backoff::default(),
            refused: None,
        };
        tokio::select! {
            biased;
            () = round.work() => Ended::Drained,
            () = deadline => Ended::TimedOut,
        }
    }
}

impl Round {
    async fn work(mut self) {
        loop {
            let draining = self.obey();
            let patience = if draining { Duration::ZERO } else { LOOK_AGAIN };
            let outcome = self.one_batch(patience).await;
            self.courier
                .metrics
                .waiting(self.courier.alerts.waiting().await);
            match outcome {
                Ok(0) if draining => return,
                Ok(0) => {}
                Ok(_) => self.backoff.reset(),
                Err(Obstacle::Closed) => return,
                Err(Obstacle::Wait { retry_after }) => {
                    let wait = self.backoff.after_failure(retry_after);
                    self.pause(wait).await;
                }
            }
        }
    }

    /// Reads, delivers and commits one batch. Returns how many records are done with.
    async fn one_batch(&mut self, patience: Duration) -> Result<usize, Obstacle> {
        let limit = self.courier.output.batch_size();
        let records = tokio::select! {
            records = self.courier.alerts.read(limit, patience) => records,
            () = changed(&mut self.orders) => return Ok(0),
        };
        let records = records.map_err(|error| self.log_trouble(&error))?;
        let parcels: Vec<Parcel> = records
            .into_iter()
            .map(|record| self.open(record))
            .collect();
        let mut done = 0;
        while let Some(rest) = parcels.get(done..).filter(|rest| !rest.is_empty()) {
            done += match rest {
                [
                    Parcel {
                        content: Content::Unreadable { text, reason },
                        place,
                    },
                    ..,
                ] => {
                    self.bury(text, 0, reason)?;
                    self.commit(*place).await?;
                    1
                }
                _ => self.deliver(readable(rest)).await?,
            };
        }
        Ok(done)
    }

    /// Hands over the alerts at the front of the parcels and commits what arrived. Returns how many parcels are done with.
    async fn deliver(&mut self, parcels: &[Parcel]) -> Result<usize, Obstacle> {
        let alerts: Vec<Alert> = parcels.iter().filter_map(Parcel::alert).cloned().collect();
        let result = if alerts.is_empty() {
            Ok(())
        } else {
            self.courier.output.deliver(&alerts).await
        };
        match result {
            Ok(()) => {
                self.commit_parcels(parcels, alerts.len()).await?;
                Ok(parcels.len())
            }
            Err(error) => self.after_failure(parcels, &alerts, &error).await,
        }
    }

    async fn after_failure(
        &mut self,
        parcels: &[Parcel],
        alerts: &[Alert],
        error: &DeliveryError,
    ) -> Result<usize, Obstacle> {
        self.courier.metrics.failed();
        let mut done = before_alert(parcels, error.delivered);
        let arrived = parcels.get(..done).unwrap_or(parcels);
        self.commit_parcels(arrived, error.delivered).await?;
        let retry_after = match error.kind {
            FailureKind::Temporary { retry_after } => retry_after,
            FailureKind::Permanent => {
                let affected = alerts.get(error.delivered..).unwrap_or_default();
                let affected = affected.get(..error.affected.max(1)).unwrap_or(affected);
                if let Some(tries) = self.is_hopeless(affected) {
                    self.bury_all(affected, tries, &error.reason)?;
                    done = before_alert(parcels, error.delivered + affected.len());
                    let buried = parcels.get(..done).unwrap_or(parcels);
                    self.commit_last(buried).await?;
                    return Ok(done);
                }
                None
            }
        };
        let failures = self.backoff.failures() + 1;
        tracing::warn!(output = %self.courier.name, reason = %error.reason, failures, "cannot deliver alerts, trying again");
        Err(Obstacle::Wait { retry_after })
    }

    /// Counts a refusal. Says after how many tries the alerts are given up, if they are.
    fn is_hopeless(&mut self, alerts: &[Alert]) -> Option<u32> {
        let first = alerts.first()?.id;
        let tries = match self.refused {
            Some((id, tries)) if id == first => tries.saturating_add(1),
            _ => 1,
        };
        self.refused = Some((first, tries));
        (tries >= self.courier.tries).then_some(tries)
    }

    fn bury_all(&mut self, alerts: &[Alert], tries: u32, reason: &str) -> Result<(), Obstacle> {
        let renderer = Renderer::new(Format::Json);
        self.refused = None;
        alerts
            .iter()
            .try_for_each(|alert| self.bury(&renderer.line(alert), tries, reason))
    }

    fn bury(&self, text: &str, tries: u32, reason: &str) -> Result<(), Obstacle> {
        let output = &self.courier.name;
        let dead_letters = &self.courier.dead_letters;
        let path = dead_letters.path().display();
        if let Err(error) = dead_letters.keep(text, tries, reason) {
            tracing::warn!(%output, %path, %error, "cannot write to the dead-letter file, trying again");
            return Err(Obstacle::Wait { retry_after: None });
        }
        tracing::error!(%output, %path, tries, %reason, "an alert cannot be delivered and was put into the dead-letter file");
        self.courier.metrics.dead_letter();
        Ok(())
    }

    async fn commit_parcels(
        &mut self,
        parcels: &[Parcel],
        delivered: usize,
    ) -> Result<(), Obstacle> {
        self.commit_last(parcels).await?;
        let filtered = parcels
            .iter()
            .filter(|parcel| matches!(parcel.content, Content::Filtered))
            .count();
        self.courier.metrics.delivered(delivered);
        self.courier.metrics.filtered(filtered);
        if delivered > 0 {
            self.backoff.reset();
        }
        Ok(())
    }

    async fn commit_last(&mut self, parcels: &[Parcel]) -> Result<(), Obstacle> {
        match parcels.last() {
            Some(last) => self.commit(last.place).await,
            None => Ok(()),
        }
    }

    async fn commit(&mut self, place: Place) -> Result<(), Obstacle> {
        let committed = self.courier.alerts.commit(place).await;
        committed.map_err(|error| self.log_trouble(&error))
    }

    fn log_trouble(&self, error: &LogError) -> Obstacle {
        match error {
            LogError::Closed => Obstacle::Closed,
            LogError::Trouble(_) => {
                tracing::warn!(output = %self.courier.name, %error, "trying again");
                Obstacle::Wait { retry_after: None }
            }
        }
    }

    fn open(&self, record: Record) -> Parcel {
        let content = match decode(&record.payload) {
            Ok(alert) if alert.priority < self.courier.min_priority => Content::Filtered,
            Ok(alert) => Content::Alert(Box::new(alert)),
            Err(error) => Content::Unreadable {
                text: String::from_utf8_lossy(&record.payload).into_owned(),
                reason: escape::terminal(&error.to_string()).into_owned(),
            },
        };
        Parcel {
            place: record.place,
            content,
        }
    }

    /// Does what was ordered. Returns whether to drain.
    fn obey(&mut self) -> bool {
        let orders = *self.orders.borrow_and_update();
        if orders.reopen != self.reopened {
            self.reopened = orders.reopen;
            self.courier.output.reopen();
        }
        orders.drain_until.is_some()
    }

    /// Waits, but not while orders change: a drain is a reason to try at once.
    async fn pause(&mut self, wait: Duration) {
        tokio::select! {
            () = sleep(wait) => {}
            () = changed(&mut self.orders) => {}
        }
    }
}

impl Parcel {
    fn alert(&self) -> Option<&Alert> {
        match &self.content {
            Content::Alert(alert) => Some(alert),
            Content::Filtered | Content::Unreadable { .. } => None,
        }
    }
}

/// The parcels up to the first that cannot be read.
fn readable(parcels: &[Parcel]) -> &[Parcel] {
    let end = parcels
        .iter()
        .position(|parcel| matches!(parcel.content, Content::Unreadable { .. }));
    end.and_then(|end| parcels.get(..end)).unwrap_or(parcels)
}

/// How many parcels come before the alert with this number; all of them if there is no such alert.
fn before_alert(parcels: &[Parcel], number: usize) -> usize {
    let mut alerts = parcels
        .iter()
        .enumerate()
        .filter(|(_, parcel)| parcel.alert().is_some());
    alerts
        .nth(number)
        .map_or(parcels.len(), |(position, _)| position)
}

/// Ends when orders change. If nobody can give orders any more, never.
async fn changed(orders: &mut watch::Receiver<Orders>) {
    if orders.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Ends when the time to drain is up.
async fn out_of_time(mut orders: watch::Receiver<Orders>) {
    loop {
        let drain_until = orders.borrow_and_update().drain_until;
        match drain_until {
            Some(deadline) => tokio::select! {
                () = sleep_until(deadline) => return,
                () = changed(&mut orders) => {}
            },
            None => changed(&mut orders).await,
        }
    }
}
