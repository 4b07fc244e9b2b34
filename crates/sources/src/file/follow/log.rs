//! One log: a path, and the files that have its name one after another.
//!
//! The files wait in a queue, the oldest first. When the path leads to another file than before, the folder is searched for what
//! came in between: files known by number or by what they begin with, and backups by name that are younger than the last
//! one finished (`since`). All are opened at once, before the API server's housekeeping can delete them: an open
//! file stays readable.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::{info, warn};

use super::settings::From;
use super::shared::{Shared, take_place};
use super::tail::{Look, Opened, Reading, Tail};
use crate::file::backup::Backup;
use crate::file::checkpoint::{SavedFile, SavedLog};
use crate::file::fs::{FileId, FileSystem, Handle, Kind};
use crate::file::lines::Place;
use crate::file::taken::Taken;

/// A followed path.
pub(super) struct Log<F> {
    pub(super) path: PathBuf,
    /// The time in the name of the last backup that need not be read; not known before the log was found.
    since: Option<String>,
    pub(super) tails: Vec<Tail<F>>,
    /// Known from before a restart, and not found again yet.
    saved: Vec<SavedFile>,
    start: Start,
    missing_since: Option<Duration>,
    complaint: String,
}

/// What is known of a log when it is found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Start {
    /// Nothing: begin with the file that has the path, as the setting says.
    New(From),
    /// Nothing, and its backups are asked for.
    NewWithBackups,
    /// It was followed before.
    Known,
}

impl<F: Handle> Log<F> {
    pub(super) fn new(path: PathBuf, start: Start) -> Self {
        Self {
            path,
            since: None,
            tails: Vec::new(),
            saved: Vec::new(),
            start,
            missing_since: None,
            complaint: String::new(),
        }
    }

    /// A log as it was before a restart. A file of which nothing was read tells nothing.
    pub(super) fn restore(saved: SavedLog) -> Self {
        let read = saved.files.into_iter().filter(|file| file.offset > 0);
        Self {
            since: Some(saved.since),
            saved: read.collect(),
            ..Self::new(saved.path, Start::Known)
        }
    }

    /// What to keep over a restart.
    pub(super) fn saved(&self) -> SavedLog {
        let open = self.tails.iter().map(Tail::saved);
        SavedLog {
            path: self.path.clone(),
            since: self.since.clone().unwrap_or_default(),
            files: self.saved.iter().cloned().chain(open).collect(),
        }
    }

    /// Whether it has no file any more and may be forgotten.
    pub(super) fn is_gone(&self) -> bool {
        self.tails.is_empty() && self.saved.is_empty() && self.missing_since.is_some()
    }

    /// Looks for growth, truncation and rotation. An error is told once and tried again next time.
    pub(super) fn poll<S: FileSystem<File = F>>(&mut self, shared: &mut Shared<S>) {
        let result = self.look(shared).and_then(|()| self.find(shared));
        let complaint = match result {
            Ok(()) => String::new(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => error.to_string(),
        };
        if complaint != self.complaint && !complaint.is_empty() {
            let path = self.path.display();
            warn!(%path, reason = complaint, "cannot follow a log, trying again");
        }
        self.complaint = complaint;
    }

    fn look<S: FileSystem<File = F>>(&mut self, shared: &mut Shared<S>) -> io::Result<()> {
        for tail in &mut self.tails {
            let look = tail.look(shared.now, &shared.settings)?;
            if let Look::Truncated(before) = look {
                info!(file = %tail.name, read = before.offset, "truncated in place, reading from its start");
                shared.complaints.counters.truncations.add(1);
                shared.remember(before);
            }
        }
        Ok(())
    }

    /// Finds out which file has the path now, and when it is another one, what came in between.
    fn find<S: FileSystem<File = F>>(&mut self, shared: &mut Shared<S>) -> io::Result<()> {
        let current = match shared.fs.stat(&self.path) {
            Ok(stat) => Some(stat),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let Some(stat) = current else {
            self.missing_since.get_or_insert(shared.now);
            return if self.saved.is_empty() {
                Ok(())
            } else {
                self.search(shared)
            };
        };
        self.missing_since = None;
        if stat.kind != Kind::File {
            return Err(io::Error::other(
                "expected a regular file; name the files in a directory with a pattern",
            ));
        }
        let last = self.tails.last();
        let same = last.is_some_and(|tail| !tail.rotated && tail.id == stat.id);
        let elsewhere = last.is_none_or(|tail| tail.rotated) && shared.open.contains(&stat.id);
        if (same || elsewhere) && self.saved.is_empty() {
            return Ok(());
        }
        self.search(shared)?;
        self.add_current(shared, stat.id)
    }

    /// Opens what came before the file that has the path now.
    fn search<S: FileSystem<File = F>>(&mut self, shared: &mut Shared<S>) -> io::Result<()> {
        let names = shared.names_beside(&self.path)?;
        let backups = self.backups(&names);
        let newest = backups.keys().next_back().cloned();
        let since = self.since.get_or_insert_with(|| match self.start {
            Start::New(_) => newest.unwrap_or_default(),
            Start::NewWithBackups | Start::Known => String::new(),
        });
        let since = since.clone();
        for (stamp, name) in backups {
            if stamp > since {
                self.add_backup(shared, &self.path.with_file_name(name), stamp)?;
            }
        }
        self.find_saved(shared, &names)?;
        self.sort();
        Ok(())
    }

    /// The backups in the folder by the time in their name. While a backup is being compressed both forms are there and only the
    /// plain one is whole.
    fn backups(&self, names: &[String]) -> BTreeMap<String, String> {
        let log = self.file_name();
        let mut found: BTreeMap<String, (bool, String)> = BTreeMap::new();
        for name in names {
            let Some(backup) = Backup::of(&log, name) else {
                continue;
            };
            let form = (backup.compressed, name.clone());
            let kept = found.entry(backup.stamp).or_insert_with(|| form.clone());
            if !form.0 {
                *kept = form;
            }
        }
        let found = found.into_iter();
        found.map(|(stamp, (_, name))| (stamp, name)).collect()
    }

    fn file_name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    fn add_backup<S: FileSystem<File = F>>(
        &mut self,
        shared: &mut Shared<S>,
        path: &Path,
        stamp: String,
    ) -> io::Result<()> {
        let opened = shared.open_file(path)?;
        let id = opened.stat.id;
        let known = self.tails.iter_mut().find(|tail| {
            let other_form =
                tail.stamp.is_none() && tail.is_copied_in(&opened.head, &shared.settings);
            tail.id == id || tail.stamp.as_ref() == Some(&stamp) || other_form
        });
        if let Some(tail) = known {
            tail.stamp = Some(stamp);
            return Ok(());
        }
        if shared.open.contains(&id) {
            return Ok(());
        }
        let place = self.known_place(shared, &opened).unwrap_or_default();
        let mut tail = Tail::new(opened, place, shared.now, &shared.settings)?;
        tail.stamp = Some(stamp);
        tail.rotated = true;
        self.add(shared, tail);
        Ok(())
    }

    /// How far this text was read before, under this name or another.
    fn known_place<S: FileSystem<File = F>>(
        &mut self,
        shared: &mut Shared<S>,
        opened: &Opened<F>,
    ) -> Option<Place> {
        let full = shared.settings.fingerprint_length;
        take_place(&mut self.saved, opened, full)
            .or_else(|| take_place(&mut shared.done, opened, full))
    }

    /// Looks for files of before the restart that bear a name of another form, as logrotate gives them.
    fn find_saved<S: FileSystem<File = F>>(
        &mut self,
        shared: &mut Shared<S>,
        names: &[String],
    ) -> io::Result<()> {
        let log = self.file_name();
        for name in names
            .iter()
            .filter(|name| name.starts_with(&log) && **name != log)
        {
            if self.saved.is_empty() {
                break;
            }
            let opened = shared.open_file(&self.path.with_file_name(name))?;
            let full = shared.settings.fingerprint_length;
            let Some(place) = take_place(&mut self.saved, &opened, full) else {
                continue;
            };
            let mut tail = Tail::new(opened, place, shared.now, &shared.settings)?;
            tail.rotated = true;
            self.add(shared, tail);
        }
        Ok(())
    }

    /// Opens the file that has the path, unless it was rotated away while the folder was searched: then what has come in between is not
    /// among what was found, and the next look begins again.
    fn add_current<S: FileSystem<File = F>>(
        &mut self,
        shared: &mut Shared<S>,
        id: FileId,
    ) -> io::Result<()> {
        let opened = shared.open_file(&self.path)?;
        if opened.stat.id != id {
            return Ok(());
        }
        let tracked = shared.open.contains(&opened.stat.id);
        let new = if tracked {
            // The last one has its name back, or another log has this file.
            None
        } else {
            let known = self.known_place(shared, &opened);
            let mut tail = Tail::new(
                opened,
                known.unwrap_or_default(),
                shared.now,
                &shared.settings,
            )?;
            if known.is_none() && self.start == Start::New(From::End) {
                tail.skim()?;
            }
            Some(tail)
        };
        self.give_up_saved();
        for before in self.tails.iter_mut().filter(|tail| !tail.rotated) {
            before.rotated = true;
            shared.complaints.counters.rotations.add(1);
        }
        self.start = Start::Known;
        new.into_iter().for_each(|tail| self.add(shared, tail));
        self.sort();
        Ok(())
    }

    fn give_up_saved(&mut self) {
        for file in self.saved.drain(..) {
            let path = self.path.display();
            let (offset, line) = (file.offset, file.lines);
            warn!(%path, offset, line, "a file that was being read has gone: what it held after this place was not read");
        }
    }

    fn add<S: FileSystem<File = F>>(&mut self, shared: &mut Shared<S>, tail: Tail<F>) {
        shared.open.push(tail.id);
        shared.changed = true;
        self.tails.push(tail);
    }

    /// Orders the files by age: those whose backup name is not known were rotated before the others were found.
    fn sort(&mut self) {
        self.tails
            .sort_by(|a, b| (!a.rotated, &a.stamp).cmp(&(!b.rotated, &b.stamp)));
    }

    /// Reads the oldest file that has something.
    pub(super) fn read<S: FileSystem<File = F>>(
        &mut self,
        shared: &mut Shared<S>,
    ) -> Option<Reading> {
        for tail in self.tails.iter_mut().filter(|tail| tail.fresh) {
            let mut taken = Taken::new(shared.settings.limits, &mut shared.complaints);
            if let Err(error) = tail.read(&mut taken, &shared.settings) {
                taken.failure(&tail.name, tail.place().lines + 1, &error);
            }
            let events = taken.events;
            if !events.is_empty() {
                return Some(tail.reading(events));
            }
            shared.changed |= tail.safe != tail.place();
            tail.safe = tail.place();
            if tail.fresh {
                return None;
            }
        }
        None
    }

    /// Whether there is more to read at once.
    pub(super) fn is_behind(&self) -> bool {
        self.tails.iter().any(|tail| tail.fresh)
    }

    /// The intake has what was read of a file.
    pub(super) fn accept(&mut self, id: FileId, place: Place) {
        for tail in self.tails.iter_mut().filter(|tail| tail.id == id) {
            tail.safe = place;
        }
    }

    /// Files that come from now on were not there at the start.
    pub(super) fn started(&mut self) {
        if let Start::New(from) = &mut self.start {
            *from = From::Start;
        }
    }

    /// Lets the oldest files go that are finished. What the last line of one holds comes back.
    pub(super) fn retire<S: FileSystem<File = F>>(
        &mut self,
        shared: &mut Shared<S>,
    ) -> Option<Reading> {
        while let Some(tail) = self.tails.first_mut() {
            let settings = &shared.settings;
            let deleted = self.missing_since.is_some_and(|since| {
                shared.now.saturating_sub(since) >= settings.deleted_wait
                    && tail.is_quiet(shared.now, settings.deleted_wait)
            });
            let finished = tail.rotated && tail.is_quiet(shared.now, settings.rotated_wait);
            if !deleted && !finished {
                return None;
            }
            let mut taken = Taken::new(settings.limits, &mut shared.complaints);
            tail.finish(&mut taken);
            let events = taken.events;
            if !events.is_empty() {
                return Some(tail.reading(events));
            }
            tail.safe = tail.place();
            let tail = self.tails.remove(0);
            shared.open.retain(|id| *id != tail.id);
            self.since = self.since.take().max(tail.stamp.clone());
            shared.remember(tail.saved());
        }
        None
    }
}
