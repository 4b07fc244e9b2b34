//! kubevigil's own questions about several events, under the key `kubevigil`: `first_seen` and `join`.

use crate::correlation::CorrelationKind;
use crate::sigma::codes;
use crate::sigma::correlation::body::{Body, Word};
use crate::sigma::correlation::types::Type;
use crate::sigma::correlation::{Statement, kinds, timespan};
use crate::sigma::problems::Problems;

const FIRST_SEEN: [&str; 8] = [
    "type", "rules", "group-by", "field", "learning", "timespan", "aliases", "generate",
];
const JOIN: [&str; 7] = [
    "type", "rules", "group-by", "differ", "timespan", "aliases", "generate",
];

/// What is asked, and of which values.
pub(super) fn read(
    kind: Option<Type>,
    body: &Body<'_>,
    statement: &Statement,
    problems: &mut Problems,
) -> Option<(CorrelationKind, Vec<Word>)> {
    kinds::named(body, &statement.rules, problems);
    match kind? {
        Type::FirstSeen => first_seen(body, statement, problems),
        Type::Join => join(body, statement, problems),
        _ => None,
    }
}

fn first_seen(
    body: &Body<'_>,
    statement: &Statement,
    problems: &mut Problems,
) -> Option<(CorrelationKind, Vec<Word>)> {
    body.refuse_unknown_keys(&FIRST_SEEN, problems);
    let fields = body.words("field", problems);
    if fields.is_empty() {
        let help = "name what must be new, such as `field: objectRef.namespace`; a list stands for a combination";
        body.missing::<()>("field", help, problems);
    }
    let learning = timespan::read_or_zero(body, "learning", problems)?;
    if let Some(timespan) = &statement.timespan
        && timespan.duration < learning.duration
    {
        let span = body.get("learning")?.span.clone();
        let message = "`learning` is longer than `timespan`: what is learned first is forgotten before learning ends";
        let help = "let `timespan` be several times as long as `learning`";
        return problems.error_with_help(codes::CORRELATION, span, message, help);
    }
    let kind = CorrelationKind::FirstSeen {
        learning: learning.duration,
    };
    (!fields.is_empty()).then_some((kind, fields))
}

fn join(
    body: &Body<'_>,
    statement: &Statement,
    problems: &mut Problems,
) -> Option<(CorrelationKind, Vec<Word>)> {
    body.refuse_unknown_keys(&JOIN, problems);
    if let [only] = statement.rules.as_slice() {
        let message = "a join needs at least two rules";
        let help = "name them in the order in which they must match";
        problems.error_with_help::<()>(codes::CORRELATION, only.span.clone(), message, help);
    }
    if statement.group_by.is_empty() {
        let help = "name the value that the events share; `aliases` says where each rule has it";
        body.missing::<()>("group-by", help, problems);
    }
    Some((CorrelationKind::Join, body.words("differ", problems)))
}
