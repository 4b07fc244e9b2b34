//! A progress bar on standard error, for input that takes a while and a terminal that shows it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kubevigil_sources::counters::Count;
use kubevigil_sources::file::open::Input;

/// Shorter scans show none.
const PATIENCE: Duration = Duration::from_millis(400);
/// The clock is looked at once in so many events.
const LOOK_EVERY: u64 = 4_096;

/// How far a scan is.
#[derive(Debug)]
pub(crate) struct Progress {
    started: Instant,
    bar: Option<ProgressBar>,
    size: Option<u64>,
    name: Arc<str>,
    read: Arc<Count>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            bar: None,
            size: None,
            name: "".into(),
            read: Arc::default(),
        }
    }
}

impl Progress {
    /// The next file begins.
    pub(crate) fn file(&mut self, input: &Input, read: Arc<Count>) {
        self.finish();
        *self = Self {
            started: self.started,
            bar: None,
            size: input.size(),
            name: input.name(),
            read,
        };
    }

    /// So many events are read.
    pub(crate) fn event(&mut self, events: u64) {
        if !events.is_multiple_of(LOOK_EVERY) || self.started.elapsed() < PATIENCE {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| bar(self.size, &self.name));
        bar.set_position(self.read.get());
    }

    /// Takes the bar off the screen.
    pub(crate) fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// Hidden by itself when standard error is no terminal.
fn bar(size: Option<u64>, name: &str) -> ProgressBar {
    let template = match size {
        Some(_) => "{msg} {wide_bar} {bytes}/{total_bytes} {eta}",
        None => "{msg} {spinner} {bytes}",
    };
    let bar = ProgressBar::with_draw_target(size, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.with_message(kubevigil_diagnostics::escape::terminal(name).into_owned())
}
