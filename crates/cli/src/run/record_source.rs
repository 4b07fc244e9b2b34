//! The auditing gateway as a source: its events go straight into the journal.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use bytes::Bytes;
use kubevigil_connections::Throttle;
use kubevigil_journal::Journal;
use kubevigil_record::auditing::wall_clock;
use kubevigil_record::encode::json_line;
use kubevigil_record::event::AuditEvent;
use kubevigil_record::shorten::{LONGEST_LINE, written};
use kubevigil_record::sink::{Events, Sink, SinkError};
use kubevigil_sources::counters::SourceCounters;
use kubevigil_sources::{Arrival, Batch, Intake, Origin};

use crate::config::RecordConfig;
use crate::gate::{self, Gate, GateOptions, Problem};
use crate::mistakes::fail;
use crate::run::intake::JournalIntake;
use crate::run::readers::Readers;
use crate::run::state_dir;

/// The plugin, as errors name it.
const PLUGIN: &str = "journal";
/// How often the log says that events are refused.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);

/// Prepares the gateway, whose events go to the journal before anywhere else. What it takes in is counted among the sources.
pub(crate) async fn prepare(
    config: &RecordConfig,
    state_dir: &Path,
    events: &Journal,
    readers: &mut Readers,
) -> anyhow::Result<Gate> {
    let journal = JournalSink::new(Arc::new(JournalIntake::new(events.clone())));
    readers.count("record", journal.counters());
    let options = GateOptions {
        journal: Some(Arc::new(journal)),
        ..config.gate_options(Some(state_dir))
    };
    let problems = gate::check_files(&options);
    let problems = problems
        .iter()
        .map(|Problem { key, text }| format!("sources.record.{key}: {text}"));
    fail(&problems.collect::<Vec<_>>(), "mistakes in sources.record")?;
    if let Some(folder) = &options.state_dir {
        state_dir::prepare(folder)?;
    }
    Gate::prepare(options).await.context("sources.record")
}

/// Makes events durable before the request that they are about goes on. A request whose events cannot be kept fails.
pub(crate) struct JournalSink {
    intake: Arc<dyn Intake>,
    counters: Arc<SourceCounters>,
    /// Each request would say again that events are refused.
    complaints: Throttle,
}

impl JournalSink {
    pub(crate) fn new(intake: Arc<dyn Intake>) -> Self {
        Self {
            intake,
            counters: Arc::default(),
            complaints: Throttle::new(COMPLAIN_EVERY),
        }
    }

    /// What it counts as a source.
    pub(crate) fn counters(&self) -> Arc<SourceCounters> {
        Arc::clone(&self.counters)
    }

    fn batch(&self, events: Events<'_>) -> Batch {
        let arrivals = events.iter().filter_map(|event| self.arrival(event));
        Batch {
            origin: Origin::Record,
            received: wall_clock().nanoseconds,
            events: arrivals.collect(),
        }
    }

    /// The event as the journal has it. One that is too large, or whose bodies cannot be written, goes without them: what is known
    /// of the request is worth more than nothing.
    fn arrival(&self, event: &AuditEvent) -> Option<Arrival> {
        let (mut raw, is_smaller) = written(event, LONGEST_LINE, |event| {
            json_line(event).map(Bytes::from)
        })
        .ok()?;
        if is_smaller {
            self.counters.problems.add(1);
            tracing::warn!(audit_id = ?event.audit_id, "an event is too large, or its bodies are no JSON: it is kept without them");
        }
        if raw.last() == Some(&b'\n') {
            raw.truncate(raw.len() - 1);
        }
        Some(Arrival { raw, line: 0 })
    }
}

#[async_trait]
impl Sink for JournalSink {
    fn name(&self) -> String {
        PLUGIN.to_owned()
    }

    fn must_keep(&self) -> bool {
        true
    }

    async fn emit(&self, events: Events<'_>) -> Result<(), SinkError> {
        let batch = self.batch(events);
        match self.intake.accept(batch.clone()).await {
            Ok(()) => {
                self.counters.accepted(&batch);
                Ok(())
            }
            Err(refused) => {
                self.counters.refused.add(1);
                if let Some(held_back) = self.complaints.pass() {
                    tracing::error!(%refused, held_back, "audit events cannot be kept, so their requests fail");
                }
                Err(SinkError::new(PLUGIN, refused.to_string()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use kubevigil_sources::Refused;

    use super::*;

    /// Takes batches until it has this many.
    struct Shelf(Mutex<Vec<Batch>>, usize);

    #[async_trait]
    impl Intake for Shelf {
        async fn accept(&self, batch: Batch) -> Result<(), Refused> {
            let mut batches = self.0.lock().unwrap();
            if batches.len() == self.1 {
                return Err(Refused::Busy);
            }
            batches.push(batch);
            Ok(())
        }
    }

    fn event(request: Option<&'static [u8]>) -> Arc<AuditEvent> {
        Arc::new(AuditEvent {
            audit_id: "1".to_owned(),
            request_object: request.map(Bytes::from_static),
            ..AuditEvent::default()
        })
    }

    #[tokio::test]
    async fn events_are_kept_or_the_request_learns_of_it() {
        let shelf = Arc::new(Shelf(Mutex::default(), 1));
        let sink = JournalSink::new(shelf.clone());
        sink.emit(&[event(Some(b"{\"a\":1}")), event(Some(b"no JSON"))])
            .await
            .unwrap();
        let refused = sink.emit(&[event(None)]).await.unwrap_err().to_string();
        assert!(refused.starts_with("journal: too many"), "{refused}");
        let batches = shelf.0.lock().unwrap();
        let texts: Vec<_> = batches[0]
            .events
            .iter()
            .map(|arrival| String::from_utf8_lossy(&arrival.raw))
            .collect();
        assert_eq!(batches[0].origin, Origin::Record);
        assert!(texts[0].contains(r#""requestObject":{"a":1}"#) && texts[0].ends_with('}'));
        assert!(texts[1].contains(r#""auditID":"1""#) && !texts[1].contains("requestObject"));
        let counted = sink.counters();
        assert_eq!(
            (
                counted.events.get(),
                counted.refused.get(),
                counted.problems.get()
            ),
            (2, 1, 1)
        );
    }
}
