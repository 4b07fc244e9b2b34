//! Reading one item of a rule file.
//!
//! A reader notes everything that is wrong with an item instead of stopping at the first mistake. What could not be read
//! is [`Noted`]: its problem is on the list, and the item will not be used.

use std::ops::Range;
use std::sync::Arc;

use kubevigil_diagnostics::{Diagnostic, Source, closest};
use kubevigil_yaml::Node;

use crate::falco::codes;
use crate::falco::text::Text;

/// Something could not be read, and the reason has been noted.
#[derive(Debug)]
pub(super) struct Noted;

/// What was read, if it could be.
pub(super) type Read<T> = Result<T, Noted>;

/// The problems of a load, and the file and item that are being read.
pub(super) struct Reader<'p> {
    /// The file.
    pub(super) source: Arc<Source>,
    /// The item as messages name it: `rule "Exec into a pod"`.
    pub(super) item: String,
    /// Where the item's name stands, for problems about something that is missing.
    pub(super) name_span: Range<usize>,
    /// Everything that was found so far.
    pub(super) problems: &'p mut Vec<Diagnostic>,
}

impl Reader<'_> {
    /// Reads the item's name, which is the value of the key that gives the item its kind.
    pub(super) fn name(&mut self, node: &Node, kind: &str) -> Read<String> {
        self.item = kind.to_owned();
        self.name_span = node
            .entry(kind)
            .map_or(node.span.clone(), |(key, _)| key.span.clone());
        let name = self.text(node, kind)?.as_str().to_owned();
        self.name_span = node.get(kind).map_or(0..0, |value| value.span.clone());
        self.item = format!("{kind} \"{name}\"");
        Ok(name)
    }

    /// Reads a part of the item as an item of its own.
    pub(super) fn inside<T>(
        &mut self,
        part: &str,
        span: Range<usize>,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let item = format!("{} {part}", self.item);
        let outer = (
            std::mem::replace(&mut self.item, item),
            std::mem::replace(&mut self.name_span, span),
        );
        let result = read(self);
        (self.item, self.name_span) = outer;
        result
    }

    /// Notes that an item changes what is not there.
    pub(super) fn nothing_to_change(&mut self, kind: &str, name: &str) -> Noted {
        let problem = Diagnostic::error(
            codes::VALIDATE,
            format!("there is no {kind} `{name}` yet that could be changed"),
        )
        .help(format!("load the file that defines the {kind} first"));
        self.note(problem, "", self.name_span.clone())
    }

    /// Notes an error in the item.
    pub(super) fn error(
        &mut self,
        code: &'static str,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> Noted {
        self.note(Diagnostic::error(code, message), "", span)
    }

    /// Notes an error in a part of the item, such as a key.
    pub(super) fn error_in(
        &mut self,
        part: &str,
        code: &'static str,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> Noted {
        self.note(Diagnostic::error(code, message), part, span)
    }

    /// Notes a warning about the item.
    pub(super) fn warning(
        &mut self,
        code: &'static str,
        span: Range<usize>,
        message: impl Into<String>,
    ) {
        self.note(Diagnostic::warning(code, message), "", span);
    }

    /// Notes a problem in a part of the item; the part is empty for the item as a whole.
    pub(super) fn note(&mut self, problem: Diagnostic, part: &str, span: Range<usize>) -> Noted {
        let whole = part.is_empty() || part == self.item;
        let item = if whole {
            self.item.clone()
        } else {
            format!("{} {part}", self.item)
        };
        self.problems
            .push(problem.within(item).at(&self.source, span));
        Noted
    }

    /// Warns about keys that the item does not know.
    pub(super) fn check_keys(&mut self, node: &Node, known: &[&str]) {
        for (key, _) in node.pairs().unwrap_or_default() {
            let name = key.text().unwrap_or("(not a text)");
            if key.text().is_some_and(|name| known.contains(&name)) {
                continue;
            }
            let message = format!("key `{name}` does not belong here and is ignored");
            let warning = with_suggestion(
                Diagnostic::warning(codes::UNKNOWN_KEY, message),
                name,
                known,
            );
            self.note(warning, "", key.span.clone());
        }
    }

    /// A key that must be there and must not be null.
    pub(super) fn required<'n>(&mut self, node: &'n Node, key: &str) -> Read<&'n Node> {
        match node.entry(key) {
            None => {
                let span = self.name_span.clone();
                Err(self.error(
                    codes::YAML_VALIDATE,
                    span,
                    format!("key `{key}` is missing"),
                ))
            }
            Some((name, value)) if value.is_null() => Err(self.error(
                codes::YAML_VALIDATE,
                name.span.clone(),
                format!("key `{key}` has no value"),
            )),
            Some((_, value)) => Ok(value),
        }
    }

    /// A mandatory text that is not empty.
    pub(super) fn text(&mut self, node: &Node, key: &str) -> Read<Text> {
        let value = self.required(node, key)?;
        self.non_empty(value, key)
    }

    /// A text that is not empty, if the key is there.
    pub(super) fn optional_text(&mut self, node: &Node, key: &str) -> Read<Option<Text>> {
        if node.get(key).is_none() {
            Ok(None)
        } else {
            self.text(node, key).map(Some)
        }
    }

    /// A scalar that is neither null nor empty.
    pub(super) fn non_empty(&mut self, value: &Node, part: &str) -> Read<Text> {
        match value.text() {
            Some("") if !value.is_null() => Err(self.error_in(
                part,
                codes::YAML_VALIDATE,
                value.span.clone(),
                "an empty text cannot stand here",
            )),
            Some(_) if !value.is_null() => Ok(Text::of(&self.source, value)),
            _ => Err(self.error_in(
                part,
                codes::YAML_VALIDATE,
                value.span.clone(),
                "a text is expected",
            )),
        }
    }

    /// A truth value, or what counts when the key is missing.
    pub(super) fn flag(&mut self, node: &Node, key: &str, default: bool) -> Read<bool> {
        let Some(value) = node.get(key) else {
            return Ok(default);
        };
        value.as_bool().ok_or_else(|| {
            self.error_in(
                key,
                codes::YAML_VALIDATE,
                value.span.clone(),
                format!("`{key}` must be true or false"),
            )
        })
    }

    /// An unsigned number, if the key is there.
    pub(super) fn check_number(&mut self, node: &Node, key: &str) -> Read<()> {
        match node.get(key) {
            Some(value)
                if value
                    .text()
                    .and_then(|text| text.parse::<u64>().ok())
                    .is_none() =>
            {
                let message = format!("`{key}` must be a whole number");
                Err(self.error_in(key, codes::YAML_VALIDATE, value.span.clone(), message))
            }
            _ => Ok(()),
        }
    }

    /// The elements of a list of scalars, which may be empty texts but not null.
    pub(super) fn scalars(&mut self, value: &Node, part: &str) -> Read<Vec<Text>> {
        let Some(items) = value.items() else {
            return Err(self.error_in(
                part,
                codes::YAML_VALIDATE,
                value.span.clone(),
                format!("`{part}` must be a list"),
            ));
        };
        let scalars: Vec<Read<Text>> = items.iter().map(|item| self.scalar(item, part)).collect();
        scalars.into_iter().collect()
    }

    fn scalar(&mut self, item: &Node, part: &str) -> Read<Text> {
        if item.text().is_some() && !item.is_null() {
            return Ok(Text::of(&self.source, item));
        }
        let message = format!("an element of `{part}` must be a text");
        Err(self.error_in(part, codes::YAML_VALIDATE, item.span.clone(), message))
    }
}

/// The problem with the advice to write the nearest known word, if there is one.
pub(super) fn with_suggestion(problem: Diagnostic, word: &str, known: &[&str]) -> Diagnostic {
    match closest(word, known.iter().copied()) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem,
    }
}
