//! Field selectors, as far as they fix an object's name.

const NAME: &str = "metadata.name";

/// The value that the selector requires `metadata.name` to have, if it requires one. `None` when the selector is not valid.
///
/// Terms are sorted as text before they are read; with several names the first decides. A selector that excludes a name requires
/// none.
#[expect(
    clippy::option_option,
    reason = "not valid and no name are two answers"
)]
pub(super) fn name(selector: &str) -> Option<Option<String>> {
    let mut terms = terms(selector);
    terms.sort_unstable();
    let mut name = None;
    for term in terms.into_iter().filter(|term| !term.is_empty()) {
        let (key, is_equal, value) = parts(term)?;
        let value = unescaped(value)?;
        if key == NAME && is_equal && name.is_none() {
            name = Some(value);
        }
    }
    Some(name)
}

/// The selector cut at commas that no backslash escapes.
fn terms(selector: &str) -> Vec<&str> {
    let mut escaped = false;
    selector
        .split(move |character| {
            let separates = character == ',' && !escaped;
            escaped = character == '\\' && !escaped;
            separates
        })
        .collect()
}

/// Key, whether the operator asks for equality, and value. The operator met first, read from the left, counts.
fn parts(term: &str) -> Option<(&str, bool, &str)> {
    term.char_indices().find_map(|(at, _)| {
        let rest = term.get(at..)?;
        let operators = [("!=", false), ("==", true), ("=", true)];
        operators.into_iter().find_map(|(operator, is_equal)| {
            let value = rest.strip_prefix(operator)?;
            Some((term.get(..at)?, is_equal, value))
        })
    })
}

/// A value without its escapes: `\\`, `\,` and `\=`. A bare `=` or `,` and any other escape are mistakes.
fn unescaped(value: &str) -> Option<String> {
    let mut text = String::new();
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.push(
                characters
                    .next()
                    .filter(|next| matches!(next, '\\' | ',' | '='))?,
            ),
            ',' | '=' => return None,
            other => text.push(other),
        }
    }
    Some(text)
}
