//! The grammar of `condition`.
//!
//! `or` binds weakest, then `and`, `not`, `1 of`, parentheses. Words are separated by blanks and parentheses, so `android` and `all_x` are
//! names.

use std::ops::Range;

use kubevigil_yaml::Node;

use crate::condition::Condition;
use crate::sigma::codes;
use crate::sigma::item::joined;
use crate::sigma::problems::Problems;

/// A condition as it is written.
#[derive(Clone, Debug)]
pub(super) enum Expr {
    Or(Vec<Expr>),
    And(Vec<Expr>),
    Not(Box<Expr>),
    Name(String, Range<usize>),
    Of {
        all: bool,
        pattern: String,
        span: Range<usize>,
    },
}

/// The selections of a rule and what they became; `None` for one that has mistakes.
pub(super) type Selections = Vec<(String, Option<Condition>)>;

/// Deeper nesting is refused, so that code that walks conditions may recurse.
const MAX_DEPTH: usize = 100;
/// A condition may name this many selections.
const MAX_WORDS: usize = 1_000;

/// Reads the text of a detection's condition.
pub(super) fn parse(node: &Node, problems: &mut Problems) -> Option<Expr> {
    let text = node.text().unwrap_or_default();
    match text.find('|') {
        Some(at) => refuse_aggregation(node, text, at, problems),
        None => parse_of("selection", node, problems),
    }
}

/// Reads the text of a condition in which names are those of a `noun`.
pub(super) fn parse_of(noun: &'static str, node: &Node, problems: &mut Problems) -> Option<Expr> {
    let text = node.text().unwrap_or_default();
    let words = words(node, text, &problems.source.text.clone());
    if words.len() > MAX_WORDS {
        let message = format!("the condition has more than {MAX_WORDS} words");
        return problems.error(codes::CONDITION, node.span.clone(), message);
    }
    let end = node.source_offset(&problems.source.text, text.len());
    let mut parser = Parser {
        noun,
        words,
        at: 0,
        depth: 0,
        end: end..end,
        problems,
    };
    let expr = parser.or()?;
    match parser.next() {
        None => Some(expr),
        Some((word, span)) => {
            let message = format!("`{word}` is not expected here");
            let help = format!("join {noun}s with `and`, `or` or `not`, in lower case");
            parser
                .problems
                .error_with_help(codes::CONDITION, span, message, help)
        }
    }
}

fn refuse_aggregation<T>(node: &Node, text: &str, at: usize, problems: &mut Problems) -> Option<T> {
    let behind = text.get(at..).unwrap_or_default();
    let replacement = match behind {
        near if near.contains("near") => "temporal",
        count if count.contains("count(") && !count.contains("count()") => "value_count",
        sum if sum.contains("sum(") => "value_sum",
        average if average.contains("avg(") => "value_avg",
        _ => "event_count",
    };
    let message = "aggregations behind `|` are no part of Sigma any more";
    let help = format!(
        "end the condition before the `|`, and write a correlation of type `{replacement}` that names this rule"
    );
    let span = node.source_offset(&problems.source.text, at)..node.span.end;
    problems.error_with_help(codes::CONDITION, span, message, help)
}

fn words(node: &Node, text: &str, source: &str) -> Vec<(String, Range<usize>)> {
    let mut words: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (at, character) in text.char_indices() {
        if character.is_whitespace() {
            open = false;
        } else if matches!(character, '(' | ')') {
            words.push((at, character.to_string()));
            open = false;
        } else if let (true, Some((_, word))) = (open, words.last_mut()) {
            word.push(character);
        } else {
            words.push((at, character.to_string()));
            open = true;
        }
    }
    let placed = words.into_iter().take(MAX_WORDS + 1).map(|(at, word)| {
        let start = node.source_offset(source, at);
        let span = start..start + word.len();
        (word, span)
    });
    placed.collect()
}

struct Parser<'p> {
    /// What names stand for, for messages.
    noun: &'static str,
    words: Vec<(String, Range<usize>)>,
    at: usize,
    depth: usize,
    end: Range<usize>,
    problems: &'p mut Problems,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&str> {
        self.words.get(self.at).map(|(word, _)| word.as_str())
    }

    fn next(&mut self) -> Option<(String, Range<usize>)> {
        self.at += 1;
        self.words.get(self.at - 1).cloned()
    }

    fn take(&mut self, word: &str) -> bool {
        let there = self.peek() == Some(word);
        self.at += usize::from(there);
        there
    }

    fn or(&mut self) -> Option<Expr> {
        let mut parts = vec![self.and()?];
        while self.take("or") {
            parts.push(self.and()?);
        }
        one_or(parts, Expr::Or)
    }

    fn and(&mut self) -> Option<Expr> {
        let mut parts = vec![self.not()?];
        while self.take("and") {
            parts.push(self.not()?);
        }
        one_or(parts, Expr::And)
    }

    fn not(&mut self) -> Option<Expr> {
        let mut negations = 0_usize;
        while self.take("not") {
            negations += 1;
        }
        let expr = self.primary()?;
        // Two negations are none.
        Some(if negations % 2 == 1 {
            Expr::Not(Box::new(expr))
        } else {
            expr
        })
    }

    fn primary(&mut self) -> Option<Expr> {
        let Some((word, span)) = self.next() else {
            let message = format!("the condition ends where a {} is expected", self.noun);
            let end = self.end.clone();
            return self.problems.error(codes::CONDITION, end, message);
        };
        match word.as_str() {
            "(" => self.parenthesis(span),
            "1" | "any" | "all" if self.peek() == Some("of") => self.of(word == "all", span),
            "and" | "or" | "of" | ")" => {
                let message = format!("a {} is expected before `{word}`", self.noun);
                self.problems.error(codes::CONDITION, span, message)
            }
            _ => Some(Expr::Name(word, span)),
        }
    }

    fn parenthesis(&mut self, opening: Range<usize>) -> Option<Expr> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let message = format!("parentheses are nested deeper than {MAX_DEPTH} levels");
            return self.problems.error(codes::CONDITION, opening, message);
        }
        let inner = self.or()?;
        self.depth -= 1;
        if self.take(")") {
            return Some(inner);
        }
        if let Some((word, span)) = self.next() {
            let message = format!("`)` or an operator is expected before `{word}`");
            return self.problems.error(codes::CONDITION, span, message);
        }
        self.problems
            .error(codes::CONDITION, opening, "the parenthesis is not closed")
    }

    fn of(&mut self, all: bool, start: Range<usize>) -> Option<Expr> {
        self.at += 1;
        match self.next() {
            Some((pattern, span))
                if !matches!(pattern.as_str(), "(" | ")" | "and" | "or" | "not") =>
            {
                Some(Expr::Of {
                    all,
                    pattern,
                    span: start.start..span.end,
                })
            }
            _ => {
                let help = "`1 of them`, `all of selection_*`";
                let noun = self.noun;
                let message = format!("the name of {noun}s, or `them`, is expected behind `of`");
                self.problems
                    .error_with_help(codes::CONDITION, start, message, help)
            }
        }
    }
}

fn one_or(mut parts: Vec<Expr>, join: fn(Vec<Expr>) -> Expr) -> Option<Expr> {
    if parts.len() == 1 {
        parts.pop()
    } else {
        Some(join(parts))
    }
}

/// Whether a selection's name is among those that a pattern means. Names that start with `_` hide from patterns that do not.
pub(super) fn selects(pattern: &str, name: &str) -> bool {
    let hidden = name.starts_with('_') && !pattern.starts_with('_');
    if pattern == "them" {
        return !name.starts_with('_');
    }
    !hidden && like(pattern, name)
}

fn like(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut name) = name.strip_prefix(start) else {
        return false;
    };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    for piece in middle.split('*').filter(|piece| !piece.is_empty()) {
        match name.split_once(piece) {
            Some((_, behind)) => name = behind,
            None => return false,
        }
    }
    name.ends_with(end)
}

/// Puts selections into a condition; names that lead nowhere are noted.
pub(super) fn compile(
    expr: &Expr,
    selections: &Selections,
    problems: &mut Problems,
) -> Option<Condition> {
    let each = |parts: &[Expr], problems: &mut Problems| -> Option<Vec<Condition>> {
        let parts: Vec<_> = parts
            .iter()
            .map(|part| compile(part, selections, problems))
            .collect();
        parts.into_iter().collect()
    };
    match expr {
        Expr::Or(parts) => Some(Condition::Any(each(parts, problems)?)),
        Expr::And(parts) => Some(Condition::All(each(parts, problems)?)),
        Expr::Not(part) => Some(Condition::Not(Box::new(compile(
            part, selections, problems,
        )?))),
        Expr::Name(name, span) => named(name, span, selections, problems),
        Expr::Of { all, pattern, span } => {
            let found: Vec<_> = selections
                .iter()
                .filter(|(name, _)| selects(pattern, name))
                .collect();
            if found.is_empty() {
                let message = format!("no selection is called `{pattern}`");
                let help =
                    "a `*` stands for any part of a name; names that start with `_` are left out";
                return problems.error_with_help(codes::CONDITION, span.clone(), message, help);
            }
            let parts: Option<Vec<Condition>> = found
                .into_iter()
                .map(|(_, condition)| condition.clone())
                .collect();
            Some(joined(
                parts?,
                if *all { Condition::All } else { Condition::Any },
            ))
        }
    }
}

/// How many parts the condition will have when selections are put in.
pub(super) fn size(expr: &Expr, selections: &Selections) -> usize {
    let of = |wanted: &dyn Fn(&str) -> bool| -> usize {
        let found = selections.iter().filter(|(name, _)| wanted(name));
        found
            .filter_map(|(_, condition)| condition.as_ref())
            .map(Condition::parts)
            .sum()
    };
    match expr {
        Expr::Or(parts) | Expr::And(parts) => parts
            .iter()
            .map(|part| size(part, selections))
            .fold(1, usize::saturating_add),
        Expr::Not(part) => size(part, selections).saturating_add(1),
        Expr::Name(name, _) => of(&|known| known == name),
        Expr::Of { pattern, .. } => of(&|known| selects(pattern, known)).saturating_add(1),
    }
}

fn named(
    name: &str,
    span: &Range<usize>,
    selections: &Selections,
    problems: &mut Problems,
) -> Option<Condition> {
    if let Some((_, condition)) = selections.iter().find(|(known, _)| known == name) {
        return condition.clone();
    }
    if ["AND", "OR", "NOT", "And", "Or", "Not", "ALL", "ANY"].contains(&name) {
        let message = format!("`{name}` is taken for a selection");
        let help = "operators are written in lower case";
        return problems.error_with_help(codes::CONDITION, span.clone(), message, help);
    }
    let names = selections.iter().map(|(name, _)| name.as_str());
    let message = format!("no selection is called `{name}`");
    problems.unknown(codes::CONDITION, span.clone(), message, name, names)
}

/// The selections that a condition negates: those under an odd number of `not`.
pub(super) fn negated<'s>(
    expr: &Expr,
    names: &[&'s str],
    under_not: bool,
    found: &mut Vec<&'s str>,
) {
    match expr {
        Expr::Or(parts) | Expr::And(parts) => {
            parts
                .iter()
                .for_each(|part| negated(part, names, under_not, found));
        }
        Expr::Not(part) => negated(part, names, !under_not, found),
        Expr::Name(name, _) => {
            found.extend(names.iter().filter(|known| under_not && *known == name))
        }
        Expr::Of { pattern, .. } => {
            found.extend(
                names
                    .iter()
                    .filter(|known| under_not && selects(pattern, known)),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::selects;

    #[test]
    fn patterns_select_names() {
        for (pattern, name, expected) in [
            ("them", "a", true),
            ("them", "_a", false),
            ("sel_*", "sel_a", true),
            ("*_sel", "a_sel", true),
            ("a*b*c", "axxbyc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("a*aa", "aaa", true),
            ("*", "_a", false),
            ("_*", "_a", true),
            ("sel", "sel", true),
            ("sel", "sel_a", false),
            ("**", "a", true),
        ] {
            assert_eq!(selects(pattern, name), expected, "{pattern} {name}");
        }
    }
}
