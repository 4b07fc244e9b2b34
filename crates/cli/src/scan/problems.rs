//! Places in the input that could not be read.

use std::fmt::Display;

use kubevigil_diagnostics::escape;

use crate::scan::wording::plural;
use crate::terminal;

/// So many are shown; all are counted.
const SHOWN: usize = 5;

/// What could not be read.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    count: u64,
    shown: Vec<String>,
}

impl Problems {
    /// Adds a place and what is wrong with it.
    pub(crate) fn add(&mut self, file: &str, line: u64, reason: &dyn Display) {
        self.count += 1;
        if self.shown.len() < SHOWN {
            let file = if file == "-" { "standard input" } else { file };
            self.shown.push(format!("{file}:{line}: {reason}"));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Shows the first few on standard error.
    pub(crate) fn show(&self) {
        for problem in &self.shown {
            terminal::warn(&escape::terminal(problem));
        }
        let more = self.count - self.shown.len() as u64;
        if more > 0 {
            terminal::warn(&format!(
                "and {} that could not be read",
                plural(more, "more place")
            ));
        }
    }
}
