//! All outputs at work: from their configuration to their couriers, and to the end.
//!
//! What outputs and couriers keep lies in two folders of the state folder: `outputs` (how far file outputs got) and
//! `dead-letters` (what could not be delivered), each with one file an output, for their owner only.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::config::{ConfigError, FileConfig, OutputConfig};
use crate::courier::{Courier, Ended, Orders};
use crate::dead_letters::DeadLetters;
use crate::metrics::{OutputCounts, OutputMetrics};
use crate::outbox::{AlertLog, LogError};
use crate::output::Output;
use crate::output::file::FileOutput;
use crate::output::http::HttpOutput;
use crate::output::stdout::StreamOutput;

/// What outputs need to know besides their configuration.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The folder in which state is kept; it exists.
    pub state_dir: PathBuf,
    /// The name of the machine, for formats that print it.
    pub hostname: Option<String>,
}

/// Couriers at work, one an output.
pub struct Deliveries {
    orders: watch::Sender<Orders>,
    running: Vec<Running>,
}

struct Running {
    name: String,
    metrics: Arc<OutputMetrics>,
    task: JoinHandle<Ended>,
}

/// Why the outputs did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The outputs cannot be told apart.
    #[error("outputs: {0}")]
    Names(#[from] ConfigError),
    /// A setting of one output cannot be used.
    #[error("output `{output}`: {error}")]
    Config {
        /// The output's name.
        output: String,
        /// What is wrong.
        error: ConfigError,
    },
    /// The output's place in the outbox cannot be had.
    #[error("output `{output}`: {error}")]
    Outbox {
        /// The output's name.
        output: String,
        /// The reason.
        error: LogError,
    },
    /// State cannot be kept.
    #[error("cannot create the folder {}: {error}", .path.display())]
    State {
        /// The folder.
        path: PathBuf,
        /// The reason.
        error: io::Error,
    },
}

impl Deliveries {
    /// Starts a courier for each output. Nothing is started unless everything can be used. Must be called within a tokio
    /// runtime.
    pub fn start(
        outputs: &[OutputConfig],
        log: &dyn AlertLog,
        surroundings: &Surroundings,
    ) -> Result<Self, StartError> {
        let couriers = couriers(outputs, log, surroundings)?;
        let (orders, _) = watch::channel(Orders::default());
        let start = |courier: Courier| Running {
            name: courier.name.clone(),
            metrics: Arc::clone(&courier.metrics),
            task: tokio::spawn(courier.run(orders.subscribe())),
        };
        let running = couriers.into_iter().map(start).collect();
        Ok(Self { orders, running })
    }

    /// Lets all outputs reopen what may have been replaced: called on SIGHUP.
    pub fn reopen(&self) {
        self.orders.send_modify(|orders| orders.reopen += 1);
    }

    /// Each output's name and counters.
    pub fn counts(&self) -> Vec<(&str, OutputCounts)> {
        self.running
            .iter()
            .map(|running| (running.name.as_str(), running.metrics.counts()))
            .collect()
    }

    /// Delivers what waits and ends; gives up after this time. Returns the outputs for which alerts still wait: they are
    /// delivered after the next start.
    pub async fn drain(self, within: Duration) -> Vec<String> {
        let deadline = Instant::now() + within;
        self.orders
            .send_modify(|orders| orders.drain_until = Some(deadline));
        let mut unfinished = Vec::new();
        for running in self.running {
            match running.task.await {
                Ok(Ended::Drained) => {}
                Ok(Ended::TimedOut) => unfinished.push(running.name),
                Err(error) => {
                    tracing::error!(output = %running.name, %error, "a courier stopped unexpectedly");
                    unfinished.push(running.name);
                }
            }
        }
        unfinished
    }
}

/// The couriers for a configuration, not yet at work.
fn couriers(
    outputs: &[OutputConfig],
    log: &dyn AlertLog,
    surroundings: &Surroundings,
) -> Result<Vec<Courier>, StartError> {
    OutputConfig::check_names(outputs)?;
    let checkpoints = private_folder(&surroundings.state_dir, "outputs")?;
    let dead_letters = private_folder(&surroundings.state_dir, "dead-letters")?;
    let courier = |config: &OutputConfig| {
        let name = config.name().to_owned();
        let output =
            output(config, &checkpoints, surroundings.hostname.as_deref()).map_err(|error| {
                StartError::Config {
                    output: name.clone(),
                    error,
                }
            })?;
        Ok(Courier {
            min_priority: config.min_priority(),
            tries: config.tries(),
            output,
            alerts: log.reader(&name).map_err(|error| StartError::Outbox {
                output: name.clone(),
                error,
            })?,
            dead_letters: DeadLetters::new(dead_letters.join(format!("{name}.jsonl")), &name),
            metrics: Arc::default(),
            name,
        })
    };
    outputs.iter().map(courier).collect()
}

fn output(
    config: &OutputConfig,
    checkpoints: &Path,
    hostname: Option<&str>,
) -> Result<Box<dyn Output>, ConfigError> {
    let renderer = config.renderer(hostname);
    Ok(match config {
        OutputConfig::Stdout(_) => Box::new(StreamOutput::stdout(renderer)),
        OutputConfig::File(file) => {
            check_path(file)?;
            let checkpoint = checkpoints.join(format!("{}.json", config.name()));
            Box::new(FileOutput::new(renderer, file.path.clone(), checkpoint))
        }
        OutputConfig::Http(http) => Box::new(HttpOutput::new(http, renderer)?),
    })
}

/// Finds at the start what would otherwise be found with the first alert.
fn check_path(config: &FileConfig) -> Result<(), ConfigError> {
    let path = config.path.display();
    if config.path.exists() && !config.path.is_file() {
        return Err(ConfigError::new(
            "path",
            format!(
                "`{path}` is not a regular file; expected the path of a file, or the output `stdout`"
            ),
        ));
    }
    let folder = config
        .path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if !folder.is_dir() => {
            let problem = format!(
                "`{path}` is in a folder that does not exist; create {}",
                folder.display()
            );
            Err(ConfigError::new("path", problem))
        }
        _ => Ok(()),
    }
}

fn private_folder(state_dir: &Path, name: &str) -> Result<PathBuf, StartError> {
    let path = state_dir.join(name);
    match DirBuilder::new().recursive(true).mode(0o700).create(&path) {
        Ok(()) => Ok(path),
        Err(error) => Err(StartError::State { path, error }),
    }
}
