//! What an auditing gateway counts: under kube-apiserver's names what that counts, too, and its own.

pub(super) mod tables;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kubevigil_audit::policy::PolicyLevel;
use kubevigil_gateway::{Handle, Malformed};
use kubevigil_record::durable::DurableFigures;
use kubevigil_record::metrics::RecordMetrics;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Registry;

use crate::run::metrics::page::{one, write_all};
use crate::run::metrics::recording::tables::{
    APISERVER, APISERVER_ERRORS, APISERVER_LEVELS, DURABLE, GATEWAY, GATEWAY_MALFORMED, RECORD,
};

/// What the metrics of a kube-apiserver's auditing begin with.
pub(super) const APISERVER_PREFIX: &str = "apiserver_audit";

/// Everything that an auditing gateway counts.
pub(crate) struct RecordingMetrics {
    record: RecordMetrics,
    gateway: Handle,
    /// The gateway has ended, however it did.
    ended: AtomicBool,
}

/// Notes the end of a gateway when it is dropped.
pub(crate) struct Ended(Arc<RecordingMetrics>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Relaxed);
    }
}

impl RecordingMetrics {
    pub(crate) fn new(record: RecordMetrics, gateway: Handle) -> Self {
        Self {
            record,
            gateway,
            ended: AtomicBool::new(false),
        }
    }

    /// Notes that the gateway has ended when the guard is dropped.
    pub(crate) fn ended_when_dropped(self: &Arc<Self>) -> Ended {
        Ended(Arc::clone(self))
    }

    /// Why the process must be started anew, if it was not told to stop; `None` while the gateway serves.
    pub(crate) fn broken(&self) -> Option<String> {
        let has_ended = self.ended.load(Ordering::Relaxed);
        has_ended.then(|| "the auditing gateway has stopped; restart kubevigil".to_owned())
    }

    /// Why requests fail now; `None` while their events are kept.
    pub(crate) fn not_ready(&self) -> Option<String> {
        let mut durable = self.record.durable.iter();
        self.broken()
            .or_else(|| durable.find_map(|durable| durable.trouble()))
    }

    /// Its metrics: those of kube-apiserver, and kubevigil's own.
    pub(crate) fn registries(self: &Arc<Self>) -> [Registry; 2] {
        let mut apiserver = Registry::with_prefix(APISERVER_PREFIX);
        apiserver.register_collector(Box::new(ApiserverPage(Arc::clone(self))));
        let mut own = Registry::with_prefix("kubevigil");
        own.register_collector(Box::new(OwnPage(Arc::clone(self))));
        [apiserver, own]
    }
}

struct ApiserverPage(Arc<RecordingMetrics>);
struct OwnPage(Arc<RecordingMetrics>);

impl fmt::Debug for ApiserverPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiserverPage")
    }
}

impl fmt::Debug for OwnPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnPage")
    }
}

impl Collector for ApiserverPage {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        let figures = self.0.record.figures();
        write_all(encoder, APISERVER, |metric| one((metric.value)(&figures)))?;
        write_all(encoder, APISERVER_LEVELS, |metric| {
            let levels = figures.levels.iter();
            let sample = |(level, count): &(PolicyLevel, u64)| {
                (
                    vec![("level", level.as_str().to_owned())],
                    (metric.value)(count),
                )
            };
            levels.map(sample).collect()
        })?;
        write_all(encoder, APISERVER_ERRORS, |metric| {
            let errors = figures.errors.iter();
            let sample = |(plugin, count): &(&str, u64)| {
                (
                    vec![("plugin", (*plugin).to_owned())],
                    (metric.value)(count),
                )
            };
            errors.map(sample).collect()
        })
    }
}

impl Collector for OwnPage {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        let figures = self.0.record.figures();
        let counters = self.0.gateway.counters();
        write_all(encoder, GATEWAY, |metric| one((metric.value)(counters)))?;
        write_all(encoder, GATEWAY_MALFORMED, |metric| {
            let malformed = counters.malformed.all();
            let sample = |(reason, count): (Malformed, u64)| {
                let reason = vec![("reason", reason.as_str().to_owned())];
                (reason, (metric.value)(&count))
            };
            malformed.map(sample).collect()
        })?;
        write_all(encoder, RECORD, |metric| one((metric.value)(&figures)))?;
        write_all(encoder, DURABLE, |metric| {
            let durable = figures.durable.iter();
            let sample = |durable: &DurableFigures| {
                let backend = vec![("backend", durable.plugin.to_owned())];
                (backend, (metric.value)(durable))
            };
            durable.map(sample).collect()
        })
    }
}
