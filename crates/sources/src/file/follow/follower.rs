//! The follower without a clock and without waiting: it is told the time, and asked for the next batch.
//!
//! One batch is on its way at a time. The place moves when the batch was accepted, not before, so that a checkpoint never runs
//! ahead of the journal.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::log::{Log, Start};
use super::settings::{FollowSettings, From};
use super::shared::Shared;
use super::tail::Reading;
use crate::counters::SourceCounters;
use crate::file::backup::Backup;
use crate::file::checkpoint::Checkpoint;
use crate::file::fs::{FileId, FileSystem};
use crate::file::glob::{self, Pattern};
use crate::file::lines::Place;
use crate::file::taken::Complaints;
use crate::{Batch, Origin};

/// Follows files; see the module's page.
pub struct Follower<S: FileSystem> {
    shared: Shared<S>,
    watches: Vec<Watch>,
    logs: Vec<Log<S::File>>,
    next_poll: Duration,
    started: bool,
    /// Logs were found since the last checkpoint.
    found: bool,
    /// The log to ask first, so that a busy one does not starve the others.
    turn: usize,
    on_its_way: Option<OnItsWay>,
}

/// What to do next.
#[derive(Debug)]
pub enum Step {
    /// Hand this batch to the intake, then call [`Follower::accepted`]. It comes again until then.
    Batch(Batch),
    /// There is nothing before this time.
    WaitUntil(Duration),
}

enum Watch {
    Path(PathBuf),
    Pattern { pattern: Pattern, complaint: String },
}

struct OnItsWay {
    log: PathBuf,
    id: FileId,
    place: Place,
    batch: Batch,
}

impl<S: FileSystem> Follower<S> {
    /// Begins where `checkpoint` ends.
    ///
    /// # Errors
    ///
    /// When a pattern in the settings is not well formed.
    pub fn new(
        fs: S,
        settings: FollowSettings,
        checkpoint: Checkpoint,
        counters: Arc<SourceCounters>,
    ) -> Result<Self, globset::Error> {
        let watches = settings.paths.iter().map(|path| Watch::parse(path));
        let watches = watches.collect::<Result<Vec<_>, _>>()?;
        let mut done = checkpoint.done;
        let mut logs = Vec::new();
        for log in checkpoint.logs {
            if watches.iter().any(|watch| watch.names(&log.path)) {
                logs.push(Log::restore(log));
            } else {
                done.extend(log.files);
            }
        }
        let shared = Shared {
            fs,
            settings,
            now: Duration::ZERO,
            complaints: Complaints::new(counters),
            done,
            open: Vec::new(),
            changed: false,
        };
        Ok(Self {
            shared,
            watches,
            logs,
            next_poll: Duration::ZERO,
            started: false,
            found: false,
            turn: 0,
            on_its_way: None,
        })
    }

    /// What to do next. `now` is the time since some fixed moment, `wall` the time of day in nanoseconds since the Unix epoch.
    pub fn step(&mut self, now: Duration, wall: i128) -> Step {
        self.shared.now = now;
        self.shared.complaints.now = now;
        if let Some(sent) = &self.on_its_way {
            return Step::Batch(sent.batch.clone());
        }
        if now >= self.next_poll {
            self.poll();
            self.next_poll = now + self.shared.settings.poll;
        }
        match self.read() {
            Some((log, reading)) => Step::Batch(self.send(log, reading, wall)),
            None if self.logs.iter().any(Log::is_behind) => Step::WaitUntil(now),
            None => Step::WaitUntil(self.next_poll),
        }
    }

    /// The last batch is durable.
    pub fn accepted(&mut self) {
        let Some(sent) = self.on_its_way.take() else {
            return;
        };
        if let Some(log) = self.logs.iter_mut().find(|log| log.path == sent.log) {
            log.accept(sent.id, sent.place);
        }
        self.shared.complaints.counters.accepted(&sent.batch);
        self.shared.changed = true;
    }

    /// The places that are safe.
    pub fn checkpoint(&self) -> Checkpoint {
        let logs = self.logs.iter().map(Log::saved).collect();
        Checkpoint::new(logs, self.shared.done.clone())
    }

    /// Whether there are places that [`Follower::kept`] does not know of.
    pub fn has_changed(&self) -> bool {
        self.shared.changed
    }

    /// Whether there are logs that [`Follower::kept`] does not know of at all. They are kept at once: a log that is rotated
    /// away while this process is dead is looked for only if it was known.
    pub fn has_found(&self) -> bool {
        self.found
    }

    /// The places that are safe now were kept.
    pub fn kept(&mut self) {
        self.shared.changed = false;
        self.found = false;
    }

    fn poll(&mut self) {
        self.find_logs();
        for log in &mut self.logs {
            log.poll(&mut self.shared);
        }
        if !self.started {
            self.started = true;
            self.logs.iter_mut().for_each(Log::started);
        }
        let watches = &self.watches;
        self.logs
            .retain(|log| !log.is_gone() || watches.iter().any(|watch| watch.is(&log.path)));
    }

    /// Begins to follow the paths that are new.
    fn find_logs(&mut self) {
        let mut named = HashSet::new();
        for watch in &mut self.watches {
            named.extend(watch.paths(&self.shared.fs));
        }
        let known: HashSet<_> = self.logs.iter().map(|log| log.path.clone()).collect();
        let mut new: BTreeMap<PathBuf, Start> = BTreeMap::new();
        let from = if self.started {
            From::Start
        } else {
            self.shared.settings.from
        };
        for path in named.difference(&known) {
            let owner = log_with_backup(path)
                .filter(|owner| named.contains(owner) || known.contains(owner));
            match owner {
                None => {
                    new.entry(path.clone()).or_insert(Start::New(from));
                }
                Some(owner) if from == From::Start && !known.contains(&owner) => {
                    new.insert(owner, Start::NewWithBackups);
                }
                Some(_) => {}
            }
        }
        self.found |= !new.is_empty();
        let new = new.into_iter();
        self.logs
            .extend(new.map(|(path, start)| Log::new(path, start)));
    }

    fn read(&mut self) -> Option<(PathBuf, Reading)> {
        let count = self.logs.len();
        for step in 0..count {
            let at = (self.turn + step) % count;
            let log = self.logs.get_mut(at)?;
            let reading = log.read(&mut self.shared);
            if let Some(reading) = reading.or_else(|| log.retire(&mut self.shared)) {
                self.turn = at + 1;
                return Some((log.path.clone(), reading));
            }
        }
        None
    }

    fn send(&mut self, log: PathBuf, reading: Reading, wall: i128) -> Batch {
        let batch = Batch {
            origin: Origin::File(reading.name),
            received: wall,
            events: reading.events,
        };
        self.on_its_way = Some(OnItsWay {
            log,
            id: reading.id,
            place: reading.place,
            batch: batch.clone(),
        });
        batch
    }
}

impl Watch {
    fn parse(path: &str) -> Result<Self, globset::Error> {
        if !glob::is_pattern(path) {
            return Ok(Self::Path(path.into()));
        }
        Ok(Self::Pattern {
            pattern: Pattern::parse(path)?,
            complaint: String::new(),
        })
    }

    /// The paths that it names now. A path without pattern is one of them before there is a file.
    fn paths(&mut self, fs: &impl FileSystem) -> Vec<PathBuf> {
        let (pattern, complaint) = match self {
            Self::Path(path) => return vec![path.clone()],
            Self::Pattern { pattern, complaint } => (pattern, complaint),
        };
        let found = pattern.expand(fs);
        let told = found
            .unlisted
            .first()
            .map(|(folder, error)| format!("{}: cannot be listed: {error}", folder.display()));
        let told = told.unwrap_or_default();
        if told != *complaint && !told.is_empty() {
            warn!(reason = told, "cannot look for log files, trying again");
        }
        *complaint = told;
        found.files
    }

    fn names(&self, path: &Path) -> bool {
        match self {
            Self::Path(own) => own == path,
            Self::Pattern { pattern, .. } => pattern.matches(path),
        }
    }

    fn is(&self, path: &Path) -> bool {
        matches!(self, Self::Path(own) if own == path)
    }
}

/// The log that a path is a backup of, by name.
fn log_with_backup(path: &Path) -> Option<PathBuf> {
    let log = Backup::log_of(path.file_name()?.to_str()?)?;
    Some(path.with_file_name(log))
}
