//! Rules: reading their items.

use std::collections::BTreeSet;

use kubevigil_diagnostics::Diagnostic;
use kubevigil_yaml::Node;

use crate::falco::codes;
use crate::falco::collection::Collection;
use crate::falco::condition::CompileOptions;
use crate::falco::exceptions::{self, Exception, Purpose};
use crate::falco::items::{Noted, Read, Reader};
use crate::falco::overrides::{Mode, Operation, Overridable};
use crate::falco::text::Text;
use crate::rule::Priority;

/// The event source whose fields are built in.
pub(super) const K8S_AUDIT: &str = "k8s_audit";

/// The source of a rule that names none.
pub(super) const SYSCALL: &str = "syscall";

const KEYS: [&str; 14] = [
    "rule",
    "condition",
    "output",
    "desc",
    "priority",
    "source",
    "enabled",
    "tags",
    "exceptions",
    "warn_evttypes",
    "skip-if-unknown-filter",
    "capture",
    "capture_duration",
    "append",
];

const OVERRIDABLE: Overridable = Overridable {
    append: &["condition", "output", "desc", "tags", "exceptions"],
    replace: &[
        "condition",
        "output",
        "desc",
        "tags",
        "exceptions",
        "priority",
        "enabled",
        "capture",
        "capture_duration",
        "warn_evttypes",
        "skip-if-unknown-filter",
    ],
};

/// A rule as its items define it.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub(super) condition: Text,
    pub(super) output: Text,
    pub(super) description: String,
    pub(super) priority: Priority,
    pub(super) source: String,
    pub(super) enabled: bool,
    pub(super) tags: BTreeSet<String>,
    pub(super) exceptions: Vec<Exception>,
    /// An unknown field drops the rule instead of failing the file.
    pub(super) skip_if_unknown: bool,
}

/// Reads `rule` items into a collection.
pub(super) struct DefinitionReader<'r, 'p, 'n> {
    pub(super) reader: &'r mut Reader<'p>,
    pub(super) node: &'n Node,
    pub(super) collection: &'r mut Collection,
    pub(super) options: &'r CompileOptions,
}

impl DefinitionReader<'_, '_, '_> {
    /// Reads the item.
    pub(super) fn read(mut self) -> Read<()> {
        let name = self.reader.name(self.node, "rule")?;
        let known: Vec<&str> = KEYS.into_iter().chain(["override"]).collect();
        self.reader.check_keys(self.node, &known);
        let result = match OVERRIDABLE.mode(self.reader, self.node) {
            Ok(Mode::Define) if self.is_switch() => self.switch(&name),
            Ok(Mode::Define) => self.define(&name),
            Ok(Mode::Append) => self.append(&name),
            Ok(Mode::Override(entries)) => self.change(&name, &entries),
            Err(noted) => Err(noted),
        };
        if result.is_err() {
            self.collection.rules.mark_broken(&name);
        }
        result
    }

    /// Whether the item does nothing but switch a rule on or off.
    fn is_switch(&self) -> bool {
        ["condition", "output", "desc", "priority"]
            .iter()
            .all(|key| self.node.get(key).is_none())
    }

    fn switch(&mut self, name: &str) -> Read<()> {
        self.reader.required(self.node, "enabled")?;
        let enabled = self.reader.flag(self.node, "enabled", true)?;
        let warning = Diagnostic::warning(
            codes::DEPRECATED_ITEM,
            "an item with nothing but `enabled` is deprecated",
        )
        .help("add `override:` with `enabled: replace`");
        self.reader.note(warning, "", self.reader.name_span.clone());
        self.existing(name)?;
        if let Some(rule) = self.collection.rules.change(name) {
            rule.enabled = enabled;
        }
        Ok(())
    }

    fn define(&mut self, name: &str) -> Read<()> {
        let condition = self.reader.text(self.node, "condition");
        let output = self.reader.text(self.node, "output");
        let description = self.reader.text(self.node, "desc");
        let priority = self.priority();
        let source = self.source();
        let enabled = self.reader.flag(self.node, "enabled", true);
        let skip_if_unknown = self.reader.flag(self.node, "skip-if-unknown-filter", false);
        let ignored = self.check_ignored();
        let tags = self.tags();
        let exceptions = match &source {
            Ok(source) => self.exceptions(source, Purpose::Define),
            Err(_) => Err(Noted),
        };
        ignored?;
        let definition = Definition {
            condition: condition?,
            output: output?.trimmed(),
            description: description?.as_str().to_owned(),
            priority: priority?,
            source: source?,
            enabled: enabled?,
            tags: tags?,
            exceptions: exceptions?,
            skip_if_unknown: skip_if_unknown?,
        };
        self.check_source_kept(name, &definition.source)?;
        if definition.source != K8S_AUDIT && definition.source != SYSCALL {
            let message = format!(
                "the rule is skipped: there is no event source `{}`",
                definition.source
            );
            let warning = Diagnostic::warning(codes::UNKNOWN_SOURCE, message)
                .help("the source is `k8s_audit` here");
            self.reader.note(warning, "", self.reader.name_span.clone());
        }
        self.collection.rules.define(name, definition, self.reader);
        Ok(())
    }

    /// `append: true`: a condition, exceptions or both; all other keys are ignored.
    fn append(&mut self, name: &str) -> Read<()> {
        let condition = self.reader.optional_text(self.node, "condition");
        let source = self.kept_source(name)?;
        let exceptions = self.exceptions(&source, Purpose::Append);
        let (condition, exceptions) = (condition?, exceptions?);
        if condition.is_none() && self.node.get("exceptions").is_none_or(Node::is_null) {
            let message = "`append: true` needs a `condition` or `exceptions`";
            return Err(self
                .reader
                .error(codes::VALIDATE, self.reader.name_span.clone(), message));
        }
        let Some(rule) = self.collection.rules.change(name) else {
            return Ok(());
        };
        if let Some(condition) = condition {
            join(&mut rule.condition, &condition);
        }
        exceptions::append(self.reader, &mut rule.exceptions, exceptions)
    }

    /// `override`: appends come before replacements.
    fn change(&mut self, name: &str, entries: &[(String, Operation)]) -> Read<()> {
        self.kept_source(name)?;
        let Some(mut rule) = self.collection.rules.get(name).cloned() else {
            return Ok(());
        };
        let mut result = Ok(());
        for operation in [Operation::Append, Operation::Replace] {
            for (key, _) in entries.iter().filter(|(_, wanted)| *wanted == operation) {
                let changed = match operation {
                    Operation::Append => self.append_key(&mut rule, key),
                    Operation::Replace => self.replace_key(&mut rule, key),
                };
                result = result.and(changed);
            }
        }
        result?;
        if let Some(existing) = self.collection.rules.change(name) {
            *existing = rule;
        }
        Ok(())
    }

    fn append_key(&mut self, rule: &mut Definition, key: &str) -> Read<()> {
        match key {
            "condition" => join(&mut rule.condition, &self.reader.text(self.node, key)?),
            "output" => join(&mut rule.output, &self.reader.text(self.node, key)?),
            "desc" => {
                rule.description.push(' ');
                rule.description
                    .push_str(self.reader.text(self.node, key)?.as_str());
            }
            "tags" => rule.tags.extend(self.tags()?),
            _ => {
                let added = self.exceptions(&rule.source, Purpose::Append)?;
                exceptions::append(self.reader, &mut rule.exceptions, added)?;
            }
        }
        Ok(())
    }

    fn replace_key(&mut self, rule: &mut Definition, key: &str) -> Read<()> {
        match key {
            "condition" => rule.condition = self.reader.text(self.node, key)?,
            "output" => rule.output = self.reader.text(self.node, key)?,
            "desc" => rule.description = self.reader.text(self.node, key)?.as_str().to_owned(),
            "tags" => rule.tags = self.tags()?,
            "exceptions" => rule.exceptions = self.exceptions(&rule.source, Purpose::Define)?,
            "priority" => rule.priority = self.priority()?,
            "enabled" => rule.enabled = self.reader.flag(self.node, key, true)?,
            "skip-if-unknown-filter" => {
                rule.skip_if_unknown = self.reader.flag(self.node, key, false)?
            }
            _ => self.check_ignored()?,
        }
        Ok(())
    }

    fn priority(&mut self) -> Read<Priority> {
        let text = self.reader.text(self.node, "priority")?;
        let span = text.place(0..text.as_str().len()).span;
        text.as_str()
            .parse()
            .map_err(|unknown: crate::rule::UnknownPriority| {
                let words = Priority::ALL.map(Priority::as_str);
                let problem = Diagnostic::error(
                    codes::YAML_VALIDATE,
                    format!("unknown priority `{}`", unknown.0),
                );
                let near = kubevigil_diagnostics::closest(&capitalised(&unknown.0), words);
                let help = near.map_or(format!("possible are {}", words.join(", ")), |near| {
                    format!("did you mean `{near}`?")
                });
                self.reader.note(problem.help(help), "priority", span)
            })
    }

    /// The source that a definition names.
    fn source(&mut self) -> Read<String> {
        let source = self.reader.optional_text(self.node, "source")?;
        Ok(source.map_or(SYSCALL.to_owned(), |source| source.as_str().to_owned()))
    }

    /// The source of the rule that the item changes; the item may name it, or leave the value empty.
    fn kept_source(&mut self, name: &str) -> Read<String> {
        let existing = self.existing(name)?;
        match self
            .node
            .get("source")
            .filter(|value| !value.is_null() && value.text() != Some(""))
        {
            None => {}
            Some(_) => {
                let source = self.reader.text(self.node, "source")?;
                self.check_source_kept(name, source.as_str())?;
            }
        }
        Ok(existing)
    }

    /// A rule keeps its source for good.
    fn check_source_kept(&mut self, name: &str, source: &str) -> Read<()> {
        let Some(existing) = self
            .collection
            .rules
            .get(name)
            .filter(|rule| rule.source != source)
        else {
            return Ok(());
        };
        let message = format!(
            "rule `{name}` already has source `{}`, which cannot become `{source}`",
            existing.source
        );
        let span = self
            .node
            .entry("source")
            .map_or(self.reader.name_span.clone(), |(_, value)| {
                value.span.clone()
            });
        Err(self.reader.error(codes::VALIDATE, span, message))
    }

    /// The source of the rule that the item changes.
    fn existing(&mut self, name: &str) -> Read<String> {
        match self.collection.rules.get(name) {
            Some(rule) => Ok(rule.source.clone()),
            None if self.collection.rules.is_broken(name) => Err(Noted),
            None => Err(self.no_such_rule(name)),
        }
    }

    fn no_such_rule(&mut self, name: &str) -> Noted {
        let names = self
            .collection
            .rules
            .entries()
            .iter()
            .map(|entry| entry.name.as_ref());
        match kubevigil_diagnostics::closest(name, names) {
            None => self.reader.nothing_to_change("rule", name),
            Some(near) => {
                let message = format!("there is no rule `{name}` yet that could be changed");
                let problem = Diagnostic::error(codes::VALIDATE, message)
                    .help(format!("did you mean `{near}`?"));
                self.reader.note(problem, "", self.reader.name_span.clone())
            }
        }
    }

    fn tags(&mut self) -> Read<BTreeSet<String>> {
        let Some(tags) = self.node.get("tags") else {
            return Ok(BTreeSet::new());
        };
        let tags = self.reader.scalars(tags, "tags")?;
        Ok(tags.iter().map(|tag| tag.as_str().to_owned()).collect())
    }

    fn exceptions(&mut self, source: &str, purpose: Purpose) -> Read<Vec<Exception>> {
        exceptions::read(
            self.reader,
            self.node,
            purpose,
            (source == K8S_AUDIT).then_some(self.options),
        )
    }

    /// Keys that only mean something for system calls must still be sound.
    fn check_ignored(&mut self) -> Read<()> {
        let warn = self.reader.flag(self.node, "warn_evttypes", true);
        let capture = self.reader.flag(self.node, "capture", false);
        let duration = self.reader.check_number(self.node, "capture_duration");
        warn.and(capture).and(duration)
    }
}

/// Texts are joined by one blank.
pub(super) fn join(text: &mut Text, added: &Text) {
    text.push(" ");
    text.append(added);
}

fn capitalised(word: &str) -> String {
    let lowered = word.to_ascii_lowercase();
    let mut characters = lowered.chars();
    characters.next().map_or(String::new(), |first| {
        first.to_ascii_uppercase().to_string() + characters.as_str()
    })
}
