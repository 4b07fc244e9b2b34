//! Where events go: one trait for all backends, and the ways to put backends together (spec 8, composition).
//!
//! A sink takes events one call at a time and says whether it kept them. Only a sink that says so can fail a request
//! (`blocking-strict`); everything lossy is built by wrapping. Events are shared, not copied: no sink may change one that
//! another sink still has to write. The server shares one map of annotations between its backends, so that one which truncates marks the
//! events of the other; that fault is not imitated.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use crate::event::AuditEvent;

/// Events as they are handed over.
pub type Events<'e> = &'e [Arc<AuditEvent>];

/// A backend, or something wrapped around one.
#[async_trait]
pub trait Sink: Send + Sync {
    /// The name that the server would log: `truncate<buffered<log>>`.
    fn name(&self) -> String;

    /// Keeps the events, all of them if it can.
    ///
    /// # Errors
    ///
    /// When at least one event is lost and the sink lets the caller know.
    async fn emit(&self, events: Events<'_>) -> Result<(), SinkError>;

    /// Whether no answer may look complete unless all its events are kept.
    ///
    /// The API server ignores failures at all stages but the first, and so do the modes that it has. Where this is true, an
    /// answer whose event is refused at its end is broken off.
    fn must_keep(&self) -> bool {
        false
    }

    /// Writes what is still held back, then closes. To be called once, after the last request.
    async fn shutdown(&self) {}
}

/// Why events were not kept. The text says which and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{plugin}: {message}")]
pub struct SinkError {
    /// Who lost them: one of [`PLUGINS`], or somebody else who keeps events.
    pub plugin: &'static str,
    /// What went wrong.
    pub message: String,
}

impl SinkError {
    /// The error of a backend.
    pub fn new(plugin: &'static str, message: impl Into<String>) -> Self {
        Self {
            plugin,
            message: message.into(),
        }
    }
}

/// The plugins of `apiserver_audit_error_total`.
pub const PLUGINS: [&str; 4] = ["log", "webhook", "buffered", "truncate"];

/// The events that errors affected (`apiserver_audit_error_total`, spec 12), one counter for every plugin.
#[derive(Debug, Default)]
pub struct ErrorCounters([AtomicU64; PLUGINS.len()]);

impl ErrorCounters {
    /// Counts events that a plugin lost.
    pub fn add(&self, plugin: &str, events: usize) {
        if let Some(counter) = self.counter(plugin) {
            counter.fetch_add(events as u64, Ordering::Relaxed);
        }
    }

    /// How many events a plugin lost so far; 0 for an unknown plugin.
    pub fn get(&self, plugin: &str) -> u64 {
        self.counter(plugin)
            .map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    fn counter(&self, plugin: &str) -> Option<&AtomicU64> {
        let mut counters = PLUGINS.iter().zip(&self.0);
        let found = counters.find(|(known, _)| **known == plugin)?;
        Some(found.1)
    }
}

/// Mode `blocking`: the request waits for the write, but no failure reaches it (spec 9.2).
pub struct IgnoreErrors<S>(pub S);

#[async_trait]
impl<S: Sink> Sink for IgnoreErrors<S> {
    fn name(&self) -> String {
        format!("ignoreErrors<{}>", self.0.name())
    }

    async fn emit(&self, events: Events<'_>) -> Result<(), SinkError> {
        if let Err(error) = self.0.emit(events).await {
            tracing::warn!(%error, "audit events were lost");
        }
        Ok(())
    }

    async fn shutdown(&self) {
        self.0.shutdown().await;
    }
}

/// Several sinks: each gets every event, in order; it fails if one of them does, and skips none.
pub struct Union(pub Vec<Arc<dyn Sink>>);

#[async_trait]
impl Sink for Union {
    fn name(&self) -> String {
        let names: Vec<String> = self.0.iter().map(|sink| sink.name()).collect();
        format!("union[{}]", names.join(","))
    }

    async fn emit(&self, events: Events<'_>) -> Result<(), SinkError> {
        let mut result = Ok(());
        for sink in &self.0 {
            let kept = sink.emit(events).await;
            if result.is_ok() {
                result = kept;
            }
        }
        result
    }

    fn must_keep(&self) -> bool {
        self.0.iter().any(|sink| sink.must_keep())
    }

    async fn shutdown(&self) {
        for sink in &self.0 {
            sink.shutdown().await;
        }
    }
}

#[async_trait]
impl Sink for Arc<dyn Sink> {
    fn name(&self) -> String {
        (**self).name()
    }

    async fn emit(&self, events: Events<'_>) -> Result<(), SinkError> {
        (**self).emit(events).await
    }

    fn must_keep(&self) -> bool {
        (**self).must_keep()
    }

    async fn shutdown(&self) {
        (**self).shutdown().await;
    }
}
