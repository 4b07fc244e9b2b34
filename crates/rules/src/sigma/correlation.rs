//! Documents that ask about several events: Sigma's correlations, and kubevigil's own under the key `kubevigil`.
//!
//! Reading gives a [`Statement`], in which rules are still names: only when all files are read is it known what they lead to, so
//! [`link`] turns statements into rules. A statement with mistakes is linked all the same as far as it goes, so that its author
//! sees the wrong names, too.
//!
//! Unknown keys inside a correlation are refused although Sigma allows unknown keys elsewhere: `groupby` instead of `group-by` would
//! count all events together and nobody would notice.

mod aliases;
mod body;
mod bounds;
mod circle;
mod extension;
mod kinds;
pub(super) mod link;
mod lints;
mod members;
mod names;
mod presence;
mod text;
mod timespan;
mod types;

use crate::correlation::CorrelationKind;
use crate::sigma::codes;
use crate::sigma::correlation::aliases::Alias;
use crate::sigma::correlation::body::{Body, Word};
use crate::sigma::correlation::timespan::Timespan;
use crate::sigma::correlation::types::Type;
use crate::sigma::document::{self, Head};
use crate::sigma::load::Draft;
use crate::sigma::problems::Problems;

/// The keys under `correlation`.
const KEYS: [&str; 7] = [
    "type",
    "rules",
    "group-by",
    "timespan",
    "condition",
    "aliases",
    "generate",
];

/// A correlation as its document states it. What could not be read is missing, and noted.
#[derive(Default)]
pub(super) struct Statement {
    head: Option<Head>,
    kind: Option<CorrelationKind>,
    /// Where messages about the whole point.
    start: std::ops::Range<usize>,
    rules: Vec<Word>,
    group_by: Vec<Word>,
    /// What the correlation looks at: values that it counts, adds up, remembers or compares.
    values: Vec<Word>,
    timespan: Option<Timespan>,
    generate: Option<bool>,
    aliases: Vec<Alias>,
    /// All of it in one line.
    text: String,
}

/// Whether a document is a correlation.
pub(super) fn is_correlation(draft: &Draft) -> bool {
    draft.node.get("correlation").is_some() || draft.node.get("kubevigil").is_some()
}

/// Reads a correlation; mistakes are noted and the rest is read all the same.
pub(super) fn read(draft: &Draft, problems: &mut Problems) -> Statement {
    let node = &draft.node;
    let entry = node.entry("correlation");
    let own = node.entry("kubevigil");
    let head = document::head(node, problems);
    only_one_question(draft, problems);
    let Some((key, map)) = entry.or(own) else {
        return Statement::default();
    };
    let Some(body) = Body::of(key, map, problems) else {
        return Statement::default();
    };
    let kind = Type::read(&body, problems);
    let mut statement = Statement {
        head,
        start: body.start.clone(),
        group_by: body.words("group-by", problems),
        rules: body.words("rules", problems),
        timespan: timespan::read(&body, "timespan", problems),
        generate: body
            .truth("generate", problems)
            .or_else(|| node.get("generate")?.as_bool()),
        aliases: aliases::read(&body, problems),
        ..Statement::default()
    };
    let asked = if entry.is_some() {
        body.refuse_unknown_keys(&KEYS, problems);
        kinds::read(kind, &body, &mut statement.rules, problems)
    } else {
        extension::read(kind, &body, &statement, problems)
    };
    if let Some((kind, values)) = asked {
        statement.kind = Some(kind);
        statement.values = values;
    }
    statement.text = text::line(&body, &statement);
    lints::check(&body, &statement, problems);
    statement
}

/// A document asks one thing: something about an event, or about several.
fn only_one_question(draft: &Draft, problems: &mut Problems) {
    let keys = ["correlation", "kubevigil", "detection"];
    let mut found = keys.iter().filter_map(|key| draft.node.entry(key));
    if let (Some((first, _)), Some((second, _))) = (found.next(), found.next()) {
        let [first, word] = [first, second].map(|key| key.text().unwrap_or_default());
        let message = format!("`{first}` and `{word}` cannot stand in one document");
        let help =
            "separate documents by a line `---`; a correlation names other documents in `rules`";
        problems.error_with_help::<()>(codes::STRUCTURE, second.span.clone(), message, help);
    }
}
