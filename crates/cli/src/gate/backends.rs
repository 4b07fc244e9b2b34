//! The backends that an auditing gateway writes to, put together as a kube-apiserver does it (spec 8).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use kubevigil_record::backend::{Backend, BackendOptions, Mode};
use kubevigil_record::durable::{Durable, DurableOptions};
use kubevigil_record::log::LogOptions;
use kubevigil_record::sink::{ErrorCounters, Sink, Union};
use kubevigil_record::webhook::WebhookSink;

use crate::gate::journal_of;

/// A log, and what is around it.
#[derive(Clone, Debug)]
pub(crate) struct LogBackend {
    pub(crate) options: LogOptions,
    pub(crate) around: BackendOptions,
}

/// A webhook, and what is around it.
#[derive(Clone, Debug)]
pub(crate) struct WebhookBackend {
    pub(crate) kubeconfig: PathBuf,
    pub(crate) initial_backoff: Duration,
    pub(crate) around: BackendOptions,
}

/// Both, as far as they are on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Backends {
    pub(crate) log: Option<LogBackend>,
    pub(crate) webhook: Option<WebhookBackend>,
}

/// Backends that take events.
pub(crate) struct Opened {
    /// All of them as one.
    pub(crate) sink: Arc<dyn Sink>,
    /// Those with a journal of their own.
    pub(crate) durable: Vec<Arc<Durable>>,
}

impl Backends {
    /// Whether one of them needs a folder for its journal.
    pub(crate) fn need_state(&self) -> bool {
        let log = self.log.as_ref().map(|log| log.around.mode);
        let webhook = self.webhook.as_ref().map(|webhook| webhook.around.mode);
        log.into_iter()
            .chain(webhook)
            .any(|mode| mode == Mode::Durable)
    }

    /// Opens files and journals, and puts everything together: `first`, if there is one, then the log, then the webhook. To be called
    /// within a runtime.
    pub(crate) fn open(
        &self,
        state_dir: &Path,
        first: Option<Arc<dyn Sink>>,
        counters: &Arc<ErrorCounters>,
    ) -> anyhow::Result<Opened> {
        let mut opened = Vec::new();
        if let Some(log) = &self.log {
            let durable = DurableOptions::new(journal_of(state_dir, "log"));
            let backend = log.around.open_log(&log.options, Some(&durable), counters);
            opened.push(backend?);
        }
        if let Some(webhook) = &self.webhook {
            opened.push(webhook.open(state_dir, counters)?);
        }
        let durable = opened
            .iter()
            .filter_map(|backend| backend.durable.clone())
            .collect();
        let backends = opened.into_iter().map(|Backend { sink, .. }| sink);
        let mut sinks: Vec<Arc<dyn Sink>> = first.into_iter().chain(backends).collect();
        let sink = match (sinks.pop(), sinks.is_empty()) {
            (Some(only), true) => only,
            (last, _) => {
                sinks.extend(last);
                Arc::new(Union(sinks))
            }
        };
        Ok(Opened { sink, durable })
    }
}

impl WebhookBackend {
    fn open(&self, state_dir: &Path, counters: &Arc<ErrorCounters>) -> anyhow::Result<Backend> {
        let durable = DurableOptions::new(journal_of(state_dir, "webhook"));
        let sink = WebhookSink::from_kubeconfig(
            &self.kubeconfig,
            self.initial_backoff,
            Arc::clone(counters),
        );
        let backend = sink.map_err(anyhow::Error::from).and_then(|sink| {
            let opened = self.around.open_webhook(sink, Some(&durable), counters);
            opened.map_err(anyhow::Error::from)
        });
        backend.with_context(|| {
            format!(
                "cannot use the audit webhook of {}",
                self.kubeconfig.display()
            )
        })
    }
}
