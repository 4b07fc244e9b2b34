//! One field and its values.

use std::ops::Range;

use kubevigil_yaml::Node;

use crate::condition::Condition;
use crate::json_test::{JsonPredicate, JsonTest, Letters, Network, Relation, Subject, fold};
use crate::pattern::{Pattern, Token};
use crate::sigma::codes;
use crate::sigma::fields::UnknownField;
use crate::sigma::modifiers::{Key, Modifier};
use crate::sigma::numeric;
use crate::sigma::problems::Problems;
use crate::sigma::scalar::Scalar;
use crate::sigma::values::{Placeholders, Texts, opened, pattern};

/// What an item needs to know besides its key and values.
pub(super) struct Item<'i> {
    pub(super) key: &'i Key,
    pub(super) subject: Subject,
    /// Whether the empty text means that there is no value.
    pub(super) empty_is_absent: bool,
    pub(super) placeholders: &'i Placeholders,
    /// What `fieldref` names lead to.
    pub(super) field: &'i dyn Fn(&str) -> Result<Subject, UnknownField>,
    pub(super) problems: &'i mut Problems,
}

/// One way in which a value can match.
enum Way {
    Predicate(JsonPredicate),
    Pattern(Pattern, Letters),
}

/// The patterns of one item may have this many characters together; what they compile to is some hundred times as long.
const MAX_CHARACTERS: usize = 50_000;

impl Item<'_> {
    /// The condition of the item; mistakes in all values are noted.
    pub(super) fn compile(&mut self, value: &Node) -> Option<Condition> {
        let nodes = self.value_nodes(value)?;
        let condition = if self.key.has(Modifier::Exists) {
            self.exists(nodes)?
        } else {
            self.matches(nodes)?
        };
        Some(if self.key.negated {
            Condition::Not(Box::new(condition))
        } else {
            condition
        })
    }

    fn value_nodes<'n>(&mut self, value: &'n Node) -> Option<&'n [Node]> {
        let nodes = value.items().unwrap_or(std::slice::from_ref(value));
        if nodes.is_empty() {
            let message = "an empty list can never match";
            return self
                .problems
                .error(codes::VALUE, value.span.clone(), message);
        }
        Some(nodes)
    }

    fn exists(&mut self, nodes: &[Node]) -> Option<Condition> {
        let other = self.key.first_not(|modifier| modifier == Modifier::Exists);
        if let Some(other) = other {
            let message = format!("`exists` cannot be combined with `{}`", other.word);
            return self
                .problems
                .error(codes::MODIFIER, other.span.clone(), message);
        }
        if self.subject == Subject::AnyScalar {
            let message = "`exists` needs a field in front of it";
            return self
                .problems
                .error(codes::MODIFIER, self.key.span.clone(), message);
        }
        let wanted = match nodes {
            [node] => Scalar::of(node),
            _ => None,
        };
        let exists = self.test(JsonPredicate::Exists);
        match wanted {
            Some(Scalar::Bool(true)) => Some(exists),
            Some(Scalar::Bool(false)) => Some(Condition::Not(Box::new(exists))),
            _ => {
                let span = nodes
                    .first()
                    .map_or(self.key.span.clone(), |node| node.span.clone());
                self.problems
                    .error(codes::VALUE, span, "`exists` asks for `true` or `false`")
            }
        }
    }

    fn matches(&mut self, nodes: &[Node]) -> Option<Condition> {
        let ways: Vec<Option<Vec<Way>>> = nodes
            .iter()
            .map(|node| self.ways(node, nodes.len()))
            .collect();
        let ways: Vec<Vec<Way>> = ways.into_iter().collect::<Option<_>>()?;
        let characters = ways.iter().flatten().map(|way| match way {
            Way::Pattern(pattern, _) => pattern.0.len(),
            Way::Predicate(_) => 0,
        });
        if characters.sum::<usize>() > MAX_CHARACTERS {
            let message = format!("the values have more than {MAX_CHARACTERS} characters together");
            return self
                .problems
                .error(codes::VALUE, self.key.span.clone(), message);
        }
        if self.key.all {
            let each: Vec<Condition> = ways.into_iter().map(|ways| self.any_of(ways)).collect();
            return Some(joined(each, Condition::All));
        }
        Some(self.any_of(ways.into_iter().flatten().collect()))
    }

    /// The ways in which one value of the list can match.
    fn ways(&mut self, node: &Node, count: usize) -> Option<Vec<Way>> {
        let span = node.span.clone();
        let Some(value) = Scalar::of(node) else {
            let help = "a map under a field is a block for the elements of an array: write `sigma-version: 3` in the rule and `FIELD[any]:`";
            let message = "a value must be a text, a number, a truth value or null";
            return self
                .problems
                .error_with_help(codes::VALUE, span, message, help);
        };
        let first = self.key.chain.first().map(|written| written.modifier);
        let is_numeric = |modifier| matches!(modifier, Modifier::Compare(_) | Modifier::Time(_));
        if first == Some(Modifier::Re) {
            return self.regex(value, span);
        }
        let one = |predicate: Option<JsonPredicate>| Some(vec![Way::Predicate(predicate?)]);
        if self.key.has(Modifier::Cidr) {
            return one(numeric::network(self.key, value, span, self.problems));
        }
        if self
            .key
            .chain
            .iter()
            .any(|written| is_numeric(written.modifier))
        {
            return one(numeric::comparison(self.key, value, span, self.problems));
        }
        if self.key.has(Modifier::FieldRef) {
            return one(self.reference(value, span));
        }
        match value {
            Scalar::Text(text) => self.texts(text, span),
            _ => self.plain(value, span, count),
        }
    }

    fn plain(&mut self, value: Scalar<'_>, span: Range<usize>, count: usize) -> Option<Vec<Way>> {
        if let Some(written) = self.key.chain.first() {
            let message = format!("`{}` needs a text, not {}", written.word, value.kind());
            let help = "put the value in quotes";
            return self
                .problems
                .error_with_help(codes::VALUE, span, message, help);
        }
        let predicate = match value {
            Scalar::Null if self.subject == Subject::AnyScalar => {
                return self
                    .problems
                    .error(codes::VALUE, span, "a keyword cannot be null");
            }
            Scalar::Null if count > 1 => {
                let message = "null cannot stand in a list";
                let help = "write a list of maps: one with the values, one with null";
                return self
                    .problems
                    .error_with_help(codes::VALUE, span, message, help);
            }
            Scalar::Null => JsonPredicate::Null,
            Scalar::Bool(value) => JsonPredicate::Bool(value),
            Scalar::Number(number, written) => {
                JsonPredicate::Number(number, number_texts(number, written))
            }
            Scalar::Text(_) => return None,
        };
        Some(vec![Way::Predicate(predicate)])
    }

    fn texts(&mut self, text: &str, span: Range<usize>) -> Option<Vec<Way>> {
        let mut texts = Texts {
            key: self.key,
            placeholders: self.placeholders,
            span,
            problems: self.problems,
        };
        let (patterns, letters) = texts.patterns(text)?;
        let is_keyword = self.subject == Subject::AnyScalar;
        let mut ways: Vec<Way> = Vec::with_capacity(patterns.len());
        if self.empty_is_absent && patterns.iter().any(|pattern| pattern.0.is_empty()) {
            ways.push(Way::Predicate(JsonPredicate::Null));
        }
        ways.extend(patterns.into_iter().map(|pattern| match pattern {
            pattern if is_keyword => Way::Pattern(opened(pattern, Relation::Contains), letters),
            pattern => Way::Pattern(pattern, letters),
        }));
        Some(ways)
    }

    fn regex(&mut self, value: Scalar<'_>, span: Range<usize>) -> Option<Vec<Way>> {
        let Scalar::Text(text) = value else {
            let message = format!("a regular expression is expected, not {}", value.kind());
            return self.problems.error(codes::VALUE, span, message);
        };
        let mut flags = String::new();
        for written in self.key.chain.iter().skip(1) {
            match written.modifier {
                Modifier::ReFlag(flag) => flags.push(flag),
                _ => {
                    let message = format!("`{}` cannot stand behind `re`", written.word);
                    return self
                        .problems
                        .error(codes::MODIFIER, written.span.clone(), message);
                }
            }
        }
        let expression = match flags.as_str() {
            "" => text.to_owned(),
            flags => format!("(?{flags}){text}"),
        };
        if let Err(error) = regex::RegexBuilder::new(&expression).build() {
            return self.bad_regex(text, &error, span);
        }
        Some(vec![Way::Predicate(JsonPredicate::Regex(expression))])
    }

    fn bad_regex<T>(&mut self, text: &str, error: &regex::Error, span: Range<usize>) -> Option<T> {
        let reason = error.to_string();
        let reason = reason
            .lines()
            .last()
            .unwrap_or_default()
            .trim_start_matches("error: ");
        let message = format!("the regular expression `{text}` does not compile: {reason}");
        let help = "the syntax is that of the Rust crate `regex`: no look-around and no back-references, so that no text can make it slow";
        self.problems
            .error_with_help(codes::VALUE, span, message, help)
    }

    fn reference(&mut self, value: Scalar<'_>, span: Range<usize>) -> Option<JsonPredicate> {
        let (mut relation, mut letters) = (Relation::Equals, Letters::Folded);
        for written in &self.key.chain {
            match written.modifier {
                Modifier::FieldRef => {}
                Modifier::Cased => letters = Letters::Exact,
                Modifier::Text(wanted) => relation = wanted,
                _ => {
                    let message = format!("`fieldref` cannot be combined with `{}`", written.word);
                    return self
                        .problems
                        .error(codes::MODIFIER, written.span.clone(), message);
                }
            }
        }
        let name = match value {
            Scalar::Text(text) => pattern(text).as_literal(),
            _ => None,
        };
        let Some(name) = name else {
            let message = "`fieldref` needs the name of a field";
            return self.problems.error(codes::VALUE, span, message);
        };
        match (self.field)(&name) {
            Ok(subject) => Some(JsonPredicate::Against(Box::new(subject), relation, letters)),
            Err(error) => error.report(span, self.problems),
        }
    }

    /// The fewest tests for the ways: texts without wildcards become one set, patterns one expression, networks one list.
    fn any_of(&self, ways: Vec<Way>) -> Condition {
        let mut tests: Vec<JsonPredicate> = Vec::new();
        let mut networks: Vec<Network> = Vec::new();
        let mut groups =
            [Letters::Folded, Letters::Exact].map(|letters| (letters, Vec::new(), Vec::new()));
        for way in ways {
            match way {
                Way::Predicate(JsonPredicate::Network(more)) => networks.extend(more),
                Way::Predicate(predicate) => tests.push(predicate),
                Way::Pattern(pattern, _) if pattern.matches_everything() => {
                    tests.push(JsonPredicate::HasValue);
                }
                Way::Pattern(pattern, letters) => {
                    let group = groups.iter_mut().find(|(of, ..)| *of == letters);
                    let Some((_, texts, patterns)) = group else {
                        continue;
                    };
                    match pattern.as_literal() {
                        Some(text) => texts.push(text_in(letters, &text)),
                        None => patterns.push(pattern),
                    }
                }
            }
        }
        for (letters, texts, patterns) in groups {
            if !texts.is_empty() {
                tests.push(JsonPredicate::OneOf(texts, letters));
            }
            if !patterns.is_empty() {
                tests.push(JsonPredicate::Like(patterns, letters));
            }
        }
        if !networks.is_empty() {
            tests.push(JsonPredicate::Network(networks));
        }
        joined(
            tests.into_iter().map(|test| self.test(test)).collect(),
            Condition::Any,
        )
    }

    fn test(&self, predicate: JsonPredicate) -> Condition {
        Condition::Json(JsonTest {
            subject: self.subject.clone(),
            predicate,
        })
    }
}

/// The only condition, or all of them joined.
pub(super) fn joined(
    mut parts: Vec<Condition>,
    join: fn(Vec<Condition>) -> Condition,
) -> Condition {
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            parts.extend(last);
            join(parts)
        }
    }
}

fn text_in(letters: Letters, text: &str) -> Box<str> {
    match letters {
        Letters::Exact => text.into(),
        Letters::Folded => String::from_utf8_lossy(&fold(text.as_bytes())).into(),
    }
}

/// The texts that are equal to a number: as the rule writes it, and in decimal.
fn number_texts(number: f64, written: &str) -> Vec<Box<str>> {
    let mut texts: Vec<Box<str>> = vec![written.into(), number.to_string().into()];
    texts.dedup();
    texts
}

/// Whether a text has an unescaped `?`.
pub(super) fn has_single(text: &str) -> bool {
    pattern(text).0.contains(&Token::One)
}
