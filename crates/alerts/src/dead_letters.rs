//! Alerts that an output could not deliver and never will, kept in a file.
//!
//! One JSON object a line: when, which output, after how many tries, why, and the alert in kubevigil's own shape. Nothing
//! reads the file; it is there for a person, who can post its alerts again once the receiver is mended.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
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

    /// Keeps an alert, given as one line of JSON, durably. After an error it may be kept again.
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
        let is_new = !self.path.try_exists()?;
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path)?;
        if ends_within_a_line(&file)? {
            line.insert(0, b'\n');
        }
        file.write_all(&line)?;
        file.sync_data()?;
        if is_new {
            self.sync_folder()?;
        }
        Ok(())
    }

    /// Makes the file's name durable, too.
    fn sync_folder(&self) -> io::Result<()> {
        let folder = self.path.parent();
        let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

/// Whether a full disk or a crash cut the last letter short: the next one must not continue its line.
fn ends_within_a_line(file: &File) -> io::Result<bool> {
    let Some(last) = file.metadata()?.len().checked_sub(1) else {
        return Ok(false);
    };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    Ok(byte != *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_that_was_cut_short_does_not_spoil_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let letters = DeadLetters::new(folder.path().join("chat.jsonl"), "chat");
        letters.keep(r#"{"id":1}"#, 5, "no").unwrap();
        let whole = std::fs::read_to_string(letters.path()).unwrap();
        let half: String = whole.chars().take(40).collect();
        let torn = format!("{whole}{half}");
        std::fs::write(letters.path(), torn).unwrap();
        letters.keep(r#"{"id":2}"#, 5, "no").unwrap();
        letters.keep(r#"{"id":3}"#, 5, "no").unwrap();
        let text = std::fs::read_to_string(letters.path()).unwrap();
        let alerts: Vec<_> = text
            .lines()
            .map(|line| serde_json::from_str(line).ok())
            .map(|letter: Option<serde_json::Value>| {
                letter.map(|letter| letter["alert"]["id"].clone())
            })
            .collect();
        assert_eq!(
            alerts,
            [Some(1.into()), None, Some(2.into()), Some(3.into())]
        );
    }
}
