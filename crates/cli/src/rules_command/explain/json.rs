//! Explanations for programs. Keys are only ever added.

use std::io::Write;

use kubevigil_detect::explain::{Explanation, Found};
use serde::Serialize;
use serde_json::{Value, json};

use crate::rules_command::explain::asking::Asked;
use crate::rules_command::explain::counts::{Counts, GroupCount};
use crate::rules_command::write_json;

#[derive(Serialize)]
struct EventSummary<'e> {
    line: u64,
    holds: bool,
    condition: Part<'e>,
}

/// A part of a condition.
#[derive(Serialize)]
struct Part<'e> {
    text: &'e str,
    holds: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    found: Vec<FoundSummary<'e>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Part<'e>>,
    #[serde(skip_serializing_if = "is_zero")]
    more: usize,
}

#[derive(Serialize)]
struct FoundSummary<'e> {
    name: &'e str,
    values: Vec<String>,
    total: usize,
}

pub(super) fn write_event_rule(
    out: &mut impl Write,
    asked: &Asked<'_>,
    explain: &dyn Fn(usize) -> anyhow::Result<Explanation>,
) -> anyhow::Result<()> {
    let mut events = Vec::new();
    for (at, event) in asked.events.iter().enumerate() {
        let explanation = explain(at)?;
        let summary = EventSummary {
            line: event.line,
            holds: explanation.holds,
            condition: Part::new(&explanation),
        };
        events.push(serde_json::to_value(summary)?);
    }
    write_json(
        out,
        &json!({ "rule": &asked.rule.name, "kind": "event", "events": events }),
    )?;
    Ok(())
}

pub(super) fn write_correlation(
    out: &mut impl Write,
    asked: &Asked<'_>,
    counts: &Counts<'_>,
) -> anyhow::Result<()> {
    let line = |at: usize| asked.events.get(at).map_or(0, |event| event.line);
    let members = counts.members.iter().map(|member| {
        let lines: Vec<u64> = member.hits.iter().map(|&at| line(at)).collect();
        json!({ "rule": &member.rule.name, "lines": lines })
    });
    let groups = counts.groups.iter().map(|group| {
        let lines: Vec<u64> = group.hits.iter().map(|hit| line(hit.at)).collect();
        json!({ "group": values(group), "lines": lines, "reached": group.reached(counts.correlation) })
    });
    let fires = asked.occurrences.iter().map(|occurrence| {
        let message = String::from_utf8_lossy(&occurrence.message);
        json!({ "line": line(occurrence.at), "repeated": occurrence.repeated, "message": message })
    });
    let ungrouped: Vec<u64> = counts.ungrouped.iter().map(|&at| line(at)).collect();
    let summary = json!({
        "rule": &asked.rule.name,
        "kind": "correlation",
        "asks": &asked.rule.condition_text,
        "members": members.collect::<Vec<_>>(),
        "groups": groups.collect::<Vec<_>>(),
        "ungroupedLines": ungrouped,
        "fires": fires.collect::<Vec<_>>(),
    });
    write_json(out, &summary)?;
    Ok(())
}

fn values(group: &GroupCount) -> Value {
    let pairs = group.values.iter().map(|(name, value)| {
        (
            name.clone(),
            Value::String(String::from_utf8_lossy(value).into_owned()),
        )
    });
    Value::Object(pairs.collect())
}

impl<'e> Part<'e> {
    /// Recursion follows the rule's nesting, which its reader bounds.
    fn new(explanation: &'e Explanation) -> Self {
        Self {
            text: &explanation.text,
            holds: explanation.holds,
            found: explanation.found.iter().map(FoundSummary::new).collect(),
            parts: explanation.parts.iter().map(Self::new).collect(),
            more: explanation.more,
        }
    }
}

impl<'e> FoundSummary<'e> {
    fn new(found: &'e Found) -> Self {
        let values = found
            .values
            .iter()
            .map(|value| String::from_utf8_lossy(value).into_owned());
        Self {
            name: &found.name,
            values: values.collect(),
            total: found.total,
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_zero(number: &usize) -> bool {
    *number == 0
}
