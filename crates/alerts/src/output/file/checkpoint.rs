//! How far a file output got: which file, how many of its bytes count, and what the last batch was.

use std::collections::HashSet;
use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::identity::AlertId;

/// What is remembered on disk, as JSON. Replaced whole (new file, then rename), so it is always one state or the next.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(super) struct Checkpoint {
    /// Which file, whatever it is called by now.
    pub(super) file: FileIdentity,
    /// Bytes before this offset are done with; bytes after it may belong to a batch that was cut short.
    pub(super) offset: u64,
    /// The alerts that stand in the file and may be handed over again all the same.
    pub(super) last_batch: HashSet<AlertId>,
}

/// A file's identity while it exists.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct FileIdentity {
    device: u64,
    inode: u64,
}

impl FileIdentity {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// The place of a checkpoint on disk.
#[derive(Debug)]
pub(super) struct CheckpointFile {
    path: PathBuf,
}

impl CheckpointFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The checkpoint; `None` when there is none, or none that can be understood.
    pub(super) fn load(&self) -> io::Result<Option<Checkpoint>> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let checkpoint = serde_json::from_slice(&text);
        if let Err(error) = &checkpoint {
            let path = self.path.display();
            tracing::warn!(%path, %error, "cannot understand how far a file output got, appending at the end");
        }
        Ok(checkpoint.ok())
    }

    /// Makes the checkpoint durable.
    pub(super) fn save(&self, checkpoint: &Checkpoint) -> io::Result<()> {
        let new = self.path.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(&serde_json::to_vec(checkpoint)?)?;
        file.sync_data()?;
        fs::rename(&new, &self.path)
    }
}
