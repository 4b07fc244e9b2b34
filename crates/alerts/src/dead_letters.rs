//! Alerts that an output could not deliver and never will, kept in a file.
//!
//! One JSON object a line: when, which output, after how many tries, why, and the alert in kubevigil's own shape. Nothing
//! reads the file; it is there for a person, who can post its alerts again once the receiver is mended.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

/// The dead-letter file of one output.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    path: PathBuf,
    output: String,
}

/// An alert that cannot be delivered.
#[derive(Debug, Serialize)]
struct Letter<'a> {
    time: String,
    output: &'a str,
    tries: u32,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    alert: Option<&'a RawValue>,
    /// An outbox record that is not an alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<&'a str>,
}

impl DeadLetters {
    /// The dead-letter file of this output. The file is made with its first letter; its folder must exist.
    pub fn new(path: PathBuf, output: impl Into<String>) -> Self {
        Self {
            path,
            output: output.into(),
        }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps an alert, given as one line of JSON, durably.
    pub fn keep(&self, alert: &str, tries: u32, reason: &str) -> io::Result<()> {
        let raw: Option<&RawValue> = serde_json::from_str(alert).ok();
        let record = raw.is_none().then_some(alert);
        let letter = Letter {
            time: Timestamp::now().to_string(),
            output: &self.output,
            tries,
            reason,
            alert: raw,
            record,
        };
        let mut line = serde_json::to_vec(&letter)?;
        line.push(b'\n');
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path)?;
        file.write_all(&line)?;
        file.sync_data()
    }
}
