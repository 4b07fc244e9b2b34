//! The sources that read: followed files and standard input.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use kubevigil_sources::Intake;
use kubevigil_sources::counters::SourceCounters;
use kubevigil_sources::file::Limits;
use kubevigil_sources::file::follow::{self, Follow, FollowSettings};
use kubevigil_sources::stdin::Stdin;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{FilesConfig, From, SourcesConfig};

/// Sources that are ready to read.
pub(crate) struct Readers {
    follows: Vec<Follow>,
    stdin: Option<Stdin>,
    /// Counters of sources that are started elsewhere.
    others: Vec<(&'static str, Arc<SourceCounters>)>,
}

/// Prepares the configured sources; a bad pattern or an unusable checkpoint is an error.
pub(crate) fn prepare(config: &SourcesConfig, state_dir: &Path) -> anyhow::Result<Readers> {
    let mut follows = Vec::new();
    let mut checkpoints = HashSet::new();
    for files in &config.files {
        let checkpoint = state_dir.join(checkpoint_name(files));
        if !checkpoints.insert(checkpoint.clone()) {
            bail!("sources.files: two entries begin with the same path; put their paths into one");
        }
        follows.push(Follow::new(settings(files), checkpoint)?);
    }
    let stdin = config.stdin.then(|| Stdin::new(Limits::default()));
    Ok(Readers {
        follows,
        stdin,
        others: Vec::new(),
    })
}

/// An entry keeps its places under its first path, so that the order of entries and later paths can change.
fn checkpoint_name(files: &FilesConfig) -> String {
    let first = files.paths.first().map_or("", String::as_str);
    let digest = blake3::hash(first.as_bytes()).to_hex();
    format!("files-{}.json", digest.get(..16).unwrap_or_default())
}

impl Readers {
    /// Counts a source that is started elsewhere among these.
    pub(crate) fn count(&mut self, kind: &'static str, counters: Arc<SourceCounters>) {
        self.others.push((kind, counters));
    }

    /// What each source counts.
    pub(crate) fn counters(&self) -> Vec<(&'static str, Arc<SourceCounters>)> {
        let files = self
            .follows
            .iter()
            .map(|follow| ("file", follow.counters()));
        files
            .chain(self.stdin.iter().map(|stdin| ("stdin", stdin.counters())))
            .chain(self.others.iter().cloned())
            .collect()
    }

    /// Starts all of them.
    pub(crate) fn start(
        self,
        intake: &Arc<dyn Intake>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) {
        for follow in self.follows {
            let (intake, stop) = (Arc::clone(intake), stop.clone());
            tasks.spawn(async move {
                if let Err(error) = follow.run(intake, stop).await {
                    tracing::error!(%error, "following log files has ended");
                }
            });
        }
        if let Some(stdin) = self.stdin {
            let (intake, stop) = (Arc::clone(intake), stop.clone());
            tasks.spawn(async move {
                match stdin.run(intake, stop).await {
                    Ok(_) => tracing::info!("standard input has ended"),
                    Err(error) => tracing::error!(%error, "reading standard input has ended"),
                }
            });
        }
    }
}

fn settings(config: &FilesConfig) -> FollowSettings {
    let defaults = FollowSettings::default();
    FollowSettings {
        paths: config.paths.clone(),
        from: match config.from {
            From::End => follow::From::End,
            From::Start => follow::From::Start,
        },
        poll: Duration::from_millis(config.poll_milliseconds),
        limits: Limits {
            line: config.max_line_bytes,
            ..defaults.limits
        },
        ..defaults
    }
}
