//! The texts of alerts.

use kubevigil_rules::{EventContext, Piece, Template, Values};

use super::values::expr_values;

/// The text of an alert.
pub(crate) fn rendered(template: &Template, event: &EventContext<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in &template.pieces {
        match piece {
            Piece::Literal(text) => out.extend_from_slice(text.as_bytes()),
            Piece::Value { expr, width } => {
                let mut text = printed(&expr_values(expr, event));
                if let Some(width) = *width {
                    text.resize(width, b' ');
                }
                out.extend_from_slice(&text);
            }
        }
    }
    out
}

/// Values as an alert prints them.
pub(crate) fn printed(values: &Values<'_>) -> Vec<u8> {
    match values {
        Values::Absent => b"<NA>".to_vec(),
        Values::One(value) => value.to_text().into_owned(),
        Values::Many(values) => {
            let mut out = b"(".to_vec();
            for value in values {
                if out.len() > 1 {
                    out.push(b',');
                }
                out.extend_from_slice(&value.to_text());
            }
            out.push(b')');
            out.truncate(1023);
            out
        }
    }
}
