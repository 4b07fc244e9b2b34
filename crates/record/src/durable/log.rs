//! The log as a durable backend.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::delivers::{Delivers, DeliveryError, Pace};
use super::tail::{Mark, Met, Tail};
use crate::auditing::wall_clock;
use crate::event::AuditEvent;
use crate::log::{LogError, LogFormat, LogOptions, RotatingFile, WriteError};
use crate::sink::SinkError;

const PLUGIN: &str = "log";
const PACE: Pace = Pace {
    events: 4_096,
    bytes: 4 << 20,
    gather: Duration::from_millis(20),
    settle: Duration::from_secs(1),
};
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A log that gets each event exactly once, whatever is killed in between.
///
/// Lines are written as they come and synced once a second; then the journal learns, in one transaction, up to which event
/// that is and how long the file is. What a crash leaves in the file behind that is compared with the events that come next: those
/// that are there already are passed over, and half a line is completed. So it is after a write that failed
/// half-way, as on a full disk. Before a file is put aside everything is settled, so that only the current file has such an end.
///
/// The file is put aside as in the other modes, but for the first write of a process, which has no rule of its own here. A
/// file that was moved away or deleted is noticed, and a new one begun.
///
/// What may be repeated is the last second before a crash, on standard output or whatever else cannot be read back, and in a
/// file that somebody else moved away in that second.
pub struct LogDelivery {
    format: LogFormat,
    limit: Option<u64>,
    output: Arc<Mutex<Output>>,
}

enum Output {
    Stdout,
    File(Box<Written>),
}

/// A file and what is known of it.
struct Written {
    file: RotatingFile,
    /// What the journal knows.
    settled: Mark,
    /// Behind the last line that is delivered.
    here: Mark,
    /// Lines behind `here` that may be there already.
    tail: Option<Tail>,
}

/// What was there already.
#[derive(Default)]
struct Passed {
    /// How many of the first lines.
    known: usize,
    /// Behind them stands something that is no line of ours.
    is_strange: bool,
}

impl LogDelivery {
    /// Makes the file's folder (0700) and the file (0600) if they are not there.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened for writing.
    pub fn open(options: &LogOptions) -> Result<Self, LogError> {
        let (limit, output) = if options.is_stdout() {
            (None, Output::Stdout)
        } else {
            let file = RotatingFile::new(options)?;
            (file.limit(), Output::File(Box::new(Written::new(file))))
        };
        Ok(Self {
            format: options.format,
            limit,
            output: Arc::new(Mutex::new(output)),
        })
    }

    /// Runs work on the output off the runtime's threads.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Output) -> Result<T, DeliveryError> + Send + 'static,
    ) -> Result<T, DeliveryError> {
        let output = Arc::clone(&self.output);
        let locked = move || work(&mut hold(&output));
        match tokio::task::spawn_blocking(locked).await {
            Ok(done) => done,
            Err(error) => Err(DeliveryError::new(error.to_string())),
        }
    }
}

#[async_trait]
impl Delivers for LogDelivery {
    fn plugin(&self) -> &'static str {
        PLUGIN
    }

    fn encode(&self, event: &AuditEvent) -> Result<Bytes, SinkError> {
        let line = self
            .format
            .line(event)
            .map_err(|fault| SinkError::new(PLUGIN, fault))?;
        let length = line.len() as u64;
        match self.limit {
            Some(limit) if length > limit => {
                let error = WriteError::TooLong { length, limit };
                Err(SinkError::new(PLUGIN, error.to_string()))
            }
            _ => Ok(line.into()),
        }
    }

    fn pace(&self) -> Pace {
        PACE
    }

    fn pause(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(8);
        FIRST_PAUSE
            .saturating_mul(1 << doublings)
            .min(LONGEST_PAUSE)
    }

    async fn begin(&self, mark: &[u8]) -> Result<Vec<u8>, DeliveryError> {
        let mark = Mark::from_bytes(mark);
        self.blocking(move |output| match output {
            Output::Stdout => Ok(Vec::new()),
            Output::File(written) => Ok(written.begin(mark)?.to_bytes()),
        })
        .await
    }

    async fn deliver(&self, events: &[Bytes]) -> Result<usize, DeliveryError> {
        let lines = events.to_vec();
        self.blocking(move |output| match output {
            Output::Stdout => print(&lines).map_err(DeliveryError::from),
            Output::File(written) => written.deliver(&lines).map_err(|error| {
                let path = written.file.path().display();
                DeliveryError::new(format!("cannot write {path}: {error}"))
            }),
        })
        .await
    }

    async fn settle(&self) -> Result<Vec<u8>, DeliveryError> {
        self.blocking(|output| match output {
            Output::Stdout => Ok(Vec::new()),
            Output::File(written) => Ok(written.settle()?.to_bytes()),
        })
        .await
    }

    async fn close(&self) {
        let closed = self.blocking(|output| {
            if let Output::File(written) = output {
                written.file.close();
            }
            Ok(())
        });
        let _ = closed.await;
    }
}

impl Written {
    fn new(file: RotatingFile) -> Self {
        Self {
            file,
            settled: Mark::default(),
            here: Mark::default(),
            tail: None,
        }
    }

    /// Without a mark, what the file holds now is settled.
    fn begin(&mut self, mark: Option<Mark>) -> io::Result<Mark> {
        let mark = match mark {
            Some(mark) => mark,
            None => {
                let entered = self.file.enter(wall_clock())?;
                self.file.leave();
                Mark {
                    inode: entered.inode,
                    offset: entered.size,
                }
            }
        };
        self.here = mark;
        self.settled = mark;
        Ok(mark)
    }

    fn deliver(&mut self, lines: &[Bytes]) -> io::Result<usize> {
        let delivered = self.pass_over(lines).and_then(|passed| {
            let Passed { known, is_strange } = passed;
            if is_strange {
                // What comes behind would not be found again there by the next life, if this one ends before it is settled.
                return Ok(known);
            }
            let rest = lines.get(known..).unwrap_or_default();
            Ok(known + self.append(rest, known > 0)?)
        });
        if delivered.is_err() {
            self.forget();
        }
        delivered
    }

    /// How many of the first lines are in the file already, the last of them perhaps only now.
    fn pass_over(&mut self, lines: &[Bytes]) -> io::Result<Passed> {
        let entered = self.file.enter(wall_clock())?;
        let mut passed = Passed::default();
        let Some(first) = lines.first() else {
            return Ok(passed);
        };
        if entered.is_new && entered.is_regular {
            let file = File::open(self.file.path())?;
            self.tail = Some(Tail::find(file, entered.inode, self.here, first)?);
        }
        while let (Some(tail), Some(line)) = (&mut self.tail, lines.get(passed.known)) {
            let met = tail.meet(line)?;
            let is_torn = met == Met::Other && tail.is_torn()?;
            match met {
                Met::Whole => passed.known += 1,
                Met::Part(length) => {
                    self.tail = None;
                    self.file.add(line.get(length..).unwrap_or_default())?;
                    passed.known += 1;
                }
                Met::Other => {
                    passed.is_strange = tail.is_strange();
                    self.tail = None;
                }
            }
            if is_torn {
                self.file.add(b"\n")?;
            }
        }
        self.arrive(entered.inode);
        Ok(passed)
    }

    /// Appends lines up to where the file has to be put aside; how many.
    fn append(&mut self, lines: &[Bytes], has_new: bool) -> io::Result<usize> {
        let mut text = Vec::new();
        let mut taken = 0;
        for line in lines {
            if self.file.is_full_for(text.len() as u64, line.len() as u64) {
                if has_new || taken > 0 || self.here != self.settled {
                    break;
                }
                let entered = self.file.put_aside(wall_clock())?;
                self.here.inode = entered.inode;
            }
            text.extend_from_slice(line);
            taken += 1;
        }
        self.file.add(&text)?;
        self.arrive(self.here.inode);
        Ok(taken)
    }

    /// Notes how far the file is written.
    fn arrive(&mut self, inode: u64) {
        let offset = self.tail.as_ref().map(Tail::at);
        self.here = Mark {
            inode,
            offset: offset.unwrap_or_else(|| self.file.size()),
        };
    }

    fn settle(&mut self) -> io::Result<Mark> {
        if let Err(error) = self.file.sync() {
            self.here = self.settled;
            self.forget();
            return Err(error);
        }
        self.settled = self.here;
        Ok(self.settled)
    }

    /// What the file holds behind the last delivered line has to be found out again.
    fn forget(&mut self) {
        self.file.leave();
        self.tail = None;
    }
}

fn print(lines: &[Bytes]) -> io::Result<usize> {
    let mut stdout = io::stdout().lock();
    for line in lines {
        stdout.write_all(line)?;
    }
    stdout.flush()?;
    Ok(lines.len())
}

fn hold(output: &Mutex<Output>) -> MutexGuard<'_, Output> {
    output.lock().unwrap_or_else(PoisonError::into_inner)
}
