//! What compiling finds, each thing once.

use std::collections::HashSet;
use std::ops::Range;

use kubevigil_diagnostics::Diagnostic;

use crate::falco::codes;
use crate::falco::condition::SyntaxError;
use crate::falco::text::{MAX_LENGTH, Text};

/// Problems of a compilation, those of earlier ones left out.
pub(super) struct Findings<'f> {
    seen: &'f mut HashSet<String>,
    problems: &'f mut Vec<Diagnostic>,
}

impl<'f> Findings<'f> {
    /// Adds to `problems` what is not in `seen`.
    pub(super) fn new(seen: &'f mut HashSet<String>, problems: &'f mut Vec<Diagnostic>) -> Self {
        Self { seen, problems }
    }

    /// Adds a problem.
    pub(super) fn add(&mut self, problem: Diagnostic) {
        let item = problem.item.clone();
        self.add_once(problem, &item);
    }

    /// Adds a problem unless the same one was added for the same owner: a mistake in a macro belongs to the macro, however
    /// many rules use it.
    pub(super) fn add_once(&mut self, problem: Diagnostic, owner: &str) {
        let place = problem
            .place
            .as_ref()
            .map(|place| (&place.source.name, place.source.lines_before, &place.span));
        let key = format!("{owner}|{}|{}|{place:?}", problem.code, problem.message);
        if self.seen.insert(key) {
            self.problems.push(problem);
        }
    }
}

/// The problem at a place of a text.
pub(super) fn located(mut problem: Diagnostic, text: &Text, span: Range<usize>) -> Diagnostic {
    problem.place = Some(text.place(span));
    problem
}

/// The error for a text that cannot be parsed.
pub(super) fn syntax_problem(text: &Text, error: SyntaxError) -> Diagnostic {
    let mut problem = Diagnostic::error(codes::COMPILE_CONDITION, error.message);
    problem.help = error.help;
    located(problem, text, error.offset..error.offset)
}

/// The error for a text whose lists make it too long.
pub(super) fn too_long(text: &Text) -> Diagnostic {
    let message = format!(
        "the condition is longer than {} MiB after lists are put in",
        MAX_LENGTH >> 20
    );
    located(
        Diagnostic::error(codes::COMPILE_CONDITION, message),
        text,
        0..1,
    )
}
