//! Following log files as they grow and rotate.
//!
//! Events are found by looking (every 250 ms), not by notification: inotify is silent on network and overlay file
//! systems and loses its watch when a symbolic link moves, and a look costs two system calls a file. A file is the number the
//! system gives it together with what it [begins with](super::fingerprint); its name only tells where to look. A log is a
//! path and the files that have it one after another: when kube-apiserver rotates, the renamed file is read to its
//! end, then backups that came in between, then the new one. After a restart the same is found again, also when the backups were
//! compressed meanwhile.
//!
//! What is promised: every whole line is handed to the intake at least once and in the order of its file; after a crash
//! the lines since the last checkpoint come again. What is not: a file that was truncated or deleted before it was read is lost, and
//! a file that is copied is read again unless the copy is made of text that was already read.

mod follower;
mod log;
mod settings;
mod shared;
mod tail;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use follower::{Follower, Step};
pub use settings::{FollowSettings, From};

use super::checkpoint::{Checkpoint, CheckpointError};
use super::fs::Disk;
use crate::Intake;
use crate::counters::SourceCounters;
use crate::delivery::{hand_over, wall_clock};

/// The file source of the daemon.
pub struct Follow {
    follower: Follower<Disk>,
    state: PathBuf,
    counters: Arc<SourceCounters>,
    poll: Duration,
    checkpoint_every: Duration,
}

/// Why files cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The places reached so far are not known.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A defect of the follower itself.
    #[error("following files ended by a defect: {0}; please report it")]
    Defect(#[from] tokio::task::JoinError),
    /// A pattern is not well formed.
    #[error("not a file name pattern: {0}; put [] around a special character to mean it literally")]
    Pattern(#[from] globset::Error),
}

impl Follow {
    /// Prepares to follow; `state` is the file that keeps the places.
    ///
    /// # Errors
    ///
    /// When a pattern is not well formed, or the places kept cannot be understood.
    pub fn new(settings: FollowSettings, state: PathBuf) -> Result<Self, FollowError> {
        let counters = Arc::new(SourceCounters::default());
        let (poll, checkpoint_every) = (settings.poll, settings.checkpoint_every);
        let checkpoint = Checkpoint::load(&state)?;
        let follower = Follower::new(Disk, settings, checkpoint, Arc::clone(&counters))?;
        Ok(Self {
            follower,
            state,
            counters,
            poll,
            checkpoint_every,
        })
    }

    /// What it has counted so far.
    pub fn counters(&self) -> Arc<SourceCounters> {
        Arc::clone(&self.counters)
    }

    /// Follows until `shutdown`. When the intake refuses, the place is held and the same batch is tried again: nothing is skipped.
    ///
    /// # Errors
    ///
    /// When the places cannot be kept at the end; while it runs, that is only told.
    pub async fn run(
        mut self,
        intake: Arc<dyn Intake>,
        shutdown: CancellationToken,
    ) -> Result<(), FollowError> {
        let begin = Instant::now();
        let mut kept = Duration::ZERO;
        while !shutdown.is_cancelled() {
            let (follower, step) = look(self.follower, begin).await?;
            self.follower = follower;
            if self.follower.has_found() {
                self.keep_or_tell().await;
            }
            match step {
                Step::Batch(batch) => {
                    if !hand_over(batch, &*intake, &self.counters, &shutdown).await {
                        break;
                    }
                    self.follower.accepted();
                }
                Step::WaitUntil(time) => {
                    let wait = time.saturating_sub(begin.elapsed()).min(self.poll);
                    shutdown.run_until_cancelled(tokio::time::sleep(wait)).await;
                }
            }
            if begin.elapsed().saturating_sub(kept) >= self.checkpoint_every {
                kept = begin.elapsed();
                self.keep_or_tell().await;
            }
        }
        info!(
            events = self.counters.events.get(),
            "stopped following files"
        );
        self.keep().await
    }

    async fn keep_or_tell(&mut self) {
        if let Err(error) = self.keep().await {
            warn!(%error, "going on without a new checkpoint");
        }
    }

    async fn keep(&mut self) -> Result<(), FollowError> {
        if !self.follower.has_changed() && !self.follower.has_found() {
            return Ok(());
        }
        let (checkpoint, state) = (self.follower.checkpoint(), self.state.clone());
        spawn_blocking(move || checkpoint.save(&state)).await??;
        self.follower.kept();
        Ok(())
    }
}

/// Reads on a thread that may block.
async fn look(
    mut follower: Follower<Disk>,
    begin: Instant,
) -> Result<(Follower<Disk>, Step), FollowError> {
    let stepped = spawn_blocking(move || {
        let step = follower.step(begin.elapsed(), wall_clock());
        (follower, step)
    });
    Ok(stepped.await?)
}
