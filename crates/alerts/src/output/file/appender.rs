//! Appends lines to a file, each exactly once, across `kill -9`, full disks and rotation.
//!
//! # How
//!
//! Beside the log's committed place, the file's own place is durable: the *checkpoint* (device and inode, offset, the ids of
//! the last batch). The order of a batch is: write the lines, sync the file, replace the checkpoint; afterwards the courier
//! commits the log. So after a crash one of three things is true, and each is recognised by content:
//!
//! 1. The checkpoint is older than the bytes of the file. The bytes past its offset are the beginning of what is handed over
//!    again: lines that stand there whole are not written, the last one, if it was cut short, is completed.
//! 2. The checkpoint is there, the log's commit is not. What is handed over again is in the checkpoint's last batch: skipped.
//! 3. Both are there: nothing is handed over again.
//!
//! A failed write (a full disk) is treated as a crash: the appender forgets everything and starts from the checkpoint.
//!
//! **Invariant:** whenever a byte is written, the checkpoint on disk names this file and an offset from which on it holds
//! nothing but lines that the courier will hand over again.
//!
//! # Rotation
//!
//! Files are told apart by inode. A batch that was cut short is looked for in the file that it went to, under whatever
//! name in the same folder; only then does the appender turn to the file under the configured name. A file that was
//! truncated in place is compared from its start.
//!
//! # What it does not promise
//!
//! If the format changes between a crash and the restart, or the file was compressed or moved to another folder meanwhile,
//! the lines of one batch may stand twice. Writing the log's place into each line would mend that, and would change the
//! formats.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::PathBuf;

use super::checkpoint::{Checkpoint, CheckpointFile, FileIdentity};
use super::target::{Present, Target};
use crate::identity::AlertId;
use kubevigil_diagnostics::escape;

/// Appends lines to a file, each exactly once.
#[derive(Debug)]
pub struct Appender {
    path: PathBuf,
    checkpoint: CheckpointFile,
    /// `None` at the start and after any failure: the next batch begins from the checkpoint.
    state: Option<State>,
    /// Turn to the file under `path` with the next line, creating it if nothing stands there.
    reopen: bool,
}

/// Why lines were not appended.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", escape::terminal(&.path.to_string_lossy()))]
pub struct AppendError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

#[derive(Debug)]
struct State {
    target: Target,
    /// The ids in the checkpoint's last batch, and those found in the file since.
    present: HashSet<AlertId>,
    /// Whether the checkpoint on disk does not lead to `target.position`.
    moved: bool,
}

/// A line, without its line break, and the alert that it is.
pub type Line = (AlertId, String);

impl Appender {
    /// Appends to the file at `path`, and remembers how far it got in the file at `checkpoint`.
    pub fn new(path: PathBuf, checkpoint: PathBuf) -> Self {
        Self {
            path,
            checkpoint: CheckpointFile::new(checkpoint),
            state: None,
            reopen: true,
        }
    }

    /// Turns to the file under the configured name with the next line: called after rotation.
    pub fn reopen(&mut self) {
        self.reopen = true;
    }

    /// Appends the lines in order. After an error, hand over again from the same line on.
    pub fn append(&mut self, lines: &[Line]) -> Result<(), AppendError> {
        let mut state = match self.state.take() {
            Some(state) => state,
            None => self.recover()?,
        };
        let fresh: Vec<&Line> = lines
            .iter()
            .filter(|(id, _)| !state.present.contains(id))
            .collect();
        let is_repetition = fresh.len() < lines.len();
        let done = state
            .complete(&fresh)
            .map_err(|error| self.error("write to", error))?;
        let missing = fresh.get(done..).unwrap_or_default();
        if !missing.is_empty() {
            self.write(&mut state, missing)?;
        }
        if !is_repetition {
            // Nothing of the batches before is handed over again, or it would have been now.
            state.present.clear();
        }
        state.present.extend(lines.iter().map(|(id, _)| *id));
        self.remember(&mut state)?;
        self.state = Some(state);
        Ok(())
    }

    /// Where to go on: at the checkpoint if its file can be found, else at the end of the file under the configured name.
    fn recover(&self) -> Result<State, AppendError> {
        let checkpoint = self
            .checkpoint
            .load()
            .map_err(|error| self.checkpoint_error("read", error))?;
        let Some(Checkpoint {
            file,
            offset,
            last_batch,
        }) = checkpoint
        else {
            return Ok(State {
                target: self.open_current()?,
                present: HashSet::new(),
                moved: true,
            });
        };
        if let Some(mut target) = self.find(file)? {
            let len = target.len().map_err(|error| self.error("look at", error))?;
            // Truncated since: what stands there now may have been written after that.
            let moved = offset > len;
            target.position = if moved { 0 } else { offset };
            return Ok(State {
                target,
                present: last_batch,
                moved,
            });
        }
        Ok(State {
            target: self.open_current()?,
            present: last_batch,
            moved: true,
        })
    }

    /// The file with this identity, under the configured name or another one of the folder.
    fn find(&self, identity: FileIdentity) -> Result<Option<Target>, AppendError> {
        match self.identity_under_path() {
            Ok(Some(found)) if found == identity => self.open_current().map(Some),
            Ok(_) => Target::find_renamed(&self.path, identity)
                .map_err(|error| self.error("find the old", error)),
            Err(error) => Err(self.error("look at", error)),
        }
    }

    /// Writes lines that do not stand anywhere yet.
    fn write(&mut self, state: &mut State, lines: &[&Line]) -> Result<(), AppendError> {
        self.turn_to_current(state)?;
        if state.moved {
            state
                .target
                .end_unfinished_line()
                .map_err(|error| self.error("write to", error))?;
            self.remember(state)?;
        }
        let bytes: String = lines.iter().flat_map(|(_, line)| [line, "\n"]).collect();
        state
            .target
            .append(bytes.as_bytes())
            .map_err(|error| self.error("write to", error))
    }

    /// Turns to the file under the configured name if that is another one than the open file.
    fn turn_to_current(&mut self, state: &mut State) -> Result<(), AppendError> {
        let under_path = self
            .identity_under_path()
            .map_err(|error| self.error("look at", error))?;
        let stays = state.target.is_current
            && match under_path {
                Some(identity) => identity == state.target.identity,
                // Renamed, and whoever did it will say so: a new file made early could be in the way.
                None => {
                    !self.reopen
                        && !state
                            .target
                            .is_deleted()
                            .map_err(|error| self.error("look at", error))?
                }
            };
        if !stays {
            state.target = self.open_current()?;
            state.moved = true;
        }
        self.reopen = false;
        Ok(())
    }

    /// Makes the place durable.
    fn remember(&self, state: &mut State) -> Result<(), AppendError> {
        let checkpoint = Checkpoint {
            file: state.target.identity,
            offset: state.target.position,
            last_batch: state.present.clone(),
        };
        self.checkpoint
            .save(&checkpoint)
            .map_err(|error| self.checkpoint_error("write", error))?;
        state.moved = false;
        Ok(())
    }

    fn open_current(&self) -> Result<Target, AppendError> {
        Target::open(&self.path).map_err(|error| self.error("open", error))
    }

    fn identity_under_path(&self) -> io::Result<Option<FileIdentity>> {
        match fs::metadata(&self.path) {
            Ok(metadata) => Ok(Some(FileIdentity::of(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn error(&self, action: &'static str, source: io::Error) -> AppendError {
        AppendError {
            action,
            path: self.path.clone(),
            source,
        }
    }

    fn checkpoint_error(&self, action: &'static str, source: io::Error) -> AppendError {
        AppendError {
            action,
            path: self.checkpoint.path().to_owned(),
            source,
        }
    }
}

impl State {
    /// Passes over the lines that stand in the file already and completes one that was cut short. Returns how many of the
    /// lines stand there now.
    fn complete(&mut self, lines: &[&Line]) -> io::Result<usize> {
        let target = &mut self.target;
        if target.position > target.len()? {
            target.position = 0;
            self.moved = true;
        }
        for (done, (id, line)) in lines.iter().enumerate() {
            if target.position == target.len()? {
                return Ok(done);
            }
            let line = format!("{line}\n").into_bytes();
            match target.present(&line)? {
                Present::Whole => target.position += line.len() as u64,
                Present::Beginning(size) => target.append(line.get(size..).unwrap_or_default())?,
                Present::Other => {
                    target.position = target.len()?;
                    self.moved = true;
                    return Ok(done);
                }
            }
            self.present.insert(*id);
        }
        Ok(lines.len())
    }
}
