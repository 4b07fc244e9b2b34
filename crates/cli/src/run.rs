//! `kubevigil run`: the daemon.
//!
//! ```text
//! sources ──► journal of events ──► detector ──► journal of alerts ──► outputs
//! ```
//!
//! [`Daemon::prepare`] does everything that can fail on a mistake of the user (configuration, rules, certificates, ports, the state
//! folder) before anything runs, so that what starts, stays up. [`Daemon::run`] then waits for signals.

mod banner;
mod daemon;
mod detector;
mod detector_thread;
pub(crate) mod health;
mod intake;
mod live_rules;
pub(crate) mod log;
pub(crate) mod metrics;
mod readers;
mod record_source;
pub(crate) mod state_dir;
pub(crate) mod stop;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;

use crate::args::RunArgs;
use crate::config;
use crate::run::daemon::Daemon;

/// How long work on files may still take when everything else has ended.
const END_OF_THREADS: Duration = Duration::from_secs(1);

pub(crate) fn execute(arguments: &RunArgs) -> anyhow::Result<ExitCode> {
    let mut config = match &arguments.config {
        Some(file) => config::read_or_fail(file)?,
        None => config::Config::default(),
    };
    if let Some(folder) = &arguments.state_dir {
        config.state_dir = Some(folder.clone());
    }
    log::start(&config.log);
    // Already installed is as good: it is the only one in the binary.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let outcome = runtime.block_on(async { Daemon::prepare(config).await?.run().await });
    // Threads that are held up for good, by a pipe that nobody reads for one, must not hold up the end.
    runtime.shutdown_timeout(END_OF_THREADS);
    outcome.map(|()| ExitCode::SUCCESS)
}
