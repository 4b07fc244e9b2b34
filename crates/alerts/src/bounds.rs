//! How long the texts of an alert may be.
//!
//! An attacker chooses how long most texts of an event are, and each match would multiply them: into the message, into the
//! fields, into every output. Falco does not cut them, so the bound for what Falco's alerts contain lies where only an
//! attack reaches it; the summary for people is cut earlier.

use crate::event::{EventReference, Request};

/// The longest message or text of an output field, in bytes; also the longest sum of a list's texts, where each counts
/// [`VALUE_COST`] more.
pub const LONG_TEXT: usize = 1 << 20;

/// What a value of a list costs besides its bytes: about the memory that it takes. Without it a list of a million letters
/// would fit into a mebibyte, and take sixty in memory.
pub const VALUE_COST: usize = 32;

/// The most bytes that all message and field texts of one alert have together.
pub const ALL_TEXTS: usize = 4 << 20;

/// The longest text of the summary and of the event reference, in bytes.
pub const SHORT_TEXT: usize = 4 << 10;

/// Room left for the texts of one alert.
#[derive(Debug)]
pub(crate) struct Budget {
    left: usize,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self { left: ALL_TEXTS }
    }

    /// The text, cut at [`LONG_TEXT`] bytes or at what is left of [`ALL_TEXTS`].
    pub(crate) fn long(&mut self, text: String) -> String {
        let limit = LONG_TEXT.min(self.left);
        self.left = self.left.saturating_sub(text.len());
        cut(text, limit)
    }

    /// The texts, as long as they fit together; one that does not is cut, and a last value says so.
    pub(crate) fn list(&mut self, texts: Vec<String>) -> Vec<String> {
        let mut room = LONG_TEXT.min(self.left);
        let total = texts.len();
        let mut kept = Vec::with_capacity(total);
        for text in texts {
            let cost = text.len().saturating_add(VALUE_COST);
            if cost > room {
                let missing = total - kept.len();
                kept.push(cut(text, room.saturating_sub(VALUE_COST)));
                kept.push(format!("… [cut: {missing} values from here]"));
                room = 0;
                break;
            }
            room -= cost;
            kept.push(text);
        }
        self.left = self.left.saturating_sub(LONG_TEXT.min(self.left) - room);
        kept
    }
}

/// The text, or as much of it as fits into `limit` bytes and a mark that says how much is missing.
fn cut(mut text: String, limit: usize) -> String {
    if text.len() <= limit {
        return text;
    }
    let end = text.floor_char_boundary(limit);
    let missing = text.len() - end;
    text.truncate(end);
    text.push_str(&format!("… [cut: {missing} more bytes]"));
    text
}

fn short(text: Option<String>) -> Option<String> {
    text.map(|text| cut(text, SHORT_TEXT))
}

impl EventReference {
    pub(crate) fn bounded(self) -> Self {
        Self {
            audit_id: cut(self.audit_id, SHORT_TEXT),
            stage: cut(self.stage, SHORT_TEXT),
            file: short(self.file),
            ..self
        }
    }
}

impl Request {
    pub(crate) fn bounded(self) -> Self {
        Self {
            user: short(self.user),
            impersonated_user: short(self.impersonated_user),
            verb: short(self.verb),
            resource: short(self.resource),
            subresource: short(self.subresource),
            namespace: short(self.namespace),
            name: short(self.name),
            uri: short(self.uri),
            address: short(self.address),
            user_agent: short(self.user_agent),
            code: self.code,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::MAX_EVENTS;
    use crate::receipt;

    #[test]
    fn texts_up_to_the_bound_are_kept_whole() {
        let text = "x".repeat(LONG_TEXT);
        assert_eq!(Budget::new().long(text.clone()), text);
    }

    #[test]
    fn a_longer_text_is_cut_between_characters_and_says_so() {
        assert_eq!(cut("grüße".to_owned(), 3), "gr… [cut: 5 more bytes]");
        assert_eq!(cut("grüße".to_owned(), 4), "grü… [cut: 3 more bytes]");
    }

    #[test]
    fn all_texts_together_are_bounded() {
        let mut budget = Budget::new();
        let texts: Vec<_> = (0..100)
            .map(|_| budget.long("x".repeat(LONG_TEXT)))
            .collect();
        let total: usize = texts.iter().map(String::len).sum();
        assert!(total < ALL_TEXTS + 100 * 64, "{total}");
    }

    #[test]
    fn a_list_of_very_many_values_is_bounded_even_when_they_are_empty() {
        let most = LONG_TEXT / VALUE_COST;
        let kept = Budget::new().list(vec![String::new(); most + 10]);
        assert_eq!(kept.len(), most + 2);
        assert_eq!(
            kept.last().map(String::as_str),
            Some("… [cut: 10 values from here]")
        );
    }

    /// The detector would try for ever to put a larger one there.
    #[test]
    fn the_largest_alert_fits_into_a_record_of_the_outbox() {
        // The characters that JSON writes longest, in every text that an event can fill.
        let text = || "\u{1}".repeat(ALL_TEXTS);
        let list = || vec!["\u{1}".to_owned(); LONG_TEXT];
        let mut budget = Budget::new();
        let texts: Vec<String> = (0..4).map(|_| budget.long(text())).collect();
        let mut budget = Budget::new();
        let lists: Vec<Vec<String>> = (0..40).map(|_| budget.list(list())).collect();
        let short = Request {
            user: Some(text()),
            ..Request::default()
        };
        let long = json_length(&texts).max(json_length(&lists));
        let receipts = MAX_EVENTS * 6 * (receipt::MAX_BYTES + LONG_NAME);
        let whole = long + 14 * json_length(&short.bounded()) + receipts;
        assert!(
            whole < kubevigil_journal::Options::default().max_record_bytes / 2,
            "{whole}"
        );
    }

    /// More than a rule's name takes in evidence: Sigma allows 256 characters.
    const LONG_NAME: usize = 2_048;

    fn json_length(value: &impl serde::Serialize) -> usize {
        serde_json::to_vec(value).unwrap().len()
    }
}
