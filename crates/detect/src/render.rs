//! Outputs: a rule's template with the event's values in it.
//!
//! An absent value prints as `<NA>`, a list as `(a,b)`. Two oddities are Falco's and kept: an empty element at the front of a
//! list loses its comma, and the text of a list is cut at 1,023 bytes.

use kubevigil_rules::Values;

use crate::compile::{OutputPlan, PiecePlan};
use crate::detection::FieldValue;
use crate::evaluate::Evaluation;

/// What an absent value prints as.
const ABSENT: &[u8] = b"<NA>";

/// The most bytes of a list.
const MAX_LIST: usize = 1_023;

/// The text of the output.
pub(crate) fn message(output: &OutputPlan, evaluation: &Evaluation<'_, '_>) -> Vec<u8> {
    let mut message = Vec::new();
    for piece in &output.pieces {
        match piece {
            PiecePlan::Literal(text) => message.extend_from_slice(text.as_bytes()),
            PiecePlan::Value(expr, width) => {
                let text = text(&evaluation.values(expr));
                push_padded(&mut message, &text, *width);
            }
        }
    }
    message
}

/// The values of the output's fields.
pub(crate) fn fields(
    output: &OutputPlan,
    evaluation: &Evaluation<'_, '_>,
) -> Vec<(std::sync::Arc<str>, FieldValue)> {
    let value = |(name, expr)| {
        (
            std::sync::Arc::clone(name),
            FieldValue::from(&*evaluation.values(expr)),
        )
    };
    output
        .fields
        .iter()
        .map(|(name, expr)| value((name, expr)))
        .collect()
}

fn text(values: &Values<'_>) -> Vec<u8> {
    match values {
        Values::Absent => ABSENT.to_vec(),
        Values::One(value) => value.to_text().into_owned(),
        Values::Many(values) => {
            let mut list = vec![b'('];
            for value in values {
                if list.len() > 1 {
                    list.push(b',');
                }
                list.extend_from_slice(&value.to_text());
                // The rest would be cut off, and a hostile list has millions.
                if list.len() > MAX_LIST {
                    break;
                }
            }
            list.push(b')');
            list.truncate(MAX_LIST);
            list
        }
    }
}

fn push_padded(message: &mut Vec<u8>, text: &[u8], width: Option<usize>) {
    let Some(width) = width else {
        return message.extend_from_slice(text);
    };
    let kept = text.get(..width).unwrap_or(text);
    message.extend_from_slice(kept);
    message.extend(std::iter::repeat_n(b' ', width - kept.len()));
}
