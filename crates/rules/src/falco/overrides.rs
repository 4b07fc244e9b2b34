//! The `override` map and the deprecated `append` flag of an item.

use kubevigil_diagnostics::{Diagnostic, closest};
use kubevigil_yaml::Node;

use crate::falco::codes;
use crate::falco::items::{Noted, Read, Reader};

/// How an item relates to an earlier one of the same name.
#[derive(Debug, PartialEq)]
pub(super) enum Mode {
    /// It stands for itself.
    Define,
    /// `append: true`.
    Append,
    /// `override` with at least one entry.
    Override(Vec<(String, Operation)>),
}

/// What happens to a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Operation {
    /// The item's value is added to what is there.
    Append,
    /// The item's value takes the place of what is there.
    Replace,
}

/// The keys that a kind of item lets others change.
pub(super) struct Overridable {
    /// Keys that can be appended to.
    pub(super) append: &'static [&'static str],
    /// Keys that can be replaced.
    pub(super) replace: &'static [&'static str],
}

impl Overridable {
    /// Reads `append` and `override` of an item.
    pub(super) fn mode(&self, reader: &mut Reader<'_>, node: &Node) -> Read<Mode> {
        let append = reader.flag(node, "append", false)?;
        if append {
            warn_of_append(reader, node);
        }
        let overrides = self.overrides(reader, node)?;
        match (append, overrides.is_empty()) {
            (true, false) => {
                let span = node
                    .entry("append")
                    .map_or(0..0, |(key, _)| key.span.clone());
                let message = "`append: true` and `override` cannot stand in one item";
                Err(reader.error(codes::YAML_VALIDATE, span, message))
            }
            (true, true) => Ok(Mode::Append),
            (false, true) => Ok(Mode::Define),
            (false, false) => Ok(Mode::Override(overrides)),
        }
    }

    fn overrides(&self, reader: &mut Reader<'_>, node: &Node) -> Read<Vec<(String, Operation)>> {
        let Some(map) = node.get("override").filter(|map| !map.is_null()) else {
            return Ok(Vec::new());
        };
        let Some(pairs) = map.pairs() else {
            let message = "`override` must map keys to `append` or `replace`";
            return Err(reader.error_in(
                "override",
                codes::YAML_VALIDATE,
                map.span.clone(),
                message,
            ));
        };
        let entries: Vec<_> = pairs
            .iter()
            .map(|(key, value)| self.entry(reader, node, key, value))
            .collect();
        let entries: Vec<_> = entries.into_iter().collect::<Read<_>>()?;
        if !entries.is_empty() {
            self.check_unlisted(reader, node, &entries)?;
        }
        Ok(entries)
    }

    fn entry(
        &self,
        reader: &mut Reader<'_>,
        item: &Node,
        key: &Node,
        value: &Node,
    ) -> Read<(String, Operation)> {
        let name = key.text().unwrap_or_default();
        let part = format!("override {name}");
        let operation = match value.text() {
            Some("append") => Operation::Append,
            Some("replace") => Operation::Replace,
            _ => {
                let message = "an override is `append` or `replace`";
                return Err(reader.error_in(
                    &part,
                    codes::YAML_VALIDATE,
                    value.span.clone(),
                    message,
                ));
            }
        };
        if !self.keys(operation).contains(&name) {
            return Err(self.refuse(reader, key, operation));
        }
        if item.get(name).is_none() {
            let message = format!("`override` lists `{name}`, but the item has no `{name}`");
            return Err(reader.error_in(&part, codes::YAML_VALIDATE, key.span.clone(), message));
        }
        Ok((name.to_owned(), operation))
    }

    fn refuse(&self, reader: &mut Reader<'_>, key: &Node, operation: Operation) -> Noted {
        let name = key.text().unwrap_or_default();
        let verb = if operation == Operation::Append {
            "appended to"
        } else {
            "replaced"
        };
        let mut problem =
            Diagnostic::error(codes::YAML_VALIDATE, format!("`{name}` cannot be {verb}"));
        let keys = self.keys(operation);
        problem = match closest(name, keys.iter().copied()) {
            _ if operation == Operation::Append && self.replace.contains(&name) => {
                problem.help(format!("`{name}: replace` is possible"))
            }
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem.help(format!("possible are {}", keys.join(", "))),
        };
        reader.note(problem, &format!("override {name}"), key.span.clone())
    }

    /// A key that could be overridden and stands in the item must be listed.
    fn check_unlisted(
        &self,
        reader: &mut Reader<'_>,
        item: &Node,
        entries: &[(String, Operation)],
    ) -> Read<()> {
        let mut result = Ok(());
        for (key, _) in item.pairs().unwrap_or_default() {
            let Some(name) = key.text().filter(|name| self.replace.contains(name)) else {
                continue;
            };
            if entries.iter().any(|(listed, _)| listed == name) {
                continue;
            }
            let message = format!("the item has `{name}`, but `override` does not list it");
            let problem = Diagnostic::error(codes::YAML_VALIDATE, message).help(format!(
                "add `{name}: replace` to `override`, or remove `{name}`"
            ));
            result = Err(reader.note(problem, &format!("override {name}"), key.span.clone()));
        }
        result
    }

    fn keys(&self, operation: Operation) -> &'static [&'static str] {
        match operation {
            Operation::Append => self.append,
            Operation::Replace => self.replace,
        }
    }
}

fn warn_of_append(reader: &mut Reader<'_>, node: &Node) {
    let span = node
        .entry("append")
        .map_or(0..0, |(key, _)| key.span.clone());
    let warning = Diagnostic::warning(codes::DEPRECATED_ITEM, "`append: true` is deprecated")
        .help("write `override:` with `append` for each key that is added to");
    reader.note(warning, "", span);
}
