//! From the sources into the journal.

use async_trait::async_trait;
use kubevigil_journal::{AppendError, Journal, NewRecord, WriteErrorKind};
use kubevigil_sources::envelope::Envelope;
use kubevigil_sources::{Batch, Intake, Refused};

/// Makes batches durable in the journal of events.
///
/// A record's key is a digest of the event's bytes, so an event that is sent again is recognised by its content and written once.
/// Never by its auditID: clients choose that, and could hide an event behind another's.
#[derive(Debug)]
pub(crate) struct JournalIntake {
    journal: Journal,
}

/// Hashing and copying more than this on a runtime thread would hold up its other connections.
const INLINE_BYTES: usize = 1 << 20;

impl JournalIntake {
    pub(crate) fn new(journal: Journal) -> Self {
        Self { journal }
    }
}

#[async_trait]
impl Intake for JournalIntake {
    async fn accept(&self, batch: Batch) -> Result<(), Refused> {
        let bytes: usize = batch.events.iter().map(|arrival| arrival.raw.len()).sum();
        let records = if bytes <= INLINE_BYTES {
            records(&batch)
        } else {
            let hashing = tokio::task::spawn_blocking(move || records(&batch));
            hashing.await.map_err(|error| {
                Refused::Storage(format!("preparing the events failed: {error}"))
            })?
        };
        let ticket = self
            .journal
            .append(records)
            .map_err(|error| refused(&error))?;
        match ticket.await {
            Ok(_) => Ok(()),
            Err(error) if error.kind == WriteErrorKind::Stopped => Err(Refused::Stopping),
            Err(error) => Err(Refused::Storage(error.to_string())),
        }
    }
}

fn refused(error: &AppendError) -> Refused {
    match error {
        AppendError::Full { .. } => Refused::Busy,
        AppendError::Stopped => Refused::Stopping,
        other => Refused::Storage(other.to_string()),
    }
}

fn records(batch: &Batch) -> Vec<NewRecord> {
    let record = |arrival| {
        NewRecord::keyed(
            content_key(arrival),
            Envelope::encode(&batch.origin, batch.received, arrival),
        )
    };
    batch.events.iter().map(record).collect()
}

/// The first half of the BLAKE3 digest of the event's bytes: no two different events can be made to share it.
fn content_key(arrival: &kubevigil_sources::Arrival) -> [u8; 16] {
    let digest = blake3::hash(&arrival.raw);
    let mut key = [0; 16];
    key.iter_mut()
        .zip(digest.as_bytes())
        .for_each(|(byte, digest)| *byte = *digest);
    key
}
