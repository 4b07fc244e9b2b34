//! The loader: files in, rules and reports out.

use std::collections::HashMap;
use std::sync::Arc;

use kubevigil_diagnostics::{Diagnostic, FileReport, Severity, Source};
use kubevigil_yaml::Node;

use crate::rule::{Language, Origin, Refused, Rule};
use crate::sigma::codes;
use crate::sigma::collection::Collection;
use crate::sigma::correlation::{self, Statement, link};
use crate::sigma::detection::{self, Meanings};
use crate::sigma::document;
use crate::sigma::fields::Fields;
use crate::sigma::filter::{Filter, Filters};
use crate::sigma::pipeline;
use crate::sigma::problems::Problems;
use crate::sigma::values::Placeholders;

/// What rules mean besides what stands in their files.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Values of placeholders (`|expand`), by name; pipelines add to them.
    pub placeholders: std::collections::BTreeMap<String, Vec<String>>,
}

/// Loads Sigma files: rules, correlations, filters and pipelines.
///
/// See the [module page](crate::sigma) for how, and for an example.
#[derive(Debug, Default)]
pub struct Loader {
    fields: Fields,
    placeholders: Placeholders,
    files: Vec<FileReport>,
    rules: Vec<Draft>,
    filters: Vec<Draft>,
    refused: Vec<(usize, Refused)>,
}

/// What all files together gave.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The rules, correlations among them, in the order in which they were loaded. Rules with errors and rules for other log
    /// sources are left out.
    pub rules: Vec<Arc<Rule>>,
    /// The rules and correlations with errors, in the order in which they were loaded.
    pub refused: Vec<Refused>,
    /// The rules that refused correlations count without `generate: true`, possibly of other languages: they were written to be counted, so
    /// they must not raise alerts because of a mistake elsewhere.
    pub silenced: Vec<Arc<Rule>>,
    /// One report for each file, in the order in which they were loaded.
    pub files: Vec<FileReport>,
}

/// A document that waits for the other files.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) node: Node,
    pub(super) source: Arc<Source>,
    pub(super) file: usize,
}

/// A rule on its way.
pub(super) struct Entry {
    pub(super) draft: Draft,
    pub(super) problems: Problems,
    pub(super) state: State,
}

/// What a document has become so far.
pub(super) enum State {
    Ready(Arc<Rule>),
    /// A correlation whose rules are still names.
    Waiting(Box<Statement>),
    /// It has mistakes, which are noted.
    Refused,
    /// It is for something else than Kubernetes audit events.
    Elsewhere,
}

impl Loader {
    /// A loader that has loaded nothing.
    pub fn new(options: Options) -> Self {
        Self {
            placeholders: options.placeholders,
            ..Self::default()
        }
    }

    /// Reads a file. `name` is what messages call it. What its rules mean is decided by [`Loader::finish`].
    pub fn load_file(&mut self, name: &str, text: &str) {
        let source = Source::file(name, text);
        self.files.push(FileReport {
            file: name.to_owned(),
            diagnostics: Vec::new(),
        });
        match kubevigil_yaml::parse(text) {
            Ok(documents) => {
                let mut collection = Collection::default();
                for document in documents.iter().filter(|document| !document.root.is_null()) {
                    self.document(&document.root, &source, &mut collection);
                }
            }
            Err(error) => {
                let problem = Diagnostic::error(codes::YAML, error.message);
                let problem = problem.at(&source, error.offset..error.offset);
                self.note(self.files.len() - 1, vec![problem]);
            }
        }
    }

    fn document(&mut self, root: &Node, source: &Arc<Source>, collection: &mut Collection) {
        let file = self.files.len() - 1;
        let mut problems = Problems::new(source, document::label(root));
        let merged = collection.document(root, &mut problems);
        let is_whole = merged.is_some();
        let draft = Draft {
            node: merged.unwrap_or_else(|| root.clone()),
            source: Arc::clone(source),
            file,
        };
        if !is_whole {
            self.refuse(&draft, &problems.list);
        } else if pipeline::is_pipeline(&draft.node) {
            problems.item = "pipeline".to_owned();
            pipeline::read(
                &draft.node,
                &mut self.fields,
                &mut self.placeholders,
                &mut problems,
            );
        } else if draft.node.get("filter").is_some() {
            self.filters.push(draft);
        } else {
            self.rules.push(draft);
        }
        self.note(file, problems.list);
    }

    /// The rules of everything that was loaded, and the reports.
    pub fn finish(self) -> Loaded {
        self.finish_with(&[])
    }

    /// The same; correlations may also count `others`, rules of other languages, by their names.
    pub fn finish_with(mut self, others: &[Arc<Rule>]) -> Loaded {
        let mut filters = self.compile_filters();
        let drafts = std::mem::take(&mut self.rules).into_iter();
        let mut entries: Vec<Entry> = drafts
            .map(|draft| self.entry(draft, &mut filters))
            .collect();
        for (file, warning) in filters.unused() {
            self.note(file, vec![warning]);
        }
        let silenced = link::link(&mut entries, others, &self.fields);
        let mut rules = Vec::new();
        let mut ids: HashMap<Arc<str>, Arc<str>> = HashMap::new();
        for mut entry in entries {
            match entry.state {
                State::Ready(rule) => {
                    warn_of_known_id(&rule, &entry.draft.node, &mut ids, &mut entry.problems);
                    rules.push(rule);
                }
                State::Refused | State::Waiting(_) => {
                    self.refuse(&entry.draft, &entry.problems.list)
                }
                State::Elsewhere => {}
            }
            self.note(entry.draft.file, entry.problems.list);
        }
        self.loaded(rules, silenced)
    }

    fn entry(&self, draft: Draft, filters: &mut Filters) -> Entry {
        let mut problems = Problems::new(&draft.source, document::label(&draft.node));
        document::check_fields(&draft.node, &self.fields, &mut problems);
        let state = if correlation::is_correlation(&draft) {
            State::Waiting(Box::new(correlation::read(&draft, &mut problems)))
        } else {
            detection::compile(&draft, self.meanings(), filters, &mut problems)
        };
        Entry {
            draft,
            problems,
            state,
        }
    }

    fn meanings(&self) -> Meanings<'_> {
        Meanings {
            fields: &self.fields,
            placeholders: &self.placeholders,
        }
    }

    fn compile_filters(&mut self) -> Filters {
        let mut filters = Filters::default();
        for draft in std::mem::take(&mut self.filters) {
            let mut problems = Problems::new(&draft.source, document::label(&draft.node));
            let mut compiler = self.meanings().compiler(false, &mut problems);
            let filter = Filter::read(&draft.node, &mut compiler);
            if let Some(filter) = filter.filter(|_| !problems.any_error()) {
                filters.add(filter, &draft);
            }
            self.note(draft.file, problems.list);
        }
        filters
    }

    fn note(&mut self, file: usize, mut problems: Vec<Diagnostic>) {
        if let Some(report) = self.files.get_mut(file) {
            report.diagnostics.append(&mut problems);
        }
    }

    /// Remembers a rule with mistakes. Documents that are no rules, and those that only change later ones, are none.
    fn refuse(&mut self, draft: &Draft, problems: &[Diagnostic]) {
        let errors = problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error);
        let first = errors.min_by_key(|error| error.place.as_ref().map(|place| place.span.start));
        if let Some(error) = first.filter(|_| document::is_rule(&draft.node)) {
            let text = |key| Some(draft.node.get(key)?.text()?.into());
            let refused = Refused {
                title: text("title").unwrap_or_else(|| "(no title)".into()),
                id: text("id"),
                reason: error.message.clone(),
                language: Language::Sigma,
                origin: draft.origin(),
            };
            self.refused.push((draft.file, refused));
        }
    }

    fn loaded(mut self, rules: Vec<Arc<Rule>>, silenced: Vec<Arc<Rule>>) -> Loaded {
        for report in &mut self.files {
            report
                .diagnostics
                .sort_by_key(|problem| problem.place.as_ref().map(|place| place.span.start));
        }
        self.refused
            .sort_by_key(|(file, refused)| (*file, refused.origin.line));
        Loaded {
            rules,
            silenced,
            refused: self
                .refused
                .into_iter()
                .map(|(_, refused)| refused)
                .collect(),
            files: self.files,
        }
    }
}

impl Draft {
    /// Where the document was written.
    pub(super) fn origin(&self) -> Origin {
        let (line, _) = self.source.position(document::first_key(&self.node).start);
        Origin {
            file: self.source.name.as_str().into(),
            line,
        }
    }
}

impl Loaded {
    /// Whether all files can be used as a whole.
    pub fn successful(&self) -> bool {
        self.files.iter().all(FileReport::successful)
    }
}

fn warn_of_known_id(
    rule: &Rule,
    node: &Node,
    ids: &mut HashMap<Arc<str>, Arc<str>>,
    problems: &mut Problems,
) {
    let Some(id) = &rule.id else { return };
    if let Some(other) = ids.insert(Arc::clone(id), Arc::clone(&rule.name)) {
        let span = node
            .get("id")
            .map_or(node.span.clone(), |value| value.span.clone());
        let message = format!("rule \"{other}\" has the same `id`");
        let help = "give each rule an `id` of its own: tools tell rules apart by it";
        problems.warning(codes::DUPLICATE_ID, span, message, help);
    }
}
