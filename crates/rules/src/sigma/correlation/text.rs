//! A correlation in one line: `event_count of denied by kv.effectiveUser within 5m, gte 10`.

use std::fmt::Write as _;

use kubevigil_yaml::Node;

use crate::sigma::correlation::Statement;
use crate::sigma::correlation::body::{Body, Word};

/// The line. What the document leaves out is left out.
pub(super) fn line(body: &Body<'_>, statement: &Statement) -> String {
    let kind = body.get("type").and_then(Node::text).unwrap_or_default();
    let mut line = format!("{kind} of {}", words(&statement.rules, ", "));
    if !statement.group_by.is_empty() {
        let _ = write!(line, " by {}", words(&statement.group_by, ", "));
    }
    if let Some(timespan) = &statement.timespan {
        let _ = write!(line, " within {}", timespan.text);
    }
    for key in ["field", "learning", "differ"] {
        body.get(key)
            .into_iter()
            .for_each(|value| item(key, value, &mut line));
    }
    if let Some(condition) = body.get("condition") {
        match condition.text() {
            Some(text) => {
                let words: Vec<&str> = text.split_whitespace().collect();
                let _ = write!(line, ", {}", words.join(" "));
            }
            None => {
                for (key, value) in condition.pairs().unwrap_or_default() {
                    item(key.text().unwrap_or_default(), value, &mut line);
                }
            }
        }
    }
    line
}

fn item(key: &str, value: &Node, line: &mut String) {
    let nodes = value.items().unwrap_or(std::slice::from_ref(value)).iter();
    let texts: Vec<&str> = nodes.filter_map(Node::text).collect();
    let _ = write!(line, ", {key} {}", texts.join(" + "));
}

fn words(words: &[Word], between: &str) -> String {
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    texts.join(between)
}
