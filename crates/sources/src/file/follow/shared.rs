//! What the logs of one source share: the file system, the clock, and the memory of files that were read.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::settings::FollowSettings;
use super::tail::Opened;
use crate::file::checkpoint::SavedFile;
use crate::file::fs::{FileId, FileSystem, Kind};
use crate::file::lines::Place;
use crate::file::open::OpenError;
use crate::file::taken::Complaints;

/// What all logs of one source share.
pub(super) struct Shared<S: FileSystem> {
    pub(super) fs: S,
    pub(super) settings: FollowSettings,
    pub(super) now: Duration,
    pub(super) complaints: Complaints,
    /// Files read to their end, the oldest first.
    pub(super) done: Vec<SavedFile>,
    /// The open files of all logs.
    pub(super) open: Vec<FileId>,
    /// Whether something changed that a restart must know.
    pub(super) changed: bool,
}

/// So many finished files are remembered.
const REMEMBERED: usize = 1000;

impl<S: FileSystem> Shared<S> {
    /// Opens a file; the error says what to do.
    pub(super) fn open_file(&self, path: &Path) -> io::Result<Opened<S::File>> {
        let name = path.to_string_lossy().into();
        let opened = self.fs.open(path);
        opened
            .and_then(|file| Opened::new(name, file, &self.settings))
            .map_err(|error| {
                let kind = error.kind();
                io::Error::new(kind, OpenError::of(path, error))
            })
    }

    /// The names of the regular files in the folder of `path`, sorted.
    pub(super) fn names_beside(&self, path: &Path) -> io::Result<Vec<String>> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let entries = self.fs.list(folder.unwrap_or(Path::new(".")))?;
        let files = entries
            .into_iter()
            .filter(|entry| matches!(entry.kind, Kind::File));
        let mut names: Vec<_> = files
            .filter_map(|entry| entry.name.into_string().ok())
            .collect();
        names.sort();
        Ok(names)
    }

    /// Keeps in mind how far a file was read that is let go.
    pub(super) fn remember(&mut self, file: SavedFile) {
        self.changed = true;
        if file.offset == 0 {
            return;
        }
        self.done.push(file);
        let extra = self.done.len().saturating_sub(REMEMBERED);
        self.done.drain(..extra);
    }
}

/// How far a text was read before, when it is one of those that are known; it is then known no more.
pub(super) fn take_place<F>(
    known: &mut Vec<SavedFile>,
    opened: &Opened<F>,
    full_length: usize,
) -> Option<Place> {
    let head = &opened.head;
    let at = known.iter().position(|file| {
        // Without a first byte to compare, the number alone proves nothing.
        let telling = file.fingerprint.length > 0;
        let same = telling && file.id == opened.stat.id && file.fingerprint.begins(head);
        same || file.fingerprint.is_copied(head, file.offset, full_length)
    })?;
    Some(known.remove(at).place())
}
