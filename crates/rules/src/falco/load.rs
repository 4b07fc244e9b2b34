//! The loader: files in, rules and reports out.

use std::collections::HashSet;
use std::sync::Arc;

use kubevigil_diagnostics::{Diagnostic, FileReport, Severity, Source, closest};
use kubevigil_yaml::{Document, Node};

use crate::falco::cache::Cache;
use crate::falco::codes;
use crate::falco::collection::{Collection, Entry};
use crate::falco::compile::{Outcome, compile, warn_of_unused};
use crate::falco::condition::CompileOptions;
use crate::falco::definition::DefinitionReader;
use crate::falco::fields::FieldOptions;
use crate::falco::findings::Findings;
use crate::falco::items::{Read, Reader};
use crate::falco::versions::{EngineVersion, check_engine, check_plugins};
use crate::falco::{lists, macros};
use crate::rule::{Origin, Rule};

/// What the loader reproduces.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which fields there are and what they mean.
    pub fields: FieldOptions,
    /// Accepts operators on list fields that Falco's engines up to 0.31 had: the list must then hold exactly one element,
    /// which satisfies the operator. For files of that time.
    pub tolerant_lists: bool,
    /// What `required_engine_version` is compared with.
    pub engine_version: EngineVersion,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            fields: FieldOptions::default(),
            tolerant_lists: false,
            engine_version: EngineVersion::CURRENT,
        }
    }
}

/// Loads rule files one after the other; later files can change what earlier ones define.
///
/// See the [module page](crate::falco) for how, and for an example.
#[derive(Debug)]
pub struct Loader {
    options: Options,
    compile: CompileOptions,
    collection: Collection,
    files: Vec<FileReport>,
    /// Problems that have been reported; see [`Findings`].
    seen: HashSet<String>,
    outcome: Outcome,
    cache: Cache,
}

/// What all files together gave.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The rules, in the order of their first definition, disabled ones included. Rules with errors and rules of other
    /// sources are left out.
    pub rules: Vec<Arc<Rule>>,
    /// One report for each file, in the order in which they were loaded.
    pub files: Vec<FileReport>,
    /// All lists, in the order of their first definition.
    pub lists: Vec<ListInfo>,
    /// All macros, in the order of their first definition.
    pub macros: Vec<MacroInfo>,
}

/// A list, for people.
#[derive(Clone, Debug)]
pub struct ListInfo {
    /// Its name.
    pub name: Arc<str>,
    /// Its items as they are written; an item may be the name of another list.
    pub items: Vec<String>,
    /// Whether any rule, macro or list uses it.
    pub used: bool,
    /// The latest definition.
    pub origin: Origin,
}

/// A macro, for people.
#[derive(Clone, Debug)]
pub struct MacroInfo {
    /// Its name.
    pub name: Arc<str>,
    /// Its condition as it is written.
    pub condition: String,
    /// Whether any rule or macro uses it.
    pub used: bool,
    /// The latest definition.
    pub origin: Origin,
}

impl Loader {
    /// A loader that has loaded nothing.
    pub fn new(options: Options) -> Self {
        let compile = CompileOptions {
            fields: options.fields.clone(),
            tolerant_lists: options.tolerant_lists,
        };
        Self {
            options,
            compile,
            collection: Collection::default(),
            files: Vec::new(),
            seen: HashSet::new(),
            outcome: Outcome::default(),
            cache: Cache::default(),
        }
    }

    /// Loads a file. `name` is what messages call it.
    ///
    /// Mistakes never stop the loading: they are in the file's report, and what could be read is used, so that later
    /// files are checked as well.
    pub fn load_file(&mut self, name: &str, text: &str) {
        let source = Source::file(name, text);
        let mut problems = Vec::new();
        match kubevigil_yaml::parse(text) {
            Ok(documents) => documents
                .iter()
                .for_each(|document| self.document(&source, document, &mut problems)),
            Err(error) => {
                let problem = Diagnostic::error(codes::YAML_PARSE, error.message);
                problems.push(problem.at(&source, error.offset..error.offset));
            }
        }
        self.compile(&mut problems);
        self.files.push(FileReport {
            file: name.to_owned(),
            diagnostics: problems,
        });
    }

    /// The rules of everything that was loaded, and the reports.
    pub fn finish(self) -> Loaded {
        let Self {
            collection,
            files,
            outcome,
            ..
        } = self;
        let lists = collection.lists.entries().iter().map(|entry| ListInfo {
            name: Arc::clone(&entry.name),
            items: entry
                .value
                .iter()
                .map(|item| item.as_str().to_owned())
                .collect(),
            used: outcome.used.lists.contains(&entry.name),
            origin: origin(entry),
        });
        let macros = collection.macros.entries().iter().map(|entry| MacroInfo {
            name: Arc::clone(&entry.name),
            condition: entry.value.as_str().to_owned(),
            used: outcome.used.macros.contains(&entry.name),
            origin: origin(entry),
        });
        Loaded {
            lists: lists.collect(),
            macros: macros.collect(),
            rules: outcome.rules,
            files,
        }
    }

    fn document(
        &mut self,
        source: &Arc<Source>,
        document: &Document,
        problems: &mut Vec<Diagnostic>,
    ) {
        if document.root.is_null() {
            return;
        }
        let Some(items) = document.root.items() else {
            let problem = Diagnostic::error(
                codes::YAML_VALIDATE,
                "a rule file must be a list of rules, macros and lists",
            )
            .help("begin each item with `- `, as in `- rule: NAME`");
            problems.push(problem.at(source, document.root.span.clone()));
            return;
        };
        for item in items.iter().filter(|item| !item.is_null()) {
            let mut reader = Reader {
                source: Arc::clone(source),
                item: String::new(),
                name_span: item.span.clone(),
                problems,
            };
            // What could not be read has been noted, and the next item is read all the same.
            let _ = self.item(&mut reader, item);
        }
    }

    /// The first of these keys that an item has decides what it is.
    fn item(&mut self, reader: &mut Reader<'_>, node: &Node) -> Read<()> {
        if node.pairs().is_none() {
            let message = "an item must be a map that begins with `rule`, `macro` or `list`";
            return Err(reader.error(codes::YAML_VALIDATE, node.span.clone(), message));
        }
        if node.get("required_engine_version").is_some() {
            check_engine(reader, node, self.options.engine_version)
        } else if node.get("required_plugin_versions").is_some() {
            check_plugins(reader, node)
        } else if node.get("list").is_some() {
            lists::read(reader, node, &mut self.collection)
        } else if node.get("macro").is_some() {
            macros::read(reader, node, &mut self.collection)
        } else if node.get("rule").is_some() {
            let collection = &mut self.collection;
            DefinitionReader {
                reader,
                node,
                collection,
                options: &self.compile,
            }
            .read()
        } else {
            warn_of_unknown_item(reader, node);
            Ok(())
        }
    }

    fn compile(&mut self, problems: &mut Vec<Diagnostic>) {
        self.outcome = compile(
            &self.collection,
            &self.compile,
            &mut self.cache,
            Findings::new(&mut self.seen, problems),
        );
        let is_error = |problem: &Diagnostic| problem.severity == Severity::Error;
        if problems.iter().any(is_error) || !self.files.iter().all(FileReport::successful) {
            // A list whose only user does not load is not the author's mistake.
            return;
        }
        warn_of_unused(
            &self.collection,
            &self.outcome,
            &mut Findings::new(&mut self.seen, problems),
        );
    }
}

impl Loaded {
    /// Whether all files can be used.
    pub fn successful(&self) -> bool {
        self.files.iter().all(FileReport::successful)
    }
}

fn warn_of_unknown_item(reader: &mut Reader<'_>, node: &Node) {
    const KINDS: [&str; 5] = [
        "rule",
        "macro",
        "list",
        "required_engine_version",
        "required_plugin_versions",
    ];
    let mut warning = Diagnostic::warning(
        codes::UNKNOWN_ITEM,
        "an item that is no rule, macro or list is ignored",
    );
    let keys = node
        .pairs()
        .unwrap_or_default()
        .iter()
        .filter_map(|(key, _)| key.text());
    let near = keys
        .filter_map(|key| Some((key, closest(key, KINDS)?)))
        .next();
    if let Some((key, kind)) = near {
        warning = warning.help(format!("`{key}` is not read; did you mean `{kind}`?"));
    }
    reader.note(warning, "", node.span.clone());
}

fn origin<T>(entry: &Entry<T>) -> Origin {
    Origin {
        file: entry.source.name.as_str().into(),
        line: entry.line(),
    }
}
