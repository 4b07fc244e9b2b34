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
        !self.journals(Path::new("")).is_empty()
    }

    /// Where those in mode `durable` keep events.
    pub(crate) fn journals(&self, state_dir: &Path) -> Vec<DurableOptions> {
        let log = self.log.iter().map(|log| ("log", log.around.mode));
        let webhook = self.webhook.iter();
        let webhook = webhook.map(|webhook| ("webhook", webhook.around.mode));
        log.chain(webhook)
            .filter(|(_, mode)| *mode == Mode::Durable)
            .map(|(backend, _)| journal_of(state_dir, backend))
            .collect()
    }

    /// Opens files and journals, and puts everything together: `first`, if there is one, then the log, then the webhook. To be called
    /// within a runtime.
    pub(crate) fn open(
        &self,
        state_dir: Option<&Path>,
        first: Option<Arc<dyn Sink>>,
        counters: &Arc<ErrorCounters>,
    ) -> anyhow::Result<Opened> {
        let mut opened = Vec::new();
        if let Some(log) = &self.log {
            let durable = state_dir.map(|folder| journal_of(folder, "log"));
            let backend = log
                .around
                .open_log(&log.options, durable.as_ref(), counters);
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
    fn open(
        &self,
        state_dir: Option<&Path>,
        counters: &Arc<ErrorCounters>,
    ) -> anyhow::Result<Backend> {
        let durable = state_dir.map(|folder| journal_of(folder, "webhook"));
        let sink = WebhookSink::from_kubeconfig(
            &self.kubeconfig,
            self.initial_backoff,
            Arc::clone(counters),
        );
        let backend = sink.map_err(anyhow::Error::from).and_then(|sink| {
            let opened = self.around.open_webhook(sink, durable.as_ref(), counters);
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

fn journal_of(state_dir: &Path, backend: &str) -> DurableOptions {
    DurableOptions::new(state_dir.join(format!("audit-{backend}")))
}
