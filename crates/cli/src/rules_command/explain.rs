//! `kubevigil rules explain`: why a rule fires on events, or does not.
//!
//! Every part of a condition is shown with what was found where it looks, because "false" alone sends an author back to reading JSON. For a
//! correlation the parts are the rules that it counts, and what came together in each group.
//!
//! - `events` reads events and puts them into words.
//! - `asking` puts events to one rule, and asks the matcher for explanations.
//! - `blame` finds the few parts that decide.
//! - `counts` is what a correlation had to count.
//! - `reasons` says in a few lines why a rule did not fire; `rules test` uses it, too.
//! - `text`, `json`: the two forms of the answer.

pub(super) mod asking;
mod blame;
mod counts;
pub(super) mod events;
mod json;
pub(super) mod reasons;
mod text;

use std::process::ExitCode;

use anyhow::{anyhow, ensure};
use kubevigil_rules::Question;

use crate::args::{ExplainArgs, Format};
use crate::rules_command::explain::asking::{Asked, explain_at, occurrences};
use crate::rules_command::explain::counts::Counts;
use crate::rules_command::{load, show};
use crate::terminal;

pub(super) fn execute(arguments: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let rule_set = load(&arguments.rules)?;
    let rule = &show::find(&rule_set, &arguments.rule)?.rule;
    let (events, problems) = events::read(&arguments.event)?;
    problems.iter().for_each(|problem| terminal::warn(problem));
    ensure!(
        !events.is_empty(),
        "there is no audit event in {}",
        arguments.event
    );
    let problem = |reason: String| anyhow!("\"{}\" cannot be explained: {reason}", rule.name);
    let asked = Asked {
        rule,
        events: &events,
        occurrences: occurrences(rule, &events).map_err(problem)?,
    };
    let mut out = anstream::stdout().lock();
    match (&rule.question, arguments.format) {
        (Question::Event(condition), format) => {
            let explain = |at| explain_at(condition, &events, at).map_err(problem);
            match format {
                Format::Json => json::write_event_rule(&mut out, &asked, &explain)?,
                Format::Text => {
                    text::write_event_rule(&mut out, &asked, condition, &explain, arguments.full)?
                }
            }
        }
        (Question::Correlation(correlation), format) => {
            let counts = Counts::of(correlation, &events).map_err(problem)?;
            match format {
                Format::Json => json::write_correlation(&mut out, &asked, &counts)?,
                Format::Text => text::write_correlation(&mut out, &asked, &counts)?,
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
