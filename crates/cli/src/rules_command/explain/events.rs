//! Events that are explained, and events in words.

use anyhow::{bail, ensure};
use bytes::Bytes;
use kubevigil_alerts::EventSummary;
use kubevigil_audit::json::PathScratch;
use kubevigil_sources::file::open::{Input, resolve};
use kubevigil_sources::file::scan::{self, Found};

use crate::terminal;

/// The longest event that is read, as `scan` has it.
pub(in crate::rules_command) const MAX_LINE_BYTES: usize = 16 << 20;
/// More events than this are not explained at once: they are held in memory.
const MAX_EVENTS: usize = 100_000;

/// An event of a file.
#[derive(Clone, Debug)]
pub(in crate::rules_command) struct Event {
    /// The line on which it begins.
    pub(in crate::rules_command) line: u64,
    /// One JSON object.
    pub(in crate::rules_command) raw: Bytes,
}

impl Event {
    /// Who did what, and what became of it. Written by clients in part.
    pub(in crate::rules_command) fn in_words(&self) -> String {
        let summary = EventSummary::read(&self.raw, &mut PathScratch::default());
        let request = &summary.request;
        let joined = |parts: [&Option<String>; 2]| {
            let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
            parts.join("/")
        };
        let words = [
            request.user.clone().unwrap_or_else(|| "nobody".to_owned()),
            request.verb.clone().unwrap_or_default(),
            joined([&request.resource, &request.subresource]),
            joined([&request.namespace, &request.name]),
        ];
        let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
        let code = request
            .code
            .map_or(String::new(), |code| format!(" ({code})"));
        let outcome = summary.outcome.as_str();
        format!(
            "{}: {outcome}{code}, stage {}",
            words.join(" "),
            summary.event.stage
        )
    }
}

/// The events of a file, or of standard input (`-`), and what is wrong with the rest of it.
pub(super) fn read(file: &str) -> anyhow::Result<(Vec<Event>, Vec<String>)> {
    let inputs = resolve(&[file]).or_else(|errors| {
        let complaints = errors.into_iter().map(anyhow::Error::from);
        complaints.for_each(|error| terminal::complain(&error));
        bail!("there is nothing to explain")
    })?;
    let (mut events, mut problems) = (Vec::new(), Vec::new());
    for input in &inputs {
        gather(input, &mut events, &mut problems)?;
    }
    Ok((events, problems))
}

/// Appends the events of an input, and what is wrong with it in words.
pub(in crate::rules_command) fn gather(
    input: &Input,
    events: &mut Vec<Event>,
    problems: &mut Vec<String>,
) -> anyhow::Result<()> {
    for found in scan::events(input, MAX_LINE_BYTES)? {
        match found {
            Found::Event(arrival) => events.push(Event {
                line: arrival.line,
                raw: arrival.raw,
            }),
            Found::Problem(problem) => {
                problems.push(format!("line {}: {}", problem.line, problem.reason));
            }
        }
        ensure!(
            events.len() <= MAX_EVENTS,
            "there are more than {MAX_EVENTS} events; cut out those that matter"
        );
    }
    Ok(())
}
