//! The loader: files in, rules and reports out.

use std::collections::HashMap;
use std::sync::Arc;

use kubevigil_diagnostics::{Diagnostic, FileReport, Source};
use kubevigil_yaml::Node;

use crate::condition::Condition;
use crate::rule::{Language, Origin, Question, Rule};
use crate::sigma::codes;
use crate::sigma::collection::Collection;
use crate::sigma::document::{self, Metadata};
use crate::sigma::fields::Fields;
use crate::sigma::filter::{Filter, LogSource};
use crate::sigma::lints;
use crate::sigma::output;
use crate::sigma::pipeline;
use crate::sigma::problems::Problems;
use crate::sigma::selection::Compiler;
use crate::sigma::values::Placeholders;

/// What rules mean besides what stands in their files.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Values of placeholders (`|expand`), by name; pipelines add to them.
    pub placeholders: std::collections::BTreeMap<String, Vec<String>>,
}

/// Loads Sigma files: rules, filters and pipelines.
///
/// See the [module page](crate::sigma) for how, and for an example.
#[derive(Debug, Default)]
pub struct Loader {
    fields: Fields,
    placeholders: Placeholders,
    files: Vec<FileReport>,
    rules: Vec<Draft>,
    filters: Vec<Draft>,
}

/// What all files together gave.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The rules, in the order in which they were loaded. Rules with errors and rules for other log sources are left out.
    pub rules: Vec<Arc<Rule>>,
    /// What the author of each of `rules` wrote besides, in the same order.
    pub metadata: Vec<Metadata>,
    /// One report for each file, in the order in which they were loaded.
    pub files: Vec<FileReport>,
}

/// A document that waits for the other files.
#[derive(Debug)]
struct Draft {
    node: Node,
    source: Arc<Source>,
    file: usize,
}

/// Filters and whether any rule had use for them.
struct Filters {
    list: Vec<(Filter, usize, Diagnostic)>,
    used: Vec<bool>,
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
        let mut diagnostics = Vec::new();
        let file = self.files.len();
        match kubevigil_yaml::parse(text) {
            Ok(documents) => {
                let mut collection = Collection::default();
                for document in documents.iter().filter(|document| !document.root.is_null()) {
                    let mut problems = Problems::new(&source, document::label(&document.root));
                    if let Some(node) = collection.document(&document.root, &mut problems) {
                        self.document(node, file, &mut problems);
                    }
                    diagnostics.append(&mut problems.list);
                }
            }
            Err(error) => {
                let problem = Diagnostic::error(codes::YAML, error.message);
                diagnostics.push(problem.at(&source, error.offset..error.offset));
            }
        }
        self.files.push(FileReport {
            file: name.to_owned(),
            diagnostics,
        });
    }

    fn document(&mut self, node: Node, file: usize, problems: &mut Problems) {
        let source = Arc::clone(&problems.source);
        if pipeline::is_pipeline(&node) {
            problems.item = "pipeline".to_owned();
            pipeline::read(&node, &mut self.fields, &mut self.placeholders, problems);
        } else if let Some((key, _)) = node.entry("correlation") {
            let message = "correlations are not supported yet";
            let help = "leave this document out; the rules that it names work on their own";
            problems.error_with_help::<()>(codes::UNSUPPORTED, key.span.clone(), message, help);
        } else if node.get("filter").is_some() {
            self.filters.push(Draft { node, source, file });
        } else {
            self.rules.push(Draft { node, source, file });
        }
    }

    /// The rules of everything that was loaded, and the reports.
    pub fn finish(mut self) -> Loaded {
        let mut filters = self.compile_filters();
        let mut loaded = Loaded {
            rules: Vec::new(),
            metadata: Vec::new(),
            files: Vec::new(),
        };
        let mut ids: HashMap<Arc<str>, Arc<str>> = HashMap::new();
        for draft in std::mem::take(&mut self.rules) {
            let mut problems = Problems::new(&draft.source, document::label(&draft.node));
            if let Some((rule, metadata)) = self.rule(&draft, &mut filters, &mut problems) {
                warn_of_known_id(&rule, &draft.node, &mut ids, &mut problems);
                loaded.rules.push(Arc::new(rule));
                loaded.metadata.push(metadata);
            }
            self.note(draft.file, problems.list);
        }
        let unused = filters
            .list
            .into_iter()
            .zip(filters.used)
            .filter(|(_, used)| !used);
        for ((_, file, warning), _) in unused {
            self.note(file, vec![warning]);
        }
        for report in &mut self.files {
            report
                .diagnostics
                .sort_by_key(|problem| problem.place.as_ref().map(|place| place.span.start));
        }
        loaded.files = self.files;
        loaded
    }

    fn note(&mut self, file: usize, mut problems: Vec<Diagnostic>) {
        if let Some(report) = self.files.get_mut(file) {
            report.diagnostics.append(&mut problems);
        }
    }

    fn compiler<'c>(&'c self, has_blocks: bool, problems: &'c mut Problems) -> Compiler<'c> {
        Compiler {
            fields: &self.fields,
            placeholders: &self.placeholders,
            has_blocks,
            problems,
        }
    }

    fn compile_filters(&mut self) -> Filters {
        let mut list = Vec::new();
        for draft in std::mem::take(&mut self.filters) {
            let mut problems = Problems::new(&draft.source, document::label(&draft.node));
            let filter = Filter::read(&draft.node, &mut self.compiler(false, &mut problems));
            if let Some(filter) = filter.filter(|_| !problems.any_error()) {
                let unused = Diagnostic::warning(codes::UNUSED_FILTER, "the filter is for no rule that was loaded")
                    .help("its log source must be stated by the rule as well, and `rules` must have the rule's `id` or `name`")
                    .within(&problems.item)
                    .at(&draft.source, document::first_key(&draft.node));
                list.push((filter, draft.file, unused));
            }
            self.note(draft.file, problems.list);
        }
        let used = vec![false; list.len()];
        Filters { list, used }
    }

    fn rule(
        &self,
        draft: &Draft,
        filters: &mut Filters,
        problems: &mut Problems,
    ) -> Option<(Rule, Metadata)> {
        let node = &draft.node;
        let log_source = self.log_source(node, problems)?;
        let head = document::head(node, problems);
        let has_blocks = head.as_ref().is_some_and(|head| head.has_blocks);
        let Some(body) = node.get("detection") else {
            let message = "key `detection` is missing";
            return problems.error(codes::STRUCTURE, document::first_key(node), message);
        };
        let detection = self.compiler(has_blocks, problems).detection(body, &[]);
        let (head, detection) = (head?, detection?);
        lints::check(body, &detection.expressions, &self.fields, problems);
        if problems.any_error() {
            return None;
        }
        let name = head.metadata.name.as_deref();
        let (line, _) = draft.source.position(document::first_key(node).start);
        let rule = Rule {
            output: output::template(&head.title, &head.fields, &self.fields),
            name: head.title,
            question: Question::Event(filters.apply(
                detection.condition,
                &log_source,
                head.id.as_deref(),
                name,
            )),
            id: head.id,
            short_name: head.metadata.name.clone(),
            notes: head.metadata.notes().into(),
            description: head.description,
            priority: head.priority,
            tags: head.tags.into(),
            condition_text: output::condition_text(body).into(),
            enabled: true,
            source: "k8s_audit".into(),
            language: Language::Sigma,
            origin: Origin {
                file: draft.source.name.as_str().into(),
                line,
            },
        };
        Some((rule, head.metadata))
    }

    /// What the rule's log source states, if that can be Kubernetes audit events.
    fn log_source(&self, node: &Node, problems: &mut Problems) -> Option<LogSource> {
        let Some((_, value)) = node.entry("logsource") else {
            let help = "write `logsource: {product: kubernetes, service: audit}`";
            let message = "key `logsource` is missing";
            return problems.error_with_help(
                codes::STRUCTURE,
                document::first_key(node),
                message,
                help,
            );
        };
        if value.pairs().is_none() {
            return problems.error(
                codes::STRUCTURE,
                value.span.clone(),
                "`logsource` must be a map",
            );
        }
        let log_source = LogSource::of(node);
        if !log_source.is_kubernetes_audit() {
            let message = "the rule is for another log source and is skipped";
            let help =
                "rules for Kubernetes audit events say `product: kubernetes` and `service: audit`";
            problems.warning(codes::OTHER_LOG_SOURCE, value.span.clone(), message, help);
            return None;
        }
        Some(log_source)
    }
}

impl Filters {
    /// The condition with those of the filters that are for the rule.
    fn apply(
        &mut self,
        condition: Condition,
        log_source: &LogSource,
        id: Option<&str>,
        name: Option<&str>,
    ) -> Condition {
        let mut parts = vec![condition];
        for ((filter, ..), used) in self.list.iter().zip(&mut self.used) {
            if filter.is_for(log_source, id, name) {
                *used = true;
                parts.push(filter.condition.clone());
            }
        }
        crate::sigma::item::joined(parts, Condition::All)
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
        problems.warning(
            codes::DUPLICATE_ID,
            span,
            message,
            "give each rule an `id` of its own: tools tell rules apart by it",
        );
    }
}
