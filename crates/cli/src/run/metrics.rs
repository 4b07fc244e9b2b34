//! Metrics and health: read from the parts' own counters when somebody asks, so that counting costs the parts nothing more.

mod catalogue;
#[cfg(test)]
mod documented;
mod page;
pub(crate) mod recording;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kubevigil_alerts::deliveries::Deliveries;
use kubevigil_alerts::metrics::OutputCounts;
use kubevigil_journal::{Health, Journal};
use kubevigil_sources::counters::SourceCounters;
use kubevigil_sources::webhook::WebhookCounters;
use prometheus_client::registry::Registry;

use crate::run::detector::figures::DetectCounters;
use crate::run::health::Vitals;
use crate::run::live_rules::LiveRules;
use crate::run::metrics::recording::RecordingMetrics;

/// Everything that is counted.
pub(crate) struct Metrics {
    pub(crate) events: Journal,
    pub(crate) alerts: Journal,
    pub(crate) detect: Arc<DetectCounters>,
    pub(crate) rules: Arc<LiveRules>,
    /// The sources that read, each with its kind.
    pub(crate) sources: Vec<(&'static str, Arc<SourceCounters>)>,
    pub(crate) webhook: Option<Arc<WebhookCounters>>,
    /// What the auditing gateway counts, if it is a source.
    pub(crate) recording: Option<Arc<RecordingMetrics>>,
    /// `None` once they drain.
    pub(crate) deliveries: Mutex<Option<Deliveries>>,
    pub(crate) stopping: AtomicBool,
    /// Cleared when the detector's thread ends, however it does.
    pub(crate) detecting: Arc<AtomicBool>,
}

/// The daemon answers for its metrics.
impl Vitals for Arc<Metrics> {
    fn not_ready(&self) -> Option<String> {
        if self.stopping.load(Ordering::Relaxed) {
            return Some("shutting down".to_owned());
        }
        if let Some(reason) = self.broken() {
            return Some(reason);
        }
        match self.events.health() {
            Health::Good => self.recording.as_ref()?.not_ready(),
            Health::Closed => Some("the journal is closed".to_owned()),
            Health::Failing(trouble) => Some(trouble.error.to_string()),
        }
    }

    fn broken(&self) -> Option<String> {
        if self.stopping.load(Ordering::Relaxed) {
            return None;
        }
        if !self.detecting.load(Ordering::Relaxed) {
            return Some(
                "the detector has stopped: events are kept but not put to the rules; restart kubevigil"
                    .to_owned(),
            );
        }
        self.recording.as_ref()?.broken()
    }

    fn exposition(&self) -> Result<String, fmt::Error> {
        let mut own = Registry::with_prefix("kubevigil");
        own.register_collector(Box::new(page::Page(Arc::clone(self))));
        let mut registries = vec![own];
        if let Some(recording) = &self.recording {
            registries.extend(recording.registries());
        }
        encode(&registries)
    }
}

/// Several registries as one OpenMetrics text.
pub(crate) fn encode(registries: &[Registry]) -> Result<String, fmt::Error> {
    let mut text = String::new();
    for registry in registries {
        prometheus_client::encoding::text::encode_registry(&mut text, registry)?;
    }
    prometheus_client::encoding::text::encode_eof(&mut text)?;
    Ok(text)
}

impl Metrics {
    /// Calls `action` with the outputs, unless they drain already.
    pub(crate) fn with_deliveries(&self, action: impl FnOnce(&Deliveries)) {
        let deliveries = self.deliveries.lock();
        let deliveries = deliveries.unwrap_or_else(PoisonError::into_inner);
        if let Some(deliveries) = deliveries.as_ref() {
            action(deliveries);
        }
    }

    /// The outputs, to drain them.
    pub(crate) fn take_deliveries(&self) -> Option<Deliveries> {
        let deliveries = self.deliveries.lock();
        deliveries.unwrap_or_else(PoisonError::into_inner).take()
    }

    fn output_counts(&self) -> Vec<(String, OutputCounts)> {
        let mut all = Vec::new();
        self.with_deliveries(|deliveries| {
            let counts = deliveries.counts().into_iter();
            all = counts
                .map(|(name, counts)| (name.to_owned(), counts))
                .collect();
        });
        all
    }

    fn all_sources(&self) -> Vec<(&'static str, &SourceCounters)> {
        let webhook = self
            .webhook
            .iter()
            .map(|webhook| ("webhook", &webhook.source));
        let readers = self
            .sources
            .iter()
            .map(|(kind, counters)| (*kind, &**counters));
        webhook.chain(readers).collect()
    }
}
