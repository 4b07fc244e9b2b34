//! A backend as the flags of a kube-apiserver put it together: mode, buffer and truncation around a log or a webhook (spec 8).

mod contradictions;

use std::sync::Arc;
use std::time::Duration;

use crate::buffered::{BufferOptions, Buffered};
use crate::durable::{
    Delivers, Durable, DurableError, DurableOptions, LogDelivery, WebhookDelivery,
};
use crate::log::{LogError, LogOptions, LogSink};
use crate::sink::{ErrorCounters, IgnoreErrors, Sink};
use crate::truncate::{Truncate, TruncateOptions};
use crate::webhook::WebhookSink;

pub use crate::backend::contradictions::Contradiction;

/// The longest wait of a batch in mode `durable`, unless another one is asked for.
const DURABLE_WAIT: Duration = Duration::from_secs(5);

/// Whether a request waits for its events (`--audit-*-mode`, spec 9.2), and for what.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// It does not; what does not fit into the buffer is dropped.
    Batch,
    /// It waits, but is answered even if they are lost.
    Blocking,
    /// It waits, and fails if its first event is lost.
    BlockingStrict,
    /// It waits until they are on this machine's disk, and fails if one of them is lost. The API server has no such mode; see
    /// [`crate::durable`].
    Durable,
}

impl Mode {
    /// All modes, as the flag lists them.
    pub const ALL: [Self; 4] = [
        Self::Batch,
        Self::Blocking,
        Self::BlockingStrict,
        Self::Durable,
    ];

    /// The mode of this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }

    /// The name that the flag takes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Blocking => "blocking",
            Self::BlockingStrict => "blocking-strict",
            Self::Durable => "durable",
        }
    }
}

/// What is put around a log or a webhook.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BackendOptions {
    /// Whether requests wait.
    pub mode: Mode,
    /// The buffer of mode `batch`. Mode `durable` takes the size and the wait of a webhook's batches from it and nothing else; the other
    /// modes do not look at it.
    pub buffer: BufferOptions,
    /// Whether events are cut down to a size.
    pub truncates: bool,
    /// The sizes; they have to make sense even if nothing is cut down.
    pub truncate: TruncateOptions,
}

impl BackendOptions {
    /// The server's defaults for a log.
    pub fn log() -> Self {
        Self {
            mode: Mode::Blocking,
            buffer: BufferOptions::LOG,
            truncates: false,
            truncate: TruncateOptions::default(),
        }
    }

    /// The server's defaults for a webhook.
    pub fn webhook() -> Self {
        Self {
            mode: Mode::Batch,
            buffer: BufferOptions::WEBHOOK,
            ..Self::log()
        }
    }

    /// The same in another mode. In mode `durable` a batch waits for five seconds at most unless told: without a throttle there is nothing
    /// to be gained by alerts that come half a minute late.
    #[must_use]
    pub fn in_mode(self, mode: Mode) -> Self {
        let usual = self.buffer.max_batch_wait;
        let max_batch_wait = match mode {
            Mode::Durable => usual.min(DURABLE_WAIT),
            _ => usual,
        };
        let buffer = BufferOptions {
            max_batch_wait,
            ..self.buffer
        };
        Self {
            mode,
            buffer,
            ..self
        }
    }

    /// A log with mode and truncation around it; to be called within a runtime. `durable` is looked at in mode `durable` only.
    ///
    /// # Errors
    ///
    /// When the options contradict each other, the file cannot be written, or the folder of mode `durable` not be used.
    pub fn open_log(
        &self,
        log: &LogOptions,
        durable: Option<&DurableOptions>,
        counters: &Arc<ErrorCounters>,
    ) -> Result<Backend, BackendError> {
        self.check()?;
        if self.mode == Mode::Durable {
            let delivery = LogDelivery::open(log)?;
            return self.open_durable(Arc::new(delivery), durable, counters);
        }
        let sink = LogSink::open(log, Arc::clone(counters))?;
        self.wrap(Arc::new(sink), counters).map(Backend::from)
    }

    /// A webhook with mode and truncation around it; to be called within a runtime. `durable` is looked at in mode `durable` only.
    ///
    /// # Errors
    ///
    /// When the options contradict each other, or the folder of mode `durable` cannot be used.
    pub fn open_webhook(
        &self,
        webhook: WebhookSink,
        durable: Option<&DurableOptions>,
        counters: &Arc<ErrorCounters>,
    ) -> Result<Backend, BackendError> {
        self.check()?;
        if self.mode == Mode::Durable {
            let delivery = WebhookDelivery::new(webhook, self.buffer);
            return self.open_durable(Arc::new(delivery), durable, counters);
        }
        self.wrap(Arc::new(webhook), counters).map(Backend::from)
    }

    fn open_durable(
        &self,
        backend: Arc<dyn Delivers>,
        durable: Option<&DurableOptions>,
        counters: &Arc<ErrorCounters>,
    ) -> Result<Backend, BackendError> {
        let options = durable.ok_or(BackendError::NoFolder)?.clone();
        let durable = Arc::new(Durable::open(backend, options, Arc::clone(counters))?);
        Ok(Backend {
            sink: self.truncated(Arc::clone(&durable) as Arc<dyn Sink>, counters),
            durable: Some(durable),
        })
    }

    /// Puts mode and truncation around any backend; to be called within a runtime.
    ///
    /// # Errors
    ///
    /// When the options contradict each other: the API server would not start. Mode `durable` needs more than a sink.
    pub fn wrap(
        &self,
        backend: Arc<dyn Sink>,
        counters: &Arc<ErrorCounters>,
    ) -> Result<Arc<dyn Sink>, BackendError> {
        self.check()?;
        let waiting: Arc<dyn Sink> = match self.mode {
            Mode::Batch => Arc::new(Buffered::start(backend, self.buffer, Arc::clone(counters))),
            Mode::Blocking => Arc::new(IgnoreErrors(backend)),
            Mode::BlockingStrict => backend,
            Mode::Durable => return Err(BackendError::NoFolder),
        };
        Ok(self.truncated(waiting, counters))
    }

    fn truncated(&self, sink: Arc<dyn Sink>, counters: &Arc<ErrorCounters>) -> Arc<dyn Sink> {
        if !self.truncates {
            return sink;
        }
        Arc::new(Truncate::new(sink, self.truncate, Arc::clone(counters)))
    }

    fn check(&self) -> Result<(), Contradiction> {
        self.contradictions().into_iter().next().map_or(Ok(()), Err)
    }
}

/// A backend that is ready, in whatever mode.
pub struct Backend {
    /// What events are given to.
    pub sink: Arc<dyn Sink>,
    /// The same without truncation in mode `durable`, for its figures.
    pub durable: Option<Arc<Durable>>,
}

impl From<Arc<dyn Sink>> for Backend {
    fn from(sink: Arc<dyn Sink>) -> Self {
        Self {
            sink,
            durable: None,
        }
    }
}

/// Why a backend is not ready.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The options contradict each other.
    #[error(transparent)]
    Options(#[from] Contradiction),
    /// The log cannot be written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Nobody said where events wait.
    #[error("mode `durable` needs a folder of its own for the events that wait")]
    NoFolder,
    /// The folder of mode `durable` cannot be used.
    #[error(transparent)]
    Durable(#[from] DurableError),
}
