//! `kubevigil run`: the daemon.
//!
//! ```text
//! sources ──► journal of events ──► detector ──► journal of alerts ──► outputs
//! ```
//!
//! [`Daemon::prepare`] does everything that can fail on a mistake of the user (configuration, rules, certificates, ports, the state
//! folder) before anything runs, so that what starts, stays up. [`Daemon::run`] then waits for signals.

mod daemon;
mod detector;
mod health;
mod intake;
mod live_rules;
mod log;
mod metrics;
mod readers;
mod state_dir;
mod stop;

use std::process::ExitCode;

use anyhow::Context as _;

use crate::args::RunArgs;
use crate::config;
use crate::run::daemon::Daemon;

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
    runtime.block_on(async {
        let daemon = Daemon::prepare(config).await?;
        daemon.run().await
    })?;
    Ok(ExitCode::SUCCESS)
}
