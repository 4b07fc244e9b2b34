//! The types of correlations and the keys under which they are written.

use crate::sigma::codes;
use crate::sigma::correlation::body::Body;
use crate::sigma::problems::Problems;

/// What a document asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Type {
    EventCount,
    ValueCount,
    Temporal,
    TemporalOrdered,
    ValueSum,
    ValueAvg,
    ValuePercentile,
    ValueMedian,
    FirstSeen,
    Join,
}

/// Every type with its word and the key over it.
const TYPES: [(Type, &str, &str); 10] = [
    (Type::EventCount, "event_count", "correlation"),
    (Type::ValueCount, "value_count", "correlation"),
    (Type::Temporal, "temporal", "correlation"),
    (Type::TemporalOrdered, "temporal_ordered", "correlation"),
    (Type::ValueSum, "value_sum", "correlation"),
    (Type::ValueAvg, "value_avg", "correlation"),
    (Type::ValuePercentile, "value_percentile", "correlation"),
    (Type::ValueMedian, "value_median", "correlation"),
    (Type::FirstSeen, "first_seen", "kubevigil"),
    (Type::Join, "join", "kubevigil"),
];

impl Type {
    /// The type that a document states, if it is one of those under its key.
    pub(super) fn read(body: &Body<'_>, problems: &mut Problems) -> Option<Self> {
        let here = TYPES.iter().filter(|(_, _, key)| *key == body.key);
        let words: Vec<&str> = here.map(|(_, word, _)| *word).collect();
        let Some(stated) = body.word("type", problems) else {
            let help = format!("one of {}", words.join(", "));
            return body.missing("type", &help, problems);
        };
        let message = format!("unknown type `{}`", stated.text);
        match TYPES.iter().find(|(_, word, _)| *word == stated.text) {
            Some((found, _, key)) if *key == body.key => Some(*found),
            Some((_, _, key)) => {
                let help = format!(
                    "this type is written under `{key}` in place of `{}`",
                    body.key
                );
                problems.error_with_help(codes::CORRELATION, stated.span, message, help)
            }
            None => {
                let (word, span) = (&stated.text, stated.span.clone());
                problems.unknown(codes::CORRELATION, span, message, word, words)
            }
        }
    }

    /// Its word.
    pub(super) fn as_str(self) -> &'static str {
        let mut types = TYPES.iter();
        let found = types.find(|(known, _, _)| *known == self);
        found.map_or("", |(_, word, _)| word)
    }

    /// Whether it asks which rules have matched, so that its condition may be an expression of them.
    pub(super) fn is_temporal(self) -> bool {
        matches!(self, Self::Temporal | Self::TemporalOrdered)
    }

    /// Whether its condition names a field.
    pub(super) fn has_field(self) -> bool {
        matches!(
            self,
            Self::ValueCount
                | Self::ValueSum
                | Self::ValueAvg
                | Self::ValuePercentile
                | Self::ValueMedian
        )
    }
}
