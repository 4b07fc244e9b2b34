//! The page of metrics: OpenMetrics text, made from a look at all counters.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kubevigil_alerts::metrics::OutputCounts;
use kubevigil_journal::{ReaderStats, Stats};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabel, EncodeLabelSet, EncodeMetric, LabelSetEncoder,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::run::metrics::Metrics;
use crate::run::metrics::catalogue::{
    ANSWERS, CORRELATIONS, DETECTION, JOURNALS, Kind, MATCHES, Metric, OUTPUTS, READERS, RULES,
    SOURCES, STATE, WEBHOOK,
};

/// A sample's labels, known only at run time.
pub(super) type Pairs = Vec<(&'static str, String)>;
/// A metric's samples.
pub(super) type Samples = Vec<(Pairs, u64)>;

/// Reads the counters when the registry is encoded.
pub(super) struct Page(pub(super) Arc<Metrics>);

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Page")
    }
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        self.sources(encoder)?;
        self.detection(encoder)?;
        self.journals(encoder)?;
        let outputs = self.0.output_counts();
        let of = |(name, counts): &(String, OutputCounts), metric: &Metric<OutputCounts>| {
            (vec![("output", name.clone())], (metric.value)(counts))
        };
        write_all(encoder, OUTPUTS, |metric| {
            outputs.iter().map(|output| of(output, metric)).collect()
        })
    }
}

impl Page {
    fn sources(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let sources = self.0.all_sources();
        write_all(encoder, SOURCES, |metric| {
            // One sample a kind, however many sources of a kind there are.
            let mut sums = BTreeMap::<&str, u64>::new();
            for (kind, counters) in &sources {
                *sums.entry(kind).or_default() += (metric.value)(counters);
            }
            sums.into_iter()
                .map(|(kind, sum)| (vec![("source", kind.to_owned())], sum))
                .collect()
        })?;
        let Some(webhook) = &self.0.webhook else {
            return Ok(());
        };
        write_all(encoder, ANSWERS, |metric| {
            let answers = webhook.by_status();
            answers
                .map(|(status, count)| {
                    (vec![("status", status.to_string())], (metric.value)(&count))
                })
                .collect()
        })?;
        write_all(encoder, WEBHOOK, |metric| one((metric.value)(webhook)))
    }

    fn detection(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let Metrics { detect, rules, .. } = &*self.0;
        write_all(encoder, DETECTION, |metric| one((metric.value)(detect)))?;
        write_all(encoder, RULES, |metric| one((metric.value)(rules)))?;
        let ruling = rules.current();
        let counts = ruling.counts();
        write_all(encoder, MATCHES, |metric| {
            let labels = |name: &str| match metric.name {
                "rule_suppressed" => vec![rule_label(name), ("reason", "repeated".to_owned())],
                _ => vec![rule_label(name)],
            };
            counts
                .iter()
                .map(|(name, counts)| (labels(name), (metric.value)(counts)))
                .collect()
        })?;
        self.state(encoder)
    }

    fn state(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let figures = &self.0.detect.state;
        let view = figures.view.load();
        write_all(encoder, CORRELATIONS, |metric| {
            view.correlations
                .iter()
                .map(|(name, figures)| (vec![rule_label(name)], (metric.value)(figures)))
                .collect()
        })?;
        write_all(encoder, STATE, |metric| one((metric.value)(figures)))
    }

    fn journals(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let label = |name: &str| ("journal", name.to_owned());
        let journals: [(&str, Stats); 2] = [
            ("events", self.0.events.stats()),
            ("alerts", self.0.alerts.stats()),
        ];
        write_all(encoder, JOURNALS, |metric| {
            journals
                .iter()
                .map(|(name, stats)| (vec![label(name)], (metric.value)(stats)))
                .collect()
        })?;
        let readers: Vec<(Pairs, &ReaderStats)> = journals
            .iter()
            .flat_map(|(name, stats)| stats.readers.iter().map(move |reader| (name, reader)))
            .map(|(name, reader)| (vec![label(name), ("reader", reader.name.clone())], reader))
            .collect();
        write_all(encoder, READERS, |metric| {
            readers
                .iter()
                .map(|(pairs, reader)| (pairs.clone(), (metric.value)(reader)))
                .collect()
        })
    }
}

fn rule_label(name: &str) -> (&'static str, String) {
    ("rule", name.to_owned())
}

/// A value without labels.
pub(super) fn one(value: u64) -> Samples {
    vec![(Vec::new(), value)]
}

/// Writes each metric with its samples.
pub(super) fn write_all<T>(
    encoder: &mut DescriptorEncoder<'_>,
    metrics: &[Metric<T>],
    samples: impl Fn(&Metric<T>) -> Samples,
) -> fmt::Result {
    metrics.iter().try_for_each(|metric| {
        write(
            encoder,
            metric.kind,
            metric.name,
            metric.help,
            samples(metric),
        )
    })
}

fn write(
    encoder: &mut DescriptorEncoder<'_>,
    kind: Kind,
    name: &str,
    help: &str,
    samples: Samples,
) -> fmt::Result {
    let gauge = |value| ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
    let seconds = |value| ConstGauge::new(Duration::from_micros(value).as_secs_f64());
    match kind {
        Kind::Counter => family(
            encoder,
            name,
            help,
            MetricType::Counter,
            samples,
            ConstCounter::new,
        ),
        Kind::Gauge => family(encoder, name, help, MetricType::Gauge, samples, gauge),
        Kind::Seconds => family(encoder, name, help, MetricType::Gauge, samples, seconds),
    }
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

#[derive(Debug)]
struct Labels(Pairs);

impl EncodeLabelSet for Labels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        for (name, value) in &self.0 {
            EncodeLabel::encode(&(*name, value.as_str()), encoder.encode_label())?;
        }
        Ok(())
    }
}
