//! Signals.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::signal::unix::{self, SignalKind};

/// Signals to stop that come so close together are one.
const ONE_KEYSTROKE: Duration = Duration::from_secs(1);

/// What the daemon is told from outside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Signal {
    /// SIGHUP: read rules and certificates again, reopen files.
    Reload,
    /// SIGTERM or SIGINT: drain and stop.
    Stop,
}

/// The signals that the daemon listens to.
#[derive(Debug)]
pub(crate) struct Signals {
    hangup: unix::Signal,
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Signals {
    /// Starts to listen.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let listen = |kind| unix::signal(kind).context("cannot listen to signals");
        Ok(Self {
            hangup: listen(SignalKind::hangup())?,
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Waits until told to stop once more, a while after the first time: a terminal, `make` and a script may each pass on what was
    /// one keystroke.
    pub(crate) async fn stop_again(&mut self) {
        let first = Instant::now();
        while self.next().await != Signal::Stop || first.elapsed() < ONE_KEYSTROKE {}
    }

    /// The next signal.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.hangup.recv() => Signal::Reload,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.terminate.recv() => Signal::Stop,
        }
    }
}
