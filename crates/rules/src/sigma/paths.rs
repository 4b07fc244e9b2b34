//! Field names with brackets, which mean elements of arrays when a rule says `sigma-version: 3`.

use std::ops::Range;

use crate::json_test::Quantifier;
use crate::lookup::{Dotted, Step};
use crate::sigma::codes;
use crate::sigma::problems::Problems;

const QUANTIFIERS: [(&str, Quantifier); 4] = [
    ("any", Quantifier::Any),
    ("all", Quantifier::All),
    ("all_or_empty", Quantifier::AllOrEmpty),
    ("none", Quantifier::None),
];

/// Cuts the quantifier off the end of a block's name.
pub(super) fn quantified(name: &str) -> Option<(&str, Quantifier)> {
    let (field, word) = name.strip_suffix(']')?.rsplit_once('[')?;
    let (_, quantifier) = QUANTIFIERS.iter().find(|(known, _)| *known == word)?;
    (!field.is_empty() && !field.ends_with('\\')).then_some((field, *quantifier))
}

/// Whether a name has brackets or escapes that need [`path`].
pub(super) fn has_brackets(name: &str) -> bool {
    name.contains(['[', ']'])
}

/// Reads a name with brackets: `[N]` picks an element, `\[` and `\]` are characters of a key.
pub(super) fn path(name: &str, span: &Range<usize>, problems: &mut Problems) -> Option<Dotted> {
    let mut steps = Vec::new();
    let mut current = String::new();
    let mut characters = name.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' => current.push(
                characters
                    .next_if(|next| matches!(next, '[' | ']'))
                    .unwrap_or('\\'),
            ),
            '[' => {
                let inner: String = characters
                    .by_ref()
                    .take_while(|next| *next != ']')
                    .collect();
                let Ok(number) = inner.parse::<i64>() else {
                    return bad_bracket(&inner, span, problems);
                };
                steps.push(Step::new(&std::mem::take(&mut current), Some(number)));
                if characters.next_if_eq(&'.').is_none()
                    && characters.peek().is_some_and(|next| *next != '[')
                {
                    let message = format!("a dot is expected behind `[{inner}]`");
                    return problems.error(codes::FIELD, span.clone(), message);
                }
            }
            other => current.push(other),
        }
    }
    if !current.is_empty() || steps.is_empty() {
        steps.push(Step::new(&current, None));
    }
    Some(Dotted {
        steps: steps.into(),
    })
}

fn bad_bracket<T>(inner: &str, span: &Range<usize>, problems: &mut Problems) -> Option<T> {
    if QUANTIFIERS.iter().any(|(word, _)| *word == inner) {
        let message = format!("`[{inner}]` must end the name and stand over a block");
        let help = "write what is asked of each element as a map below it; `.` is an element that is no object";
        return problems.error_with_help(codes::FIELD, span.clone(), message, help);
    }
    let message = format!("`[{inner}]` is no place in an array");
    let help = "expected [any], [all], [all_or_empty] or [none] over a block, or a number; write `\\[` for the character";
    problems.error_with_help(codes::FIELD, span.clone(), message, help)
}
