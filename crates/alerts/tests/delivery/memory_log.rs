//! An outbox in memory: its places outlive couriers, as those on disk outlive processes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use kubevigil_alerts::Alert;
use kubevigil_alerts::outbox::{AlertLog, AlertReader, LogError, Place, Record, Waiting, encode};
use tokio::sync::Notify;
use tokio::time::timeout;

#[derive(Clone, Default)]
pub(crate) struct MemoryLog(Arc<Shared>);

#[derive(Default)]
struct Shared {
    records: Mutex<Vec<Bytes>>,
    /// How many records each reader is done with.
    done: Mutex<HashMap<String, usize>>,
    /// How many of the next commits fail.
    failing_commits: Mutex<usize>,
    news: Notify,
}

struct MemoryReader {
    log: MemoryLog,
    name: String,
}

impl MemoryLog {
    pub(crate) fn of(alerts: impl IntoIterator<Item = Alert>) -> Self {
        let log = Self::default();
        alerts.into_iter().for_each(|alert| log.append(&alert));
        log
    }

    pub(crate) fn append(&self, alert: &Alert) {
        self.append_raw(encode(alert));
    }

    pub(crate) fn append_raw(&self, record: Bytes) {
        self.0.records.lock().unwrap().push(record);
        self.0.news.notify_waiters();
    }

    pub(crate) fn fail_commits(&self, number: usize) {
        *self.0.failing_commits.lock().unwrap() = number;
    }

    /// How many records the reader is done with.
    pub(crate) fn done(&self, reader: &str) -> usize {
        self.0
            .done
            .lock()
            .unwrap()
            .get(reader)
            .copied()
            .unwrap_or_default()
    }

    fn lag(&self, reader: &str) -> u64 {
        (self.0.records.lock().unwrap().len() - self.done(reader)) as u64
    }

    fn after(&self, done: usize, limit: usize) -> Vec<Record> {
        let records = self.0.records.lock().unwrap();
        let numbered = records.iter().zip(0..).skip(done).take(limit);
        numbered
            .map(|(payload, number)| Record {
                place: Place::new(number),
                payload: payload.clone(),
            })
            .collect()
    }
}

impl AlertLog for MemoryLog {
    fn reader(&self, name: &str) -> Result<Box<dyn AlertReader>, LogError> {
        Ok(Box::new(MemoryReader {
            log: self.clone(),
            name: name.to_owned(),
        }))
    }
}

#[async_trait]
impl AlertReader for MemoryReader {
    async fn read(&mut self, limit: usize, patience: Duration) -> Result<Vec<Record>, LogError> {
        let news = self.log.0.news.notified();
        if self.log.lag(&self.name) == 0 {
            let _ = timeout(patience, news).await;
        }
        Ok(self.log.after(self.log.done(&self.name), limit))
    }

    async fn commit(&mut self, place: Place) -> Result<(), LogError> {
        let mut failing = self.log.0.failing_commits.lock().unwrap();
        if let Some(left) = failing.checked_sub(1) {
            *failing = left;
            return Err(LogError::Trouble("the disk is full".to_owned()));
        }
        let done = usize::try_from(place.number()).unwrap() + 1;
        assert!(done > self.log.done(&self.name), "commits go forward");
        self.log
            .0
            .done
            .lock()
            .unwrap()
            .insert(self.name.clone(), done);
        Ok(())
    }

    async fn waiting(&mut self) -> Waiting {
        Waiting {
            lag: self.log.lag(&self.name),
            lost: 0,
        }
    }
}
