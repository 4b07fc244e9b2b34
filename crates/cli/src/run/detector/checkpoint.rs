//! What survives the process: the place in the journal of events and everything that detection remembers there, in one transaction.
//!
//! A place without its state would lose what correlations have counted, a state without its place would count events twice. What lies
//! behind a checkpoint is read again after a crash and gives the same alerts with the same identities.
//!
//! A state that cannot be read (damaged, or of a program of another version) does not keep the daemon from starting: whatever watches
//! with empty windows sees more than what does not run. It is said in the log and counted.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Context as _;
use kubevigil_audit::time::Timestamp;
use kubevigil_detect::{Restored, State, StateLimits};
use kubevigil_journal::{CommitError, Journal, Place};
use serde::{Deserialize, Serialize};

use crate::run::detector::READER;
use crate::run::detector::figures::StateFigures;
use crate::run::detector::stream::{Beginning, Stream};
use crate::run::live_rules::Ruling;

/// What correlations remember, as [`State::snapshot`] writes it.
const STATE: &str = "detect.state";
/// The rest, as JSON.
const STREAM: &str = "detect.stream";
/// The version of the rest.
const VERSION: u32 = 1;
/// Names of correlations that one message lists.
const LISTED: usize = 20;

/// The stored form of [`Beginning`].
#[derive(Debug, Deserialize, Serialize)]
struct Stored {
    version: u32,
    events: u64,
    /// Nanoseconds since the Unix epoch.
    first_time: Option<i128>,
}

/// Commits a place with what detection remembers there; gives the size of that.
pub(super) fn write(journal: &Journal, place: Place, stream: &Stream) -> Result<u64, CommitError> {
    let Beginning { events, first_time } = stream.beginning;
    let stored = Stored {
        version: VERSION,
        events,
        first_time: first_time.map(|time| time.nanoseconds),
    };
    // Numbers alone: this cannot fail.
    let beginning = serde_json::to_vec(&stored).unwrap_or_default();
    // As its own blob, the state need not be copied to stand beside anything.
    let state = stream.state.snapshot();
    let blobs = [(STATE, state.as_slice()), (STREAM, beginning.as_slice())];
    journal.commit_all(&[(READER, place)], &blobs)?;
    Ok((state.len() + beginning.len()) as u64)
}

/// The stream as it was committed last. An error is a disk that does not read.
pub(crate) fn read(
    journal: &Journal,
    ruling: Arc<Ruling>,
    limits: StateLimits,
    figures: &StateFigures,
) -> anyhow::Result<Stream> {
    let blob = |name| {
        let folder = journal.dir().display();
        let blob = journal.blob(name);
        blob.with_context(|| format!("cannot read the state of correlations in {folder}"))
    };
    figures.limit.store(limits.bytes as u64, Ordering::Relaxed);
    let state = match blob(STATE)? {
        Some(snapshot) => restore(&ruling, limits, &snapshot, figures),
        None => State::new(&ruling.matcher, limits),
    };
    let beginning = blob(STREAM)?.map_or_else(Beginning::default, |stored| {
        beginning(&stored).unwrap_or_else(|reason| {
            tracing::warn!(
                reason,
                "the number of events so far cannot be read; it begins anew"
            );
            Beginning::default()
        })
    });
    Ok(Stream::new(ruling, state, beginning))
}

fn restore(ruling: &Ruling, limits: StateLimits, snapshot: &[u8], figures: &StateFigures) -> State {
    match State::restore(&ruling.matcher, limits, snapshot) {
        Ok(state) => {
            figures.restored(state.restored());
            report(state.restored());
            state
        }
        Err(error) => {
            figures.unreadable.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(
                reason = error.to_string(),
                "what correlations remembered is lost, and they begin anew: windows are empty, and what is first seen is learned \
                 once more; rules about one event are not concerned"
            );
            State::new(&ruling.matcher, limits)
        }
    }
}

fn beginning(stored: &[u8]) -> Result<Beginning, String> {
    let stored: Stored = serde_json::from_slice(stored).map_err(|error| error.to_string())?;
    if stored.version != VERSION {
        let version = stored.version;
        return Err(format!(
            "it has version {version}, this program reads version {VERSION}"
        ));
    }
    Ok(Beginning {
        events: stored.events,
        first_time: stored
            .first_time
            .map(|nanoseconds| Timestamp { nanoseconds }),
    })
}

/// Says which correlations go on and which begin anew.
pub(super) fn report(restored: &Restored) {
    let Restored { kept, dropped } = restored;
    if !kept.is_empty() {
        tracing::info!(
            correlations = kept.len(),
            "correlations go on where they were"
        );
    }
    if !dropped.is_empty() {
        let names: Vec<&str> = dropped.iter().take(LISTED).map(|name| &**name).collect();
        tracing::info!(
            correlations = dropped.len(),
            ?names,
            "what these correlations remembered is given up: they are gone, or ask something else than before"
        );
    }
}
