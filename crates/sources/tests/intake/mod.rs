//! An intake that keeps what it is given.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use kubevigil_sources::{Batch, Intake, Refused};

/// Accepts batches after it has refused some.
#[derive(Default)]
pub(crate) struct Collector {
    batches: Mutex<Vec<Batch>>,
    refusals: AtomicU32,
}

#[async_trait]
impl Intake for Collector {
    async fn accept(&self, batch: Batch) -> Result<(), Refused> {
        let fewer = |left: u32| left.checked_sub(1);
        let (now, then) = (Ordering::SeqCst, Ordering::SeqCst);
        if self.refusals.fetch_update(now, then, fewer).is_ok() {
            return Err(Refused::Busy);
        }
        self.batches.lock().unwrap().push(batch);
        Ok(())
    }
}

impl Collector {
    pub(crate) fn refusing(times: u32) -> Self {
        let refusals = AtomicU32::new(times);
        Self {
            refusals,
            ..Self::default()
        }
    }

    pub(crate) fn batches(&self) -> Vec<Batch> {
        self.batches.lock().unwrap().clone()
    }

    /// The line and the audit ID of every event, in order of arrival.
    pub(crate) fn lines(&self) -> Vec<(u64, String)> {
        let batches = self.batches();
        let events = batches.iter().flat_map(|batch| &batch.events);
        events
            .map(|event| {
                let value: serde_json::Value = serde_json::from_slice(&event.raw).unwrap();
                (event.line, value["auditID"].as_str().unwrap().to_owned())
            })
            .collect()
    }

    /// Waits until so many events are there; half a minute at most.
    pub(crate) async fn wait_for(&self, events: usize) {
        for _ in 0..3000 {
            if self.lines().len() >= events {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
