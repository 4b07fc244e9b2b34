//! One shape for every mistake in a file that a person wrote.
//!
//! Rules, policies and configuration are read with places. Whatever is wrong with them becomes a [`Diagnostic`]: a stable
//! code, a severity, one sentence, the place, and how to mend it. Readers collect all of them instead of stopping at the
//! first, since people mend a file in one go. The rejected alternative, an error type for each reader, shows one mistake a
//! run, and looks different everywhere.
//!
//! # The types and how they meet
//!
//! - A [`Source`] is a named text; a [`Place`] is a stretch of one.
//! - A [`Diagnostic`] says what is wrong [`at`](Diagnostic::at) a place, and what to do about it ([`closest`] finds the near
//!   miss for "did you mean").
//! - How they look is decided in one place: text with a caret for people ([`render_text`]), JSON for programs
//!   ([`FileReport`]).
//! - [`escape`] makes text that an attacker wrote safe to show. Everything that shows text from files and events uses it.
//!
//! # Example
//!
//! ```
//! use kubevigil_diagnostics::{Diagnostic, Source, closest, render_text};
//!
//! let source = Source::file("policy.yaml", "rules: [{levl: None}]\n");
//! let meant = closest("levl", ["level", "users", "verbs"]).ok_or("nothing comes near")?;
//! let wrong = Diagnostic::error("P01", "unknown key `levl`").at(&source, 9..13).help(format!("did you mean `{meant}`?"));
//!
//! assert_eq!(wrong.position(), Some((1, 10)));
//! let shown = render_text(&[wrong], false);
//! assert!(shown.starts_with("error[P01]: unknown key `levl`\n --> policy.yaml:1:10\n"), "{shown}");
//! assert!(shown.contains("= help: did you mean `level`?"), "{shown}");
//! # Ok::<(), &str>(())
//! ```

mod causes;
pub mod escape;
mod excerpt;
mod render;
mod report;
mod suggest;

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use serde::Serialize;

pub use crate::causes::with_causes;
pub use crate::render::render_text;
pub use crate::report::FileReport;
pub use crate::suggest::closest;

/// Something wrong, or at least odd, in a file that a person wrote.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// A stable name for the kind of mistake, such as Falco's `LOAD_ERR_VALIDATE`.
    pub code: &'static str,
    /// Whether the file can still be used.
    pub severity: Severity,
    /// One sentence, lower case, without a full stop: what is wrong.
    pub message: String,
    /// What the mistake is in, for programs and the summary line: `rule "Exec into a pod"`, empty if unknown.
    pub item: String,
    /// The place. `None` when the mistake is about a whole file, or about no file.
    pub place: Option<Place>,
    /// What to do about it, as a sentence: `did you mean `ka.verb`?`.
    pub help: Option<String>,
}

/// Whether a file can still be used.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file does what its author expects, at a price that is worth knowing.
    Info,
    /// The file loads, but does something that its author may not expect.
    Warning,
    /// The file cannot be used.
    Error,
}

/// A stretch of text in a source.
#[derive(Clone, Debug)]
pub struct Place {
    /// The text that `span` counts in.
    pub source: Arc<Source>,
    /// Byte offsets into the source's text.
    pub span: Range<usize>,
}

/// A named text: a file, or a text derived from one (a condition after list substitution).
#[derive(Debug)]
pub struct Source {
    /// The file as the user named it.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// How many lines of the file come before the text, for texts that are a part of a file or derived from one.
    pub lines_before: usize,
    /// Where lines start, found when somebody first asks: a file of ten thousand rules asks for each of them.
    line_starts: OnceLock<Vec<usize>>,
}

impl Source {
    /// The text of a whole file.
    pub fn file(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Self::part(name, text, 0)
    }

    /// A text that is a part of a file or derived from one, with so many lines of the file before it.
    pub fn part(
        name: impl Into<String>,
        text: impl Into<String>,
        lines_before: usize,
    ) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            text: text.into(),
            lines_before,
            line_starts: OnceLock::new(),
        })
    }

    /// Line and column of a byte offset, both counted from 1, columns in characters. An offset past the end counts as
    /// the end.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let starts = self.line_starts();
        let line = starts.partition_point(|&start| start <= end);
        let start = line.checked_sub(1).and_then(|line| starts.get(line));
        let before = self.text.get(start.copied().unwrap_or_default()..end);
        let column = before.unwrap_or_default().chars().count() + 1;
        (self.lines_before + line, column)
    }

    fn line_starts(&self) -> &[usize] {
        self.line_starts.get_or_init(|| {
            let behind_breaks = self.text.match_indices('\n').map(|(at, _)| at + 1);
            std::iter::once(0).chain(behind_breaks).collect()
        })
    }
}

impl Diagnostic {
    /// An error without a place yet.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, message)
    }

    /// A remark without a place yet.
    pub fn info(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Info, message)
    }

    /// A warning without a place yet.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, message)
    }

    fn new(code: &'static str, severity: Severity, message: impl Into<String>) -> Self {
        Self {
            code,
            severity,
            message: message.into(),
            item: String::new(),
            place: None,
            help: None,
        }
    }

    /// The same, at this place.
    #[must_use]
    pub fn at(mut self, source: &Arc<Source>, span: Range<usize>) -> Self {
        self.place = Some(Place {
            source: Arc::clone(source),
            span,
        });
        self
    }

    /// The same, in this item.
    #[must_use]
    pub fn within(mut self, item: impl Into<String>) -> Self {
        self.item = item.into();
        self
    }

    /// The same, with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Line and column of the place, both counted from 1.
    pub fn position(&self) -> Option<(usize, usize)> {
        self.place
            .as_ref()
            .map(|place| place.source.position(place.span.start))
    }
}
