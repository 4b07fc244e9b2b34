//! `kubevigil record`: an auditing gateway with the flags of kube-apiserver.

mod audit_flags;
mod checking;
mod identity_flags;
mod recorder;
mod settings;
mod warnings;
mod words;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;

use crate::args::record::RecordArgs;
use crate::config::LogConfig;
use crate::mistakes::{ON_THE_LINE, fail};
use crate::record_command::recorder::Recorder;
use crate::record_command::settings::Settings;
use crate::run::log;

/// How long work on files may still take when everything else has ended.
const END_OF_THREADS: Duration = Duration::from_secs(1);

pub(crate) fn execute(arguments: &RecordArgs) -> anyhow::Result<ExitCode> {
    fail(&arguments.pasted.mistakes, ON_THE_LINE)?;
    let settings = Settings::of(arguments)?;
    // Already installed is as good: it is the only one in the binary.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    if arguments.operation.check {
        return checking::check(&settings);
    }
    log::start(&LogConfig {
        format: arguments.operation.logging_format,
        ..LogConfig::default()
    });
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let outcome = runtime.block_on(async { Recorder::prepare(settings).await?.run().await });
    // Threads that are held up for good must not hold up the end.
    runtime.shutdown_timeout(END_OF_THREADS);
    outcome.map(|()| ExitCode::SUCCESS)
}
