//! Events from standard input: `kubectl … | kubevigil run`, or any log shipper that can write to a pipe.
//!
//! A line is the unit, as in a followed file. There is no place to go back to: what was read and not accepted when the process ends is
//! lost to it, so the reader never reads ahead of the intake by more than one batch and one buffer (1 MiB), and the pipe holds the writer back.

use std::io::Read;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::counters::SourceCounters;
use crate::delivery::{hand_over, wall_clock};
use crate::file::Limits;
use crate::file::compression::{self, Format};
use crate::file::lines::LineReader;
use crate::file::taken::{Complaints, Taken};
use crate::{Batch, Intake, Origin};

/// The standard input source of the daemon.
#[derive(Debug, Default)]
pub struct Stdin {
    limits: Limits,
    counters: Arc<SourceCounters>,
}

/// Why standard input cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StdinError {
    /// The input is stored in a format that is not read.
    #[error(
        "standard input is compressed with {format}; expected plain text, gzip or zstd; pipe it through {command}"
    )]
    Foreign {
        /// The format's name.
        format: &'static str,
        /// The command that decompresses it.
        command: &'static str,
    },
    /// The system gives no thread to read on.
    #[error("standard input: cannot start a thread: {0}")]
    Thread(std::io::Error),
    /// Reading failed.
    #[error(
        "standard input, line {line}: cannot be read: {reason}; the events before it are stored"
    )]
    Unreadable {
        /// The line that could not be read.
        line: u64,
        /// What the system says.
        reason: std::io::Error,
    },
}

impl Stdin {
    /// A source that reads with these limits.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// What it has counted so far.
    pub fn counters(&self) -> Arc<SourceCounters> {
        Arc::clone(&self.counters)
    }

    /// Reads standard input to its end, or until `shutdown`.
    ///
    /// # Errors
    ///
    /// When standard input cannot be read; what came before is with the intake.
    pub async fn run(
        self,
        intake: Arc<dyn Intake>,
        shutdown: CancellationToken,
    ) -> Result<(), StdinError> {
        self.read(Box::new(std::io::stdin()), intake, shutdown)
            .await
    }

    /// As [`Stdin::run`], from any stream.
    ///
    /// # Errors
    ///
    /// When the stream cannot be read.
    pub async fn read(
        self,
        stream: Box<dyn Read + Send>,
        intake: Arc<dyn Intake>,
        shutdown: CancellationToken,
    ) -> Result<(), StdinError> {
        let (sender, mut batches) = mpsc::channel(1);
        let complaints = Complaints::new(Arc::clone(&self.counters));
        let limits = self.limits;
        // A thread of its own, because a read that waits cannot be cancelled and the runtime waits for its own threads.
        thread::Builder::new()
            .name("stdin".to_owned())
            .spawn(move || read_batches(stream, limits, complaints, &sender))
            .map_err(StdinError::Thread)?;
        while let Some(Some(batch)) = shutdown.run_until_cancelled(batches.recv()).await {
            let batch = batch?;
            if !hand_over(batch.clone(), &*intake, &self.counters, &shutdown).await {
                break;
            }
            self.counters.accepted(&batch);
        }
        let (events, problems) = (self.counters.events.get(), self.counters.problems.get());
        info!(events, problems, "stopped reading standard input");
        Ok(())
    }
}

type Batches = mpsc::Sender<Result<Batch, StdinError>>;

/// Reads until the stream ends or nobody wants the batches.
fn read_batches(
    stream: Box<dyn Read + Send>,
    limits: Limits,
    mut complaints: Complaints,
    batches: &Batches,
) {
    let begin = Instant::now();
    let result = text_of(stream).and_then(|text| {
        let mut lines = LineReader::new(text, limits.line);
        loop {
            complaints.now = begin.elapsed();
            let batch = next_batch(&mut lines, Taken::new(limits, &mut complaints))?;
            if batch.is_none_or(|batch| batches.blocking_send(Ok(batch)).is_err()) {
                return Ok(());
            }
        }
    });
    if let Err(error) = result {
        // When nobody listens, the process is ending.
        let _ended = batches.blocking_send(Err(error));
    }
}

fn text_of(stream: Box<dyn Read + Send>) -> Result<Box<dyn Read + Send>, StdinError> {
    let failed = |reason| StdinError::Unreadable { line: 1, reason };
    match compression::decode(stream).map_err(failed)? {
        (Format::Foreign(format, command), _) => Err(StdinError::Foreign { format, command }),
        (_, text) => Ok(text),
    }
}

/// Waits for a line, and takes those that came with it. `None` at the end.
fn next_batch(
    lines: &mut LineReader<Box<dyn Read + Send>>,
    mut taken: Taken<'_>,
) -> Result<Option<Batch>, StdinError> {
    let name: Arc<str> = "standard input".into();
    while taken.events.is_empty() {
        let next = lines.next_or_last();
        let line = lines.place().lines + 1;
        let next = next.map_err(|reason| StdinError::Unreadable { line, reason })?;
        let Some(item) = next else {
            return Ok(None);
        };
        taken.item(&name, item);
        while !taken.is_full()
            && let Some(item) = lines.next_buffered()
        {
            taken.item(&name, item);
        }
    }
    Ok(Some(Batch {
        origin: Origin::Stdin,
        received: wall_clock(),
        events: taken.events,
    }))
}
