//! Metrics: read from the parts' own counters when somebody asks, so that counting costs the parts nothing more.
//!
//! Each metric is defined once, in [`Metrics::encode`]'s collector: its name, help, unit and labels.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kubevigil_alerts::deliveries::Deliveries;
use kubevigil_alerts::metrics::OutputCounts;
use kubevigil_journal::{Health, Journal};
use kubevigil_sources::counters::SourceCounters;
use kubevigil_sources::webhook::WebhookCounters;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabel, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::run::detector::DetectCounters;
use crate::run::live_rules::LiveRules;

/// Everything that is counted.
pub(crate) struct Metrics {
    pub(crate) events: Journal,
    pub(crate) alerts: Journal,
    pub(crate) detect: Arc<DetectCounters>,
    pub(crate) rules: Arc<LiveRules>,
    pub(crate) sources: Vec<(&'static str, Arc<SourceCounters>)>,
    pub(crate) webhook: Option<Arc<WebhookCounters>>,
    /// `None` once they drain.
    pub(crate) deliveries: Mutex<Option<Deliveries>>,
    pub(crate) stopping: AtomicBool,
    /// Cleared when the detector's thread ends, however it does.
    pub(crate) detecting: Arc<AtomicBool>,
}

/// A metric's samples: their labels and values.
type Samples = Vec<(Vec<(&'static str, String)>, u64)>;

impl Metrics {
    /// Why events cannot be taken now; `None` when they can.
    pub(crate) fn not_ready(&self) -> Option<String> {
        if self.stopping.load(Ordering::Relaxed) {
            return Some("shutting down".to_owned());
        }
        if let Some(reason) = self.broken() {
            return Some(reason.to_owned());
        }
        match self.events.health() {
            Health::Good => None,
            Health::Closed => Some("the journal is closed".to_owned()),
            Health::Failing(trouble) => Some(trouble.error.to_string()),
        }
    }

    /// Why the process must be started anew; `None` while it works.
    pub(crate) fn broken(&self) -> Option<&'static str> {
        let detecting =
            self.detecting.load(Ordering::Relaxed) || self.stopping.load(Ordering::Relaxed);
        (!detecting).then_some(
            "the detector has stopped: events are kept but not put to the rules; restart kubevigil",
        )
    }

    /// All metrics as OpenMetrics text.
    pub(crate) fn encode(self: &Arc<Self>) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix("kubevigil");
        registry.register_collector(Box::new(Snapshot(Arc::clone(self))));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry)?;
        Ok(text)
    }

    /// One sample a kind of source, however many sources of a kind there are.
    fn source_samples(&self, value: impl Fn(&SourceCounters) -> u64) -> Samples {
        let mut sums = BTreeMap::<&str, u64>::new();
        for (source, counters) in &self.sources {
            *sums.entry(source).or_default() += value(counters);
        }
        if let Some(webhook) = &self.webhook {
            *sums.entry("webhook").or_default() += value(&webhook.source);
        }
        sums.into_iter()
            .map(|(source, sum)| (vec![("source", source.to_owned())], sum))
            .collect()
    }

    fn journal_samples(&self, value: impl Fn(&kubevigil_journal::Stats) -> u64) -> Samples {
        [("events", &self.events), ("alerts", &self.alerts)]
            .map(|(name, journal)| (vec![("journal", name.to_owned())], value(&journal.stats())))
            .into()
    }

    fn reader_samples(&self, value: impl Fn(&kubevigil_journal::ReaderStats) -> u64) -> Samples {
        let mut samples = Samples::new();
        for (name, journal) in [("events", &self.events), ("alerts", &self.alerts)] {
            for reader in journal.stats().readers {
                let labels = vec![
                    ("journal", name.to_owned()),
                    ("reader", reader.name.clone()),
                ];
                samples.push((labels, value(&reader)));
            }
        }
        samples
    }

    fn rule_samples(&self) -> Samples {
        let ruling = self.rules.current();
        let rules = ruling.matcher.rules().iter().zip(&ruling.matches);
        rules
            .map(|(rule, count)| {
                (
                    vec![("rule", rule.name.to_string())],
                    count.load(Ordering::Relaxed),
                )
            })
            .collect()
    }

    fn output_samples(&self, value: impl Fn(&OutputCounts) -> u64) -> Samples {
        let sample = |(name, counts): (&str, OutputCounts)| {
            (vec![("output", name.to_owned())], value(&counts))
        };
        let mut samples = Samples::new();
        self.with_deliveries(|deliveries| {
            samples = deliveries.counts().into_iter().map(sample).collect()
        });
        samples
    }

    /// Calls `action` with the outputs, unless they drain already.
    pub(crate) fn with_deliveries(&self, action: impl FnOnce(&Deliveries)) {
        let deliveries = self
            .deliveries
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(deliveries) = deliveries.as_ref() {
            action(deliveries);
        }
    }

    /// The outputs, to drain them.
    pub(crate) fn take_deliveries(&self) -> Option<Deliveries> {
        self.deliveries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn status_samples(&self) -> Samples {
        let statuses = self
            .webhook
            .iter()
            .flat_map(|counters| counters.by_status().collect::<Vec<_>>());
        statuses
            .map(|(status, count)| (vec![("status", status.to_string())], count))
            .collect()
    }
}

struct Snapshot(Arc<Metrics>);

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Snapshot")
    }
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let encoder = &mut encoder;
        self.intake(encoder)?;
        self.detection(encoder)?;
        self.journals(encoder)?;
        self.delivery(encoder)
    }
}

impl Snapshot {
    fn intake(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let metrics = &self.0;
        counter(
            encoder,
            "source_events",
            "Events taken in",
            metrics.source_samples(|source| source.events.get()),
        )?;
        counter(
            encoder,
            "source_bytes",
            "Bytes of events taken in",
            metrics.source_samples(|source| source.bytes.get()),
        )?;
        let problems = metrics.source_samples(|source| source.problems.get());
        counter(
            encoder,
            "source_problems",
            "Pieces of input that could not be read",
            problems,
        )?;
        counter(
            encoder,
            "source_batches",
            "Batches of events taken in",
            metrics.source_samples(|source| source.batches.get()),
        )?;
        counter(
            encoder,
            "source_too_long",
            "Lines beyond the length limit, which were skipped",
            metrics.source_samples(|source| source.too_long.get()),
        )?;
        counter(
            encoder,
            "source_truncations",
            "Followed files that were truncated in place",
            metrics.source_samples(|source| source.truncations.get()),
        )?;
        counter(
            encoder,
            "source_refused",
            "Batches that were sent back to be sent again",
            metrics.source_samples(|source| source.refused.get()),
        )?;
        counter(
            encoder,
            "source_rotations",
            "Rotations of followed files",
            metrics.source_samples(|source| source.rotations.get()),
        )?;
        counter(
            encoder,
            "webhook_answers",
            "Answers of the webhook",
            metrics.status_samples(),
        )?;
        let webhook = |value: fn(&WebhookCounters) -> u64| -> Samples {
            metrics
                .webhook
                .iter()
                .map(|counters| (Vec::new(), value(counters)))
                .collect()
        };
        counter(
            encoder,
            "webhook_dead_letters",
            "Bodies kept because they can never be accepted",
            webhook(|counters| counters.dead_letters.get()),
        )?;
        counter(
            encoder,
            "webhook_dead_letters_lost",
            "Bodies that could not be kept",
            webhook(|counters| counters.dead_letters_lost.get()),
        )?;
        counter(
            encoder,
            "webhook_connections",
            "Connections accepted",
            webhook(|counters| counters.connections.get()),
        )?;
        counter(
            encoder,
            "webhook_auth_failures",
            "Requests without valid credentials",
            webhook(|counters| counters.auth_failures.get()),
        )?;
        counter(
            encoder,
            "webhook_handshake_failures",
            "TLS handshakes that failed",
            webhook(|counters| counters.handshake_failures.get()),
        )?;
        counter(
            encoder,
            "webhook_oversized",
            "Bodies beyond the limit",
            webhook(|counters| counters.oversized.get()),
        )?;
        counter(
            encoder,
            "webhook_reloads",
            "Changed certificates and tokens put in place",
            webhook(|counters| counters.reloads.get()),
        )?;
        counter(
            encoder,
            "webhook_reload_failures",
            "Changed certificates and tokens that are broken",
            webhook(|counters| counters.failed_reloads.get()),
        )
    }

    fn detection(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let metrics = &self.0;
        let one = |count: &AtomicU64| vec![(Vec::new(), count.load(Ordering::Relaxed))];
        counter(
            encoder,
            "detect_events",
            "Events that were put to the rules",
            one(&metrics.detect.events),
        )?;
        counter(
            encoder,
            "detect_unreadable",
            "Journaled events that could not be read",
            one(&metrics.detect.unreadable),
        )?;
        counter(
            encoder,
            "alerts",
            "Alerts raised",
            one(&metrics.detect.alerts),
        )?;
        counter(
            encoder,
            "alerts_repeated",
            "Alerts found again after a restart and not raised twice",
            one(&metrics.detect.repeated),
        )?;
        counter(
            encoder,
            "rule_matches",
            "Events that a rule has matched",
            metrics.rule_samples(),
        )?;
        counter(
            encoder,
            "rule_reloads",
            "Times that other rules were put in place",
            one(&metrics.rules.reloads),
        )?;
        counter(
            encoder,
            "rule_reload_failures",
            "Times that new rules could not be loaded",
            one(&metrics.rules.failed_reloads),
        )
    }

    fn journals(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let metrics = &self.0;
        gauge(
            encoder,
            "journal_records",
            "Records in the journal",
            metrics.journal_samples(|stats| stats.records),
        )?;
        gauge(
            encoder,
            "journal_bytes",
            "Bytes of the journal on disk",
            metrics.journal_samples(|stats| stats.bytes),
        )?;
        gauge(
            encoder,
            "journal_waiting_bytes",
            "Bytes that wait to be written",
            metrics.journal_samples(|stats| stats.waiting_bytes as u64),
        )?;
        counter(
            encoder,
            "journal_duplicates",
            "Records that were there already and not written twice",
            metrics.journal_samples(|stats| stats.duplicates),
        )?;
        counter(
            encoder,
            "journal_corrupt",
            "Damaged records that were skipped",
            metrics.journal_samples(|stats| stats.corrupt),
        )?;
        counter(
            encoder,
            "journal_write_errors",
            "Writes that failed",
            metrics.journal_samples(|stats| stats.write_errors),
        )?;
        counter(
            encoder,
            "journal_syncs",
            "Writes brought to disk",
            metrics.journal_samples(|stats| stats.syncs),
        )?;
        gauge(
            encoder,
            "journal_lag",
            "Records that a reader has not committed",
            metrics.reader_samples(|reader| reader.lag),
        )?;
        counter(
            encoder,
            "journal_lost",
            "Records deleted before a reader had read them",
            metrics.reader_samples(|reader| reader.lost),
        )
    }

    fn delivery(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let metrics = &self.0;
        counter(
            encoder,
            "output_delivered",
            "Alerts delivered",
            metrics.output_samples(|output| output.delivered),
        )?;
        counter(
            encoder,
            "output_filtered",
            "Alerts below the output's minimum priority",
            metrics.output_samples(|output| output.filtered),
        )?;
        counter(
            encoder,
            "output_failures",
            "Deliveries that failed and are tried again",
            metrics.output_samples(|output| output.failures),
        )?;
        counter(
            encoder,
            "output_dead_letters",
            "Alerts that the other side refused for good",
            metrics.output_samples(|output| output.dead_letters),
        )?;
        counter(
            encoder,
            "output_lost",
            "Alerts deleted before the output got them",
            metrics.output_samples(|output| output.lost),
        )?;
        gauge(
            encoder,
            "output_lag",
            "Alerts that wait for the output",
            metrics.output_samples(|output| output.lag),
        )
    }
}

fn counter(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: Samples,
) -> fmt::Result {
    family(
        encoder,
        name,
        help,
        MetricType::Counter,
        samples,
        ConstCounter::new,
    )
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: Samples,
) -> fmt::Result {
    let metric = |value| ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
    family(encoder, name, help, MetricType::Gauge, samples, metric)
}

fn family<M: EncodeMetric>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    metric_type: MetricType,
    samples: Samples,
    metric: impl Fn(u64) -> M,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, metric_type)?;
    if let [(labels, value)] = samples.as_slice()
        && labels.is_empty()
    {
        return metric(*value).encode(family);
    }
    for (labels, value) in samples {
        metric(value).encode(family.encode_family(&Labels(labels))?)?;
    }
    Ok(())
}

/// Labels that are known only at run time.
#[derive(Debug)]
struct Labels(Vec<(&'static str, String)>);

impl EncodeLabelSet for Labels {
    fn encode(
        &self,
        encoder: &mut prometheus_client::encoding::LabelSetEncoder<'_>,
    ) -> fmt::Result {
        for (name, value) in &self.0 {
            EncodeLabel::encode(&(*name, value.as_str()), encoder.encode_label())?;
        }
        Ok(())
    }
}
