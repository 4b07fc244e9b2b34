//! Everything that is defined so far, compiled.
//!
//! Falco compiles the whole collection again after each file, and so does this: whether a macro exists, or a list is
//! used, depends on where the file ends. A problem that was found after an earlier file is not reported a second time.

use std::ops::Range;
use std::sync::Arc;

use kubevigil_diagnostics::{Diagnostic, Severity};

use crate::condition::Condition;
use crate::falco::cache::{Cache, Uses, Version};
use crate::falco::codes;
use crate::falco::collection::{Collection, Entry};
use crate::falco::condition::{self, Ast, CompileOptions, Place, Problem, ProblemClass};
use crate::falco::definition::{Definition, K8S_AUDIT, SYSCALL};
use crate::falco::expansion::expand;
use crate::falco::findings::{Findings, located, syntax_problem, too_long};
use crate::falco::lists::Pasting;
use crate::falco::macros::Macros;
use crate::falco::output::compile_output;
use crate::falco::text::Text;
use crate::rule::{Language, Origin, Question, Rule};
use crate::template::Template;

/// The rules, and which lists and macros anything uses.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) rules: Vec<Arc<Rule>>,
    pub(super) used: Uses,
}

/// Compiles everything that is defined, rules that are in the cache excepted.
pub(super) fn compile(
    collection: &Collection,
    options: &CompileOptions,
    cache: &mut Cache,
    mut findings: Findings<'_>,
) -> Outcome {
    let mut pasting = Pasting::of(&collection.lists);
    let macros = Macros::compile(&collection.macros, &mut pasting, &mut findings);
    let mut compiler = Compiler {
        options,
        pasting,
        macros,
        findings,
    };
    let rules = collection.rules.entries().iter();
    let rules = rules
        .filter_map(|entry| compiler.cached_rule(entry, Version::of(entry, collection), cache));
    Outcome {
        rules: rules.collect(),
        used: compiler.take_uses(),
    }
}

/// Warns about lists and macros that nothing uses.
pub(super) fn warn_of_unused(
    collection: &Collection,
    outcome: &Outcome,
    findings: &mut Findings<'_>,
) {
    for entry in collection
        .lists
        .entries()
        .iter()
        .filter(|entry| !outcome.used.lists.contains(&entry.name))
    {
        let warning =
            Diagnostic::warning(codes::UNUSED_LIST, "no rule, macro or list uses the list");
        findings.add(
            warning
                .within(format!("list \"{}\"", entry.name))
                .at(&entry.source, entry.span.clone()),
        );
    }
    for entry in collection
        .macros
        .entries()
        .iter()
        .filter(|entry| !outcome.used.macros.contains(&entry.name))
    {
        let warning = Diagnostic::warning(codes::UNUSED_MACRO, "no rule or macro uses the macro");
        findings.add(
            warning
                .within(format!("macro \"{}\"", entry.name))
                .at(&entry.source, entry.span.clone()),
        );
    }
}

struct Compiler<'c> {
    options: &'c CompileOptions,
    pasting: Pasting,
    macros: Macros<'c>,
    findings: Findings<'c>,
}

impl Compiler<'_> {
    /// The rule from the cache, or compiled and put there.
    fn cached_rule(
        &mut self,
        entry: &Entry<Definition>,
        version: Version,
        cache: &mut Cache,
    ) -> Option<Arc<Rule>> {
        if let Some((rule, uses)) = cache.get(&entry.name, version) {
            self.add_uses(uses.clone());
            return Some(rule);
        }
        let others = self.take_uses();
        let rule = self.rule(entry).map(Arc::new);
        let uses = self.take_uses();
        if let Some(rule) = &rule {
            cache.put(version, rule, uses.clone());
        }
        self.add_uses(others);
        self.add_uses(uses);
        rule
    }

    fn take_uses(&mut self) -> Uses {
        Uses {
            lists: std::mem::take(self.pasting.used()),
            macros: std::mem::take(self.macros.used()),
        }
    }

    fn add_uses(&mut self, uses: Uses) {
        self.pasting.used().extend(uses.lists);
        self.macros.used().extend(uses.macros);
    }

    /// Exceptions come first, then the output, then the condition: the order in which Falco finds problems.
    fn rule(&mut self, entry: &Entry<Definition>) -> Option<Rule> {
        let definition = &entry.value;
        if definition.source != K8S_AUDIT {
            self.pass_over(entry);
            return None;
        }
        let expanded = self.expanded(entry);
        let output = self.output(entry);
        let (text, condition) = self.condition(entry, &expanded?)?;
        Some(Rule {
            name: Arc::clone(&entry.name),
            id: None,
            short_name: None,
            refused_priority: None,
            notes: Arc::default(),
            description: definition.description.as_str().into(),
            priority: definition.priority,
            tags: definition
                .tags
                .iter()
                .map(|tag| tag.as_str().into())
                .collect(),
            question: Question::Event(condition),
            condition_text: text.into(),
            output: output?,
            enabled: definition.enabled,
            source: definition.source.as_str().into(),
            language: Language::Falco,
            origin: Origin {
                file: entry.source.name.as_str().into(),
                line: entry.line(),
            },
        })
    }

    fn expanded(&mut self, entry: &Entry<Definition>) -> Option<Text> {
        match expand(&entry.value.condition, &entry.value.exceptions) {
            Ok(text) => Some(text),
            Err(problems) => {
                for problem in problems {
                    let item = format!("rule \"{}\" {}", entry.name, problem.item);
                    self.findings.add(problem.within(item));
                }
                None
            }
        }
    }

    fn output(&mut self, entry: &Entry<Definition>) -> Option<Template> {
        let text = &entry.value.output;
        let item = format!("rule \"{}\" output", entry.name);
        match compile_output(text.as_str(), &self.options.fields) {
            Ok(compiled) => {
                for warning in compiled.warnings {
                    let problem = Diagnostic::warning(warning.code, warning.message).within(&item);
                    self.findings.add(located(problem, text, warning.span));
                }
                Some(compiled.template)
            }
            Err(problem) => {
                let skipped = problem.unknown_field() && entry.value.skip_if_unknown;
                let diagnostic = unknown_or(
                    skipped,
                    codes::COMPILE_OUTPUT,
                    problem.message,
                    problem.help,
                );
                self.findings
                    .add(located(diagnostic.within(item), text, problem.span));
                None
            }
        }
    }

    fn condition(
        &mut self,
        entry: &Entry<Definition>,
        expanded: &Text,
    ) -> Option<(String, Condition)> {
        let item = format!("rule \"{}\" condition", entry.name);
        let Ok(text) = self.pasting.paste(expanded) else {
            self.findings.add(too_long(expanded).within(item));
            return None;
        };
        let ast = condition::parse(text.as_str());
        let ast = ast
            .map_err(|error| {
                self.findings
                    .add(syntax_problem(&text, error).within(&item))
            })
            .ok()?;
        let ast = self.without_macros(&ast, &text, &item)?;
        let compiled = match condition::compile(&ast, self.options) {
            Ok(compiled) => compiled,
            Err(problems) => {
                self.compile_problems(problems, entry, &text, &item);
                return None;
            }
        };
        for warning in compiled.warnings {
            let mut problem = Diagnostic::warning(warning.code, warning.message).within(&item);
            problem.help = warning.help;
            self.add_at(problem, &text, &warning.place);
        }
        Some((ast.to_string(), compiled.condition))
    }

    /// Puts macros in. `None` when one is missing, which is reported, or broken, which has been.
    fn without_macros(&mut self, ast: &Ast, text: &Text, item: &str) -> Option<Ast> {
        let mut complete = true;
        for reference in ast.macros() {
            match self.macros.use_by_rule(reference.name) {
                Ok(found) => complete &= found.is_some(),
                Err(unknown) => {
                    complete = false;
                    self.findings.add(located(
                        unknown.diagnostic().within(item),
                        text,
                        reference.place.span.clone(),
                    ));
                }
            }
        }
        if !complete {
            return None;
        }
        let substituted = ast.substitute(&|name| self.macros.ready_by_name(name));
        substituted
            .map_err(|too_big| {
                let problem =
                    Diagnostic::error(codes::COMPILE_CONDITION, too_big.to_string()).within(item);
                self.findings.add(located(problem, text, 0..1));
            })
            .ok()
    }

    fn compile_problems(
        &mut self,
        problems: Vec<Problem>,
        entry: &Entry<Definition>,
        text: &Text,
        item: &str,
    ) {
        let first_is_unknown = problems
            .first()
            .is_some_and(|problem| problem.class == ProblemClass::UnknownField);
        let skipped = first_is_unknown && entry.value.skip_if_unknown;
        for problem in problems
            .into_iter()
            .take(if skipped { 1 } else { usize::MAX })
        {
            let diagnostic = unknown_or(
                skipped,
                codes::COMPILE_CONDITION,
                problem.message,
                problem.help,
            );
            self.add_at(diagnostic.within(item), text, &problem.place);
        }
    }

    /// Adds a problem where it was written: in the macro that it is in, else in the text.
    fn add_at(&mut self, problem: Diagnostic, text: &Text, place: &Place) {
        let within = place.within.as_ref();
        match within.and_then(|within| Some((within, self.macros.text(&within.name)?))) {
            Some((within, text)) => {
                let problem = located(problem, text, within.span.clone());
                let owner = if problem.severity == Severity::Error {
                    within.name.to_string()
                } else {
                    problem.item.clone()
                };
                self.findings.add_once(problem, &owner);
            }
            None => self
                .findings
                .add(located(problem, text, place.span.clone())),
        }
    }

    /// A rule of another source is not compiled. What it uses counts as used, and fields of audit events in a rule that
    /// says it is about system calls are a mistake: its author forgot the source.
    fn pass_over(&mut self, entry: &Entry<Definition>) {
        let definition = &entry.value;
        if let Ok(text) = self.pasting.paste(&definition.condition) {
            let ast = condition::parse(text.as_str());
            for reference in ast.iter().flat_map(Ast::macros) {
                // A missing macro of a rule that is not compiled is nobody's concern.
                let _ = self.macros.use_by_rule(reference.name);
            }
        }
        if definition.source != SYSCALL {
            return;
        }
        let output = audit_field(definition.output.as_str(), "%")
            .map(|span| (codes::COMPILE_OUTPUT, &definition.output, span));
        let condition = || {
            audit_field(definition.condition.as_str(), "")
                .map(|span| (codes::COMPILE_CONDITION, &definition.condition, span))
        };
        let Some((code, text, span)) = output.or_else(condition) else {
            let message =
                "the rule is skipped: rules about system calls (source `syscall`) cannot run here";
            let warning = Diagnostic::warning(codes::UNKNOWN_SOURCE, message)
                .within(format!("rule \"{}\"", entry.name));
            return self
                .findings
                .add(warning.at(&entry.source, entry.span.clone()));
        };
        let part = if code == codes::COMPILE_OUTPUT {
            "output"
        } else {
            "condition"
        };
        let field = text.as_str().get(span.clone()).unwrap_or_default();
        let problem = Diagnostic::error(code, format!("source `syscall` has no field `{field}`"))
            .within(format!("rule \"{}\" {part}", entry.name))
            .help("add `source: k8s_audit`: without it, a rule is about system calls");
        self.findings.add(located(problem, text, span));
    }
}

/// The error, or the warning that takes its place when the rule says that unknown fields are fine.
fn unknown_or(
    skipped: bool,
    code: &'static str,
    message: String,
    help: Option<String>,
) -> Diagnostic {
    let mut problem = if skipped {
        Diagnostic::warning(
            codes::UNKNOWN_FILTER,
            format!("the rule is skipped: {message}"),
        )
    } else {
        Diagnostic::error(code, message)
    };
    problem.help = help;
    problem
}

/// The first field of an audit event in a text, which follows `prefix`.
fn audit_field(text: &str, prefix: &str) -> Option<Range<usize>> {
    let starts = ["ka.", "jevt."].iter().filter_map(|family| {
        let pattern = format!("{prefix}{family}");
        let mut places = text.match_indices(&pattern).map(|(at, _)| at);
        let starts_word = |&at: &usize| {
            let before = text.get(..at).and_then(|before| before.chars().next_back());
            !prefix.is_empty()
                || before.is_none_or(|c| !c.is_ascii_alphanumeric() && !"._/\"'".contains(c))
        };
        places.find(starts_word).map(|at| at + prefix.len())
    });
    let start = starts.min()?;
    let rest = text.get(start..)?;
    let length = rest
        .find(|c: char| !c.is_ascii_alphanumeric() && !"._".contains(c))
        .unwrap_or(rest.len());
    Some(start..start + length)
}
