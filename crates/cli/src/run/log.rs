//! What the daemon says about itself, on standard error.

use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat, LogLevel};

/// The crates that speak at the configured level.
const OURS: [&str; 9] = [
    "kubevigil",
    "kubevigil_alerts",
    "kubevigil_connections",
    "kubevigil_gateway",
    "kubevigil_journal",
    "kubevigil_kubeconfig",
    "kubevigil_record",
    "kubevigil_sources",
    "kubevigil_tls",
];

/// Starts logging. `RUST_LOG` overrides the configured level.
pub(crate) fn start(config: &LogConfig) {
    let level = match config.level {
        LogLevel::Debug => "debug",
        LogLevel::Error => "error",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
    };
    // What libraries say below a warning is for their authors.
    let ours = OURS.map(|part| format!(",{part}={level}")).concat();
    let default = format!("warn{ours}");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        // It would be told on standard error, which panics when that is on the full disk itself.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    match config.format {
        LogFormat::Json => builder.json().init(),
        LogFormat::Text => builder
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .init(),
    }
}
