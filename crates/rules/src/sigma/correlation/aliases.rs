//! Aliases: names for values that stand in different fields for different rules.

use crate::sigma::codes;
use crate::sigma::correlation::body::{Body, Word, word};
use crate::sigma::problems::Problems;

/// A name, and for each rule the field that it stands for.
#[derive(Clone, Debug)]
pub(super) struct Alias {
    pub(super) name: Word,
    pub(super) fields: Vec<(Word, Word)>,
}

/// Reads the map under `aliases`.
pub(super) fn read(body: &Body<'_>, problems: &mut Problems) -> Vec<Alias> {
    const HELP: &str = "write `ALIAS: {RULE: FIELD, OTHER_RULE: FIELD}`";
    let Some(node) = body.get("aliases") else {
        return Vec::new();
    };
    let mut aliases = Vec::new();
    if node.pairs().is_none() {
        let message = "`aliases` must be a map";
        problems.error_with_help::<()>(codes::CORRELATION, node.span.clone(), message, HELP);
    }
    for (key, value) in node.pairs().unwrap_or_default() {
        let Some((name, pairs)) = word(key).zip(value.pairs()) else {
            let message = "an alias must say for each rule which field it is";
            problems.error_with_help::<()>(codes::CORRELATION, key.span.clone(), message, HELP);
            continue;
        };
        let mut fields = Vec::new();
        for (rule, field) in pairs {
            match word(rule).zip(word(field)) {
                Some(pair) => fields.push(pair),
                None => {
                    let message = "the name of a field is expected";
                    problems.error::<()>(codes::CORRELATION, field.span.clone(), message);
                }
            }
        }
        aliases.push(Alias { name, fields });
    }
    aliases
}
