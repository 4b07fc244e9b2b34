//! The log backend: a line for every event, in a file that is rotated as the API server does it (spec 9).
//!
//! Tools that follow a kube-apiserver's log know its file names, its limits and what happens to old files. So all of that is
//! imitated to the byte, with three oddities that hurt nobody who does not look for them left out: a new file is opened for
//! appending after a rotation, too, so that truncating it from outside leaves no hole; two files that are put aside within a
//! millisecond get two names; and if the path is a link, the file behind it is put aside and not the link.
//!
//! `/dev/stdout` is standard output, as `-` is. As a path it could not be opened where standard output is a socket, as below systemd.

mod backups;
mod file;
mod place;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::auditing::wall_clock;
use crate::encode::{json_line, legacy_line};
use crate::event::AuditEvent;
use crate::sink::{ErrorCounters, Events, Sink, SinkError};

pub use crate::log::file::{RotatingFile, WriteError};
pub use crate::log::place::LogError;

/// Paths that mean standard output.
const STDOUT: [&str; 4] = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

/// How lines look (`--audit-log-format`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LogFormat {
    /// An event as JSON.
    #[default]
    Json,
    /// The line from before events were JSON.
    Legacy,
}

impl LogFormat {
    /// The event as a line, with its line feed.
    pub(crate) fn line(self, event: &AuditEvent) -> Result<Vec<u8>, String> {
        match self {
            Self::Json => json_line(event).map_err(|fault| fault.to_string()),
            Self::Legacy => Ok(legacy_line(event).into_bytes()),
        }
    }
}

/// Where the log is and how much of it is kept; the flags `--audit-log-*` with their defaults of Kubernetes 1.36.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogOptions {
    /// The file; `-` or `/dev/stdout` for standard output, which is never rotated.
    pub path: PathBuf,
    /// How lines look.
    pub format: LogFormat,
    /// The longest file in MiB; 0 for no rotation.
    pub max_size: u64,
    /// How many rotated files are kept; 0 for all.
    pub max_backups: usize,
    /// How many days rotated files are kept; 0 for ever.
    pub max_age: u64,
    /// Whether rotated files are compressed.
    pub compress: bool,
}

impl LogOptions {
    /// The server's defaults for a file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            format: LogFormat::Json,
            max_size: 100,
            max_backups: 100,
            max_age: 366,
            compress: false,
        }
    }

    /// Whether lines go to standard output.
    pub fn is_stdout(&self) -> bool {
        STDOUT.iter().any(|path| self.path.as_os_str() == *path)
    }

    /// Whether the log could be opened. Leaves no trace; what a start would see besides is whether a pipe has a reader, and whether another
    /// gateway writes the same file.
    ///
    /// # Errors
    ///
    /// When the file cannot be written, or not be made.
    pub fn check(&self) -> Result<(), LogError> {
        if self.is_stdout() {
            return Ok(());
        }
        place::check(&self.path)
    }
}

/// The sink `log`.
pub struct LogSink {
    format: LogFormat,
    output: Mutex<Output>,
    counters: Arc<ErrorCounters>,
}

enum Output {
    Stdout,
    File(RotatingFile),
}

impl LogSink {
    /// Makes the file's folder (0700) and the file (0600) if they are not there.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened for writing.
    pub fn open(options: &LogOptions, counters: Arc<ErrorCounters>) -> Result<Self, LogError> {
        let output = if options.is_stdout() {
            Output::Stdout
        } else {
            Output::File(RotatingFile::new(options)?)
        };
        Ok(Self {
            format: options.format,
            output: Mutex::new(output),
            counters,
        })
    }

    fn write(&self, event: &AuditEvent) -> Result<(), String> {
        let line = self.format.line(event)?;
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *output {
            Output::Stdout => {
                let mut stdout = io::stdout().lock();
                let written = stdout.write_all(&line).and_then(|()| stdout.flush());
                written.map_err(|error| error.to_string())
            }
            Output::File(file) => file
                .write(&line, wall_clock())
                .map_err(|error| error.to_string()),
        }
    }
}

#[async_trait]
impl Sink for LogSink {
    fn name(&self) -> String {
        "log".to_owned()
    }

    async fn emit(&self, events: Events<'_>) -> Result<(), SinkError> {
        let mut result = Ok(());
        for event in events {
            if let Err(error) = self.write(event) {
                self.counters.add("log", 1);
                tracing::error!(error, event = legacy_line(event), "an audit event was lost");
                result = Err(SinkError::new("log", error));
            }
        }
        result
    }

    async fn shutdown(&self) {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        if let Output::File(file) = &mut *output {
            file.close();
        }
    }
}
