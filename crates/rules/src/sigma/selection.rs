//! Selections: maps, lists of maps, keywords, and blocks for the elements of arrays.

use kubevigil_yaml::{Kind, Node};

use crate::condition::Condition;
use crate::json_test::{Elements, Subject};
use crate::lookup::Lookup;
use crate::sigma::codes;
use crate::sigma::condition::{self, Expr, Selections};
use crate::sigma::fields::{Fields, Resolved};
use crate::sigma::item::{Item, joined};
use crate::sigma::modifiers::Key;
use crate::sigma::paths;
use crate::sigma::problems::Problems;
use crate::sigma::values::Placeholders;

/// Turns the detection of one rule into a condition.
pub(super) struct Compiler<'c> {
    pub(super) fields: &'c Fields,
    pub(super) placeholders: &'c Placeholders,
    /// Whether brackets in names mean elements of arrays.
    pub(super) has_blocks: bool,
    pub(super) problems: &'c mut Problems,
}

/// Whether names are those of an event or begin at an element.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Origin {
    Event,
    Element,
}

/// A detection, compiled, and what its conditions say.
pub(super) struct Detection {
    pub(super) condition: Condition,
    pub(super) expressions: Vec<Expr>,
}

/// Keys of a detection that are no selections.
pub(super) const NO_SELECTIONS: [&str; 2] = ["condition", "timeframe"];

impl Compiler<'_> {
    /// Compiles selections and conditions. `left_out` are keys that are no selections either.
    pub(super) fn detection(&mut self, node: &Node, left_out: &[&str]) -> Option<Detection> {
        self.detection_of(node, left_out, Origin::Event)
    }

    fn detection_of(
        &mut self,
        node: &Node,
        left_out: &[&str],
        origin: Origin,
    ) -> Option<Detection> {
        let Some(pairs) = node.pairs() else {
            let message = "selections and a condition are expected";
            return self
                .problems
                .error(codes::STRUCTURE, node.span.clone(), message);
        };
        let mut selections = Selections::new();
        for (key, value) in pairs {
            let Some(name) = key.text() else {
                self.problems.error::<()>(
                    codes::STRUCTURE,
                    key.span.clone(),
                    "the name of a selection must be a text",
                );
                continue;
            };
            if !NO_SELECTIONS.contains(&name) && !left_out.contains(&name) {
                selections.push((name.to_owned(), self.selection(value, origin)));
            }
        }
        let Some((_, conditions)) = node.entry("condition") else {
            let help = "`condition: NAME` asks for one selection";
            let message = "key `condition` is missing";
            return self
                .problems
                .error_with_help(codes::STRUCTURE, start_of(node), message, help);
        };
        if selections.is_empty() {
            return self
                .problems
                .error(codes::STRUCTURE, start_of(node), "there is no selection");
        }
        self.conditions(conditions, &selections)
    }

    fn conditions(&mut self, node: &Node, selections: &Selections) -> Option<Detection> {
        let nodes = node.items().unwrap_or(std::slice::from_ref(node));
        let is_text = |node: &Node| node.text().is_some() && !node.is_null();
        if nodes.is_empty() || !nodes.iter().all(is_text) {
            let message = "`condition` must be a text or a list of texts";
            return self
                .problems
                .error(codes::STRUCTURE, node.span.clone(), message);
        }
        let mut expressions = Vec::new();
        let mut parts = Vec::new();
        for node in nodes {
            let expression = condition::parse(node, self.problems);
            let compiled = expression
                .as_ref()
                .filter(|expression| self.is_small(expression, selections, node))
                .and_then(|expression| condition::compile(expression, selections, self.problems));
            expressions.extend(expression);
            parts.push(compiled);
        }
        let parts: Vec<Condition> = parts.into_iter().collect::<Option<_>>()?;
        // A selection with a mistake makes the rule wrong even when no condition names it.
        let complete = selections.iter().all(|(_, condition)| condition.is_some());
        complete.then(|| Detection {
            condition: joined(parts, Condition::Any),
            expressions,
        })
    }

    /// Selections that name each other's blocks again and again would grow without end.
    fn is_small(&mut self, expression: &Expr, selections: &Selections, node: &Node) -> bool {
        const MAX_PARTS: usize = 100_000;
        let small = condition::size(expression, selections) <= MAX_PARTS;
        if !small {
            let message =
                format!("the condition has more than {MAX_PARTS} parts when selections are put in");
            self.problems
                .error::<()>(codes::CONDITION, node.span.clone(), message);
        }
        small
    }

    fn selection(&mut self, node: &Node, origin: Origin) -> Option<Condition> {
        match &node.kind {
            Kind::Mapping(pairs) if pairs.is_empty() => self.empty(node),
            Kind::Mapping(pairs) => self.map(pairs, origin),
            Kind::Sequence(items) if items.is_empty() => self.empty(node),
            Kind::Sequence(items) if items.iter().all(|item| item.text().is_some()) => {
                self.keywords(node)
            }
            Kind::Sequence(items) => {
                let parts: Vec<_> = items
                    .iter()
                    .map(|item| self.selection(item, origin))
                    .collect();
                Some(joined(
                    parts.into_iter().collect::<Option<_>>()?,
                    Condition::Any,
                ))
            }
            Kind::Scalar { .. } if node.is_null() => self.empty(node),
            Kind::Scalar { .. } => self.keywords(node),
        }
    }

    fn empty(&mut self, node: &Node) -> Option<Condition> {
        self.problems.error(
            codes::STRUCTURE,
            node.span.clone(),
            "the selection is empty",
        )
    }

    fn map(&mut self, pairs: &[(Node, Node)], origin: Origin) -> Option<Condition> {
        let parts: Vec<_> = pairs
            .iter()
            .map(|(key, value)| self.entry(key, value, origin))
            .collect();
        Some(joined(
            parts.into_iter().collect::<Option<_>>()?,
            Condition::All,
        ))
    }

    fn keywords(&mut self, node: &Node) -> Option<Condition> {
        let key = Key {
            field: String::new(),
            all: false,
            negated: false,
            chain: Vec::new(),
            span: node.span.clone(),
        };
        self.item(&key, node, None, Origin::Event)
    }

    fn entry(&mut self, key: &Node, value: &Node, origin: Origin) -> Option<Condition> {
        let key = Key::read(key, self.problems);
        let key = key?;
        if value.pairs().is_some() || (self.has_blocks && paths::quantified(&key.field).is_some()) {
            return self.block(&key, value, origin);
        }
        if key.field.is_empty() {
            return self.item(&key, value, None, origin);
        }
        let resolved = self.field(&key, origin)?;
        self.item(&key, value, Some(resolved), origin)
    }

    fn item(
        &mut self,
        key: &Key,
        value: &Node,
        field: Option<Resolved>,
        origin: Origin,
    ) -> Option<Condition> {
        let empty_is_absent = field.as_ref().is_some_and(|field| field.empty_is_absent);
        let fields = self.fields;
        let reference = move |name: &str| match origin {
            Origin::Event => fields.resolve(name).map(|field| field.subject),
            Origin::Element => Ok(Subject::Lookup(Lookup::dotted(name))),
        };
        let mut item = Item {
            key,
            subject: field.map_or(Subject::AnyScalar, |field| field.subject),
            empty_is_absent,
            placeholders: self.placeholders,
            field: &reference,
            problems: self.problems,
        };
        item.compile(value)
    }

    fn block(&mut self, key: &Key, value: &Node, origin: Origin) -> Option<Condition> {
        let span = key.span.clone();
        let Some((name, quantifier)) = paths::quantified(&key.field) else {
            let message = "a map cannot be the value of a field";
            let help = format!(
                "with `sigma-version: 3` in the rule, `{}[any]:` asks for an element with all of this",
                key.field
            );
            return self
                .problems
                .error_with_help(codes::VALUE, span, message, help);
        };
        if !self.has_blocks {
            let message = "blocks for elements of arrays are part of Sigma 3";
            let help = "write `sigma-version: 3` in the rule";
            return self
                .problems
                .error_with_help(codes::FIELD, span, message, help);
        }
        if let Some(written) = key.chain.first() {
            let message = "a block takes no modifiers";
            return self
                .problems
                .error(codes::MODIFIER, written.span.clone(), message);
        }
        if value.pairs().is_none() {
            let message = format!("a map is expected under `{}`", key.field);
            let help = "`.` stands for an element that is no object: `.|startswith: VALUE`";
            return self
                .problems
                .error_with_help(codes::VALUE, value.span.clone(), message, help);
        }
        let bare = Key {
            field: name.to_owned(),
            ..key.clone()
        };
        let Subject::Lookup(of) = self.field(&bare, origin)?.subject else {
            let message = format!("`{name}` has no elements that a block could ask");
            let help = "ask it as it is: a list stands for its members";
            return self
                .problems
                .error_with_help(codes::FIELD, span, message, help);
        };
        let body = if value.get("condition").is_some() {
            self.detection_of(value, &[], Origin::Element)?.condition
        } else {
            self.selection(value, Origin::Element)?
        };
        let block = Condition::Elements(Elements {
            of,
            quantifier,
            condition: Box::new(body),
        });
        Some(if key.negated {
            Condition::Not(Box::new(block))
        } else {
            block
        })
    }

    fn field(&mut self, key: &Key, origin: Origin) -> Option<Resolved> {
        let absolute = |lookup| Resolved {
            subject: Subject::Lookup(lookup),
            empty_is_absent: false,
        };
        if self.has_blocks && paths::has_brackets(&key.field) {
            let path = paths::path(&key.field, &key.span, self.problems)?;
            return Some(absolute(Lookup::of_paths(&key.field, [path])));
        }
        match origin {
            Origin::Event => match self.fields.resolve(&key.field) {
                Ok(resolved) => Some(resolved),
                Err(error) => error.report(key.span.clone(), self.problems),
            },
            Origin::Element => Some(absolute(Lookup::dotted(&key.field))),
        }
    }
}

/// A place for what is missing in a node: its first key.
fn start_of(node: &Node) -> std::ops::Range<usize> {
    match node.pairs().and_then(<[_]>::first) {
        Some((key, _)) => key.span.clone(),
        None => node.span.clone(),
    }
}
