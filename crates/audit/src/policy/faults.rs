//! What is wrong with a policy file, collected while it is read.

use std::ops::Range;
use std::sync::Arc;

use kubevigil_diagnostics::{Diagnostic, Source, closest};

use super::file::{Layer, Refusal};

/// The names of what can be wrong with a policy file. Those of the form `P..` are shared with the findings that do not stop a server.
pub mod codes {
    /// The text is no YAML or JSON, or a value has the wrong type.
    pub const DECODE: &str = "POLICY_DECODE";
    /// A value is not one that the API server accepts.
    pub const INVALID: &str = "POLICY_INVALID";
    /// A key that the server drops.
    pub const UNKNOWN_KEY: &str = "P01";
    /// A key that stands twice in one map.
    pub const DUPLICATE_KEY: &str = "P02";
    /// The apiVersion or the kind is missing or not one of a policy.
    pub const VERSION: &str = "P07";
    /// There are no rules, or a second document, which the server does not read.
    pub const RULES: &str = "P08";
}

/// The label of a file that is something else than a policy; the server has none.
pub(super) const NOT_A_POLICY: &str = "not a policy";

/// The path of a key in the map at `path`.
pub(super) fn below(path: &str, key: &str) -> String {
    match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    }
}

/// Everything that was noted.
pub(super) struct Faults {
    pub(super) source: Arc<Source>,
    pub(super) refusals: Vec<Refusal>,
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl Faults {
    pub(super) fn new(source: &Arc<Source>) -> Self {
        Self {
            source: Arc::clone(source),
            refusals: Vec::new(),
            diagnostics: Vec::new(),
        }
    }

    /// Notes something that stops the server. `path` is how the server names the place, empty where it names none.
    pub(super) fn refuse(
        &mut self,
        layer: Layer,
        path: &str,
        label: &'static str,
        span: Range<usize>,
        message: String,
        help: Option<String>,
    ) {
        let code = match layer {
            Layer::Decode if label == NOT_A_POLICY => codes::VERSION,
            Layer::Decode => codes::DECODE,
            Layer::Version => codes::VERSION,
            Layer::Validate => codes::INVALID,
            Layer::Count => codes::RULES,
        };
        let mut diagnostic = Diagnostic::error(code, message.clone()).at(&self.source, span);
        diagnostic.item = path.to_owned();
        diagnostic.help = help;
        self.diagnostics.push(diagnostic);
        self.refusals.push(Refusal {
            layer,
            path: path.to_owned(),
            label: if label == NOT_A_POLICY { "" } else { label },
            message,
        });
    }

    /// Notes a value of the wrong type.
    pub(super) fn wrong_type(
        &mut self,
        path: &str,
        span: Range<usize>,
        expected: &str,
        found: &str,
    ) {
        let message = format!("`{path}` must be {expected}, not {found}");
        let help =
            (expected == "a text").then(|| "put it in quotes if it is meant as text".to_owned());
        self.refuse(Layer::Decode, path, "", span, message, help);
    }

    /// Notes a key that the server drops with nothing but a line in its log.
    pub(super) fn unknown_key(
        &mut self,
        path: &str,
        key: &str,
        span: Range<usize>,
        known: &[&'static str],
        effect: &str,
    ) {
        let message =
            format!("the API server does not know the key `{key}` here and drops it: {effect}");
        let mut diagnostic = Diagnostic::error(codes::UNKNOWN_KEY, message)
            .at(&self.source, span)
            .within(below(path, key));
        diagnostic.help =
            closest(key, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
        self.diagnostics.push(diagnostic);
    }

    /// Takes over what was noted about keys in a part of the file that the server drops.
    pub(super) fn keys_of(&mut self, dropped: Self) {
        let keys = dropped
            .diagnostics
            .into_iter()
            .filter(|diagnostic| diagnostic.code == codes::UNKNOWN_KEY);
        self.diagnostics.extend(keys);
    }

    /// Notes a key that stands twice.
    pub(super) fn duplicate_key(&mut self, path: &str, key: &str, span: Range<usize>) {
        let message = format!(
            "the key `{key}` stands here twice, and the API server takes the later one without an error"
        );
        let diagnostic = Diagnostic::error(codes::DUPLICATE_KEY, message)
            .at(&self.source, span)
            .within(below(path, key))
            .help("join the two");
        self.diagnostics.push(diagnostic);
    }
}
