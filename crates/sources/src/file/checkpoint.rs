//! The places reached in followed files, kept over restarts.
//!
//! One small JSON file, replaced as a whole: written beside, synced, renamed, and the folder synced, so that a crash leaves the old
//! or the new one and never half of one. It is written after the intake has the events: a crash in between repeats events,
//! which the journal recognises, and loses none. A checkpoint that cannot be read stops the start instead of being passed over,
//! because starting over would repeat months of events or skip them.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::fingerprint::Fingerprint;
use super::fs::FileId;
use super::lines::Place;

/// The version of the form; a form with another number is refused.
const VERSION: u32 = 1;

/// The places in all followed files.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    version: u32,
    /// The logs that are followed.
    pub logs: Vec<SavedLog>,
    /// Files that were read to their end; known so that they are not read again under another name. The oldest first.
    pub done: Vec<SavedFile>,
}

/// A log: a path and the files that had its name one after another.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SavedLog {
    /// The path.
    pub path: PathBuf,
    /// The time in the name of the last backup that was read to its end or was older than the beginning.
    pub since: String,
    /// The files that are not read to their end, the oldest first.
    pub files: Vec<SavedFile>,
}

/// A place in a file.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SavedFile {
    /// Which file.
    pub id: FileId,
    /// What it begins with.
    pub fingerprint: Fingerprint,
    /// Bytes of its text that are safe with the intake.
    pub offset: u64,
    /// Lines in those bytes.
    pub lines: u64,
}

/// Why the places are not known or not kept.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file cannot be read.
    #[error(
        "{path}: cannot read the places reached in followed files: {reason}; check the permissions of the state directory"
    )]
    Read {
        /// The checkpoint file.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// The file is not a checkpoint.
    #[error(
        "{path}: expected the places reached in followed files, found something else: {reason}; move the file away to begin as the setting `from` says"
    )]
    Form {
        /// The checkpoint file.
        path: PathBuf,
        /// What is wrong with it.
        reason: serde_json::Error,
    },
    /// The file was written by another version.
    #[error(
        "{path}: has version {found}, expected {VERSION}; it was written by another version of kubevigil, run that one or move the file away"
    )]
    Version {
        /// The checkpoint file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// The file cannot be written.
    #[error(
        "{path}: cannot keep the places reached in followed files: {reason}; after a restart events since the last success come again"
    )]
    Write {
        /// The checkpoint file.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
}

impl Default for Checkpoint {
    fn default() -> Self {
        Self::new(Vec::new(), Vec::new())
    }
}

impl SavedFile {
    /// The place after the last line that is safe.
    pub fn place(&self) -> Place {
        Place {
            offset: self.offset,
            lines: self.lines,
        }
    }
}

impl Checkpoint {
    /// The places in `logs` and in the files that are `done`.
    pub fn new(logs: Vec<SavedLog>, done: Vec<SavedFile>) -> Self {
        Self {
            version: VERSION,
            logs,
            done,
        }
    }

    /// Reads the checkpoint; an empty one when there is none yet.
    ///
    /// # Errors
    ///
    /// When it is there and cannot be understood.
    pub fn load(path: &Path) -> Result<Self, CheckpointError> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(reason) => {
                let path = path.to_owned();
                return Err(CheckpointError::Read { path, reason });
            }
        };
        let form = |reason| CheckpointError::Form {
            path: path.to_owned(),
            reason,
        };
        let found = serde_json::from_slice::<Versioned>(&text).map_err(form)?;
        if found.version != VERSION {
            return Err(CheckpointError::Version {
                path: path.to_owned(),
                found: found.version,
            });
        }
        serde_json::from_slice(&text).map_err(form)
    }

    /// Replaces the checkpoint on disk.
    ///
    /// # Errors
    ///
    /// When the disk does not take it; the old one is still there.
    pub fn save(&self, path: &Path) -> Result<(), CheckpointError> {
        self.replace(path).map_err(|reason| CheckpointError::Write {
            path: path.to_owned(),
            reason,
        })
    }

    fn replace(&self, path: &Path) -> io::Result<()> {
        let beside = path.with_extension("new");
        let mut file = File::create(&beside)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

/// What every version has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved() -> Checkpoint {
        let file = SavedFile {
            id: FileId {
                device: 1,
                inode: u64::MAX,
            },
            fingerprint: Fingerprint {
                at: 0,
                length: 3,
                digest: "6437b3ac38465133ffb63b75273a8db5".to_owned(),
            },
            offset: 7,
            lines: 2,
        };
        let log = SavedLog {
            path: "/var/log/kubernetes/audit.log".into(),
            since: "2026-07-23T18-32-12.123".to_owned(),
            files: vec![file.clone()],
        };
        Checkpoint::new(vec![log], vec![file])
    }

    #[test]
    fn what_was_kept_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("files.json");
        assert_eq!(Checkpoint::load(&path).unwrap(), Checkpoint::default());
        saved().save(&path).unwrap();
        assert_eq!(Checkpoint::load(&path).unwrap(), saved());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_checkpoint_that_cannot_be_understood_is_not_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("files.json");
        let cases = [
            ("", "expected the places"),
            (
                "{\"version\":1,\"logs\":[],\"done\":[],\"more\":1}",
                "unknown field `more`",
            ),
            ("{\"version\":2,\"other\":[]}", "has version 2, expected 1"),
        ];
        for (text, expected) in cases {
            fs::write(&path, text).unwrap();
            let error = Checkpoint::load(&path).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
