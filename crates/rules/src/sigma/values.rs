//! Texts with wildcards, placeholders and encodings, turned into patterns.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::json_test::{Letters, Relation};
use crate::pattern::{Pattern, Token};
use crate::sigma::codes;
use crate::sigma::encodings;
use crate::sigma::modifiers::{Key, Modifier, Written};
use crate::sigma::problems::Problems;

/// What placeholders stand for.
pub(super) type Placeholders = BTreeMap<String, Vec<String>>;

/// More patterns than this cannot come from one value.
const MAX_PATTERNS: usize = 10_000;

/// Reads wildcards and escapes. A backslash before anything but `*`, `?` and `\` is itself.
pub(super) fn pattern(text: &str) -> Pattern {
    let mut tokens = Vec::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        tokens.push(match character {
            '\\' => Token::Char(
                characters
                    .next_if(|next| matches!(next, '*' | '?' | '\\'))
                    .unwrap_or('\\'),
            ),
            '*' => Token::Many,
            '?' => Token::One,
            other => Token::Char(other),
        });
    }
    Pattern(tokens)
}

/// The patterns that a text stands for after the modifiers, any of which may match, and whether letter case matters.
pub(super) struct Texts<'t> {
    pub(super) key: &'t Key,
    pub(super) placeholders: &'t Placeholders,
    pub(super) span: Range<usize>,
    pub(super) problems: &'t mut Problems,
}

impl Texts<'_> {
    pub(super) fn patterns(&mut self, text: &str) -> Option<(Vec<Pattern>, Letters)> {
        let mut patterns = if self.key.has(Modifier::Expand) {
            self.expanded(text)?
        } else {
            vec![pattern(text)]
        };
        let (mut letters, mut is_encoded) = (Letters::Folded, false);
        for written in &self.key.chain {
            let modifier = written.modifier;
            patterns = match modifier {
                Modifier::Expand => patterns,
                Modifier::Cased => {
                    letters = Letters::Exact;
                    patterns
                }
                Modifier::Text(relation) => patterns
                    .into_iter()
                    .map(|pattern| opened(pattern, relation))
                    .collect(),
                Modifier::WinDash => self.with_dashes(&patterns, written)?,
                Modifier::Wide | Modifier::Utf16 | Modifier::Utf16Be => {
                    is_encoded = true;
                    let (big, mark) = (modifier == Modifier::Utf16Be, modifier == Modifier::Utf16);
                    let encode = |text: &str| vec![encodings::utf16(text, big, mark)];
                    self.encoded(&patterns, written, encode)?
                }
                Modifier::Base64 => {
                    let encode = |text: &str| {
                        vec![encodings::base64(&encodings::bytes_of(text, is_encoded))]
                    };
                    self.encoded(&patterns, written, encode)?
                }
                Modifier::Base64Offset => {
                    let encode = |text: &str| {
                        encodings::base64_at_offsets(&encodings::bytes_of(text, is_encoded))
                            .to_vec()
                    };
                    self.encoded(&patterns, written, encode)?
                }
                _ => return self.misplaced(written),
            };
        }
        Some((patterns, letters))
    }

    fn misplaced<T>(&mut self, written: &Written) -> Option<T> {
        let word = &written.word;
        let message = match written.modifier {
            Modifier::ReFlag(_) => format!("`{word}` is a flag of `re` and must stand behind it"),
            Modifier::Re => "`re` must be the first modifier".to_owned(),
            _ => format!("`{word}` cannot be combined with these modifiers"),
        };
        self.problems
            .error(codes::MODIFIER, written.span.clone(), message)
    }

    fn encoded(
        &mut self,
        patterns: &[Pattern],
        written: &Written,
        encode: impl Fn(&str) -> Vec<String>,
    ) -> Option<Vec<Pattern>> {
        let mut encoded = Vec::new();
        for pattern in patterns {
            let Some(text) = pattern.as_literal() else {
                let message = format!(
                    "a value with wildcards cannot be encoded by `{}`",
                    written.word
                );
                let help = "write `\\*` and `\\?` for the characters; put `contains` behind the encoding to find it inside a text";
                return self.problems.error_with_help(
                    codes::VALUE,
                    self.span.clone(),
                    message,
                    help,
                );
            };
            encoded.extend(encode(&text).iter().map(|text| Pattern::literal(text)));
        }
        Some(encoded)
    }

    fn with_dashes(&mut self, patterns: &[Pattern], written: &Written) -> Option<Vec<Pattern>> {
        let all: Option<Vec<Vec<Pattern>>> =
            patterns.iter().map(encodings::with_any_dash).collect();
        match all.map(|all| all.concat()) {
            Some(patterns) if patterns.len() <= MAX_PATTERNS => Some(patterns),
            _ => {
                let message =
                    "the value has too many dashes for `windash`: more than four begin a word";
                self.problems
                    .error(codes::VALUE, written.span.clone(), message)
            }
        }
    }

    /// The text with placeholders replaced by each of their values.
    fn expanded(&mut self, text: &str) -> Option<Vec<Pattern>> {
        let mut texts = vec![String::new()];
        let mut known = true;
        for part in placeholder_parts(text) {
            let name = match part {
                Part::Text(text) => {
                    texts.iter_mut().for_each(|so_far| so_far.push_str(text));
                    continue;
                }
                Part::Placeholder(name) => name,
            };
            let Some(values) = self.placeholders.get(name) else {
                self.unresolved(name);
                known = false;
                continue;
            };
            if texts.len().saturating_mul(values.len()) > MAX_PATTERNS {
                let message = format!("the placeholders stand for more than {MAX_PATTERNS} texts");
                return self
                    .problems
                    .error(codes::PLACEHOLDER, self.span.clone(), message);
            }
            let with = |so_far: &String| {
                values
                    .iter()
                    .map(|value| format!("{so_far}{value}"))
                    .collect::<Vec<_>>()
            };
            texts = texts.iter().flat_map(with).collect();
        }
        known.then(|| texts.iter().map(|text| pattern(text)).collect())
    }

    fn unresolved(&mut self, name: &str) {
        let message = format!("the placeholder `%{name}%` has no value");
        let help = format!(
            "give its values in a pipeline: `vars: {{{name}: [VALUE, …]}}`, or write `\\%` for a percent sign"
        );
        let span = self.span.clone();
        self.problems
            .error_with_help::<()>(codes::PLACEHOLDER, span, message, help);
    }
}

/// The pattern with a wildcard at the ends that the relation leaves open.
pub(super) fn opened(mut pattern: Pattern, relation: Relation) -> Pattern {
    let (front, back) = match relation {
        Relation::Equals => (false, false),
        Relation::Contains => (true, true),
        Relation::StartsWith => (false, true),
        Relation::EndsWith => (true, false),
    };
    if front && pattern.0.first() != Some(&Token::Many) {
        pattern.0.insert(0, Token::Many);
    }
    if back && pattern.0.last() != Some(&Token::Many) {
        pattern.0.push(Token::Many);
    }
    pattern
}

enum Part<'t> {
    Text(&'t str),
    Placeholder(&'t str),
}

/// Cuts a text at `%name%`; `\%` is a percent sign.
fn placeholder_parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        if let Some(before) = before.strip_suffix('\\') {
            parts.extend([Part::Text(before), Part::Text("%")]);
            rest = after;
            continue;
        }
        parts.push(Part::Text(before));
        match after.split_once('%') {
            Some((name, behind)) if !name.is_empty() => {
                parts.push(Part::Placeholder(name));
                rest = behind;
            }
            _ => {
                parts.push(Part::Text("%"));
                rest = after;
            }
        }
    }
    parts.push(Part::Text(rest));
    parts
}
