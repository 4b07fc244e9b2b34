//! Where mistakes are noted.

use std::ops::Range;
use std::sync::Arc;

use kubevigil_diagnostics::{Diagnostic, Severity, Source, closest};

/// The mistakes of one document.
pub(super) struct Problems {
    /// The file.
    pub(super) source: Arc<Source>,
    /// What the document is, for messages: `rule "Exec into a pod"`.
    pub(super) item: String,
    pub(super) list: Vec<Diagnostic>,
}

impl Problems {
    pub(super) fn new(source: &Arc<Source>, item: impl Into<String>) -> Self {
        Self {
            source: Arc::clone(source),
            item: item.into(),
            list: Vec::new(),
        }
    }

    /// Notes a mistake. Always `None`: what was to be read does not exist.
    pub(super) fn error<T>(
        &mut self,
        code: &'static str,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> Option<T> {
        self.add(Diagnostic::error(code, message), span);
        None
    }

    /// The same with advice.
    pub(super) fn error_with_help<T>(
        &mut self,
        code: &'static str,
        span: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Option<T> {
        self.add(Diagnostic::error(code, message).help(help), span);
        None
    }

    /// Notes an unknown word and the known one that was probably meant.
    pub(super) fn unknown<'k, T>(
        &mut self,
        code: &'static str,
        span: Range<usize>,
        message: String,
        word: &str,
        known: impl IntoIterator<Item = &'k str> + Clone,
    ) -> Option<T> {
        let help = match closest(word, known.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                let known: Vec<&str> = known.into_iter().collect();
                format!("expected one of {}", known.join(", "))
            }
        };
        self.error_with_help(code, span, message, help)
    }

    pub(super) fn warning(
        &mut self,
        code: &'static str,
        span: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.add(Diagnostic::warning(code, message).help(help), span);
    }

    pub(super) fn any_error(&self) -> bool {
        let mut list = self.list.iter();
        list.any(|problem| problem.severity == Severity::Error)
    }

    fn add(&mut self, problem: Diagnostic, span: Range<usize>) {
        let problem = problem.within(&self.item).at(&self.source, span);
        self.list.push(problem);
    }
}
