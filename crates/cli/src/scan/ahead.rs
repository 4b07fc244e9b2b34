//! Reads ahead: a thread of its own decompresses and takes events apart while another matches them.
//!
//! Both cost about the same, so two cores share the work evenly, and the channel costs nothing that can be measured. Events travel
//! in batches, since handing them over one by one would cost as much as it saves. What is under way is bounded: [`WAITING`] batches of [`BATCH_BYTES`], or of
//! one event where that is larger.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use anyhow::bail;
use kubevigil_sources::file::scan::{Events, Found};

/// The most findings in a batch.
const BATCH: usize = 512;
/// A batch that holds so many bytes is full.
const BATCH_BYTES: usize = 1 << 20;
/// So many batches wait at most.
const WAITING: usize = 4;

/// The batches of one input, in order.
pub(crate) struct Ahead {
    batches: Receiver<Vec<Found>>,
    reader: JoinHandle<()>,
}

impl Ahead {
    /// Begins to read. The thread ends when everything is read or nobody wants more.
    pub(crate) fn of(events: Events) -> Self {
        let (sender, batches) = sync_channel(WAITING);
        let reader = std::thread::spawn(move || send(events, &sender));
        Self { batches, reader }
    }

    /// Gives all batches to `take`, until it fails. A reader that blocks on a pipe is left behind then: the process is about to end.
    pub(crate) fn for_each(
        self,
        mut take: impl FnMut(Vec<Found>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.batches.into_iter().try_for_each(&mut take)?;
        if self.reader.join().is_err() {
            bail!("reading stopped in the middle of the input; please report this");
        }
        Ok(())
    }
}

fn send(events: Events, sender: &SyncSender<Vec<Found>>) {
    let (mut batch, mut bytes) = (Vec::with_capacity(BATCH), 0);
    for found in events {
        bytes += match &found {
            Found::Event(arrival) => arrival.raw.len(),
            Found::Problem(_) => 0,
        };
        batch.push(found);
        if batch.len() < BATCH && bytes < BATCH_BYTES {
            continue;
        }
        bytes = 0;
        let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
        if sender.send(full).is_err() {
            return;
        }
    }
    // Nobody wants more when this fails, which is no failure of the reader.
    drop(sender.send(batch));
}
