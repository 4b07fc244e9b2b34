//! `kubevigil policy simulate`: recorded events replayed through a policy.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anstyle::Style;
use kubevigil_audit::time::Timestamp;
use kubevigil_detect::{Matcher, Occasion, Position, Scratch, State, StateLimits};
use kubevigil_diagnostics::escape;
use kubevigil_plan::recorded::{Recorded, at_level};
use kubevigil_plan::simulate::{Cost, Fate, Growth, Simulation};
use kubevigil_sources::Arrival;
use serde::Serialize;

use super::logs;
use crate::args::Format;
use crate::args::policy::PolicySimulateArgs;
use crate::rule_set::{RuleChoice, RuleSet};
use crate::scan::table::{self, Cell, Column, Kind};
use crate::scan::wording::{plural, size, thousands};
use crate::terminal::{self, BOLD, DIM};

/// So many resources are shown.
const SHOWN: usize = 12;

pub(super) fn execute(arguments: &PolicySimulateArgs) -> anyhow::Result<ExitCode> {
    let new = super::policy(&arguments.policy)?;
    let old = arguments
        .against
        .as_deref()
        .map(super::policy)
        .transpose()?;
    let rule_set = RuleSet::load(&RuleChoice::from(&arguments.rules));
    rule_set.require_loaded()?;
    let matcher = Matcher::compile(&rule_set.selected, arguments.rules.rule_matching.into())?;
    let (mut before, mut after) = (Alerts::new(&matcher), Alerts::new(&matcher));
    let mut simulation = Simulation::new(&new, old.as_ref());
    logs::for_each_event(&arguments.logs, |arrival| {
        if let Some((
            recorded,
            Fate {
                before: level_before,
                after: level_after,
            },
        )) = simulation.event(&arrival.raw)
        {
            before.event(arrival, &recorded, level_before);
            // What was not recorded before cannot alert now.
            after.event(
                arrival,
                &recorded,
                level_after.filter(|_| level_before.is_some()),
            );
        }
    })?;
    let lost = lost(&before, &after);
    let mut out = anstream::stdout().lock();
    match arguments.format {
        Format::Json => super::write_json(&mut out, &Shape::new(&simulation, &lost))?,
        Format::Text => write_text(&mut out, &simulation, &lost)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// How often each rule fires on the events that are left.
struct Alerts<'m> {
    matcher: &'m Matcher,
    state: State,
    scratch: Scratch,
    number: u64,
    counts: BTreeMap<Arc<str>, u64>,
}

impl<'m> Alerts<'m> {
    fn new(matcher: &'m Matcher) -> Self {
        Self {
            matcher,
            state: State::new(matcher, StateLimits::default()),
            scratch: Scratch::default(),
            number: 0,
            counts: BTreeMap::new(),
        }
    }

    fn event(
        &mut self,
        arrival: &Arrival,
        recorded: &Recorded,
        level: Option<kubevigil_audit::policy::PolicyLevel>,
    ) {
        let Some(level) = level else { return };
        self.number += 1;
        let position = Position {
            number: self.number,
            ..Position::default()
        };
        let raw = at_level(&arrival.raw, level, recorded);
        let Ok(found) = self.matcher.detect(&raw, &position, &mut self.scratch) else {
            return;
        };
        // The future is capped by the caller's clock elsewhere; a log is taken at its word.
        let occasion = Occasion {
            received: Timestamp {
                nanoseconds: i128::from(i64::MAX),
            },
        };
        let correlations = self.state.observe(&found, &occasion, &mut || Arc::from([]));
        let detections = found.list.iter().map(|detection| &detection.rule.name);
        let correlations = correlations
            .iter()
            .filter(|found| !found.repeated)
            .map(|found| &found.rule.name);
        for name in detections.chain(correlations) {
            *self.counts.entry(Arc::clone(name)).or_default() += 1;
        }
    }
}

/// Alerts by rule: before, and after, where there are fewer.
fn lost(before: &Alerts<'_>, after: &Alerts<'_>) -> Vec<(Arc<str>, u64, u64)> {
    let pairs = before.counts.iter().map(|(name, &count)| {
        let left = after.counts.get(name).copied().unwrap_or_default();
        (Arc::clone(name), count, left)
    });
    pairs.filter(|(_, count, left)| left < count).collect()
}

fn write_text(
    out: &mut impl Write,
    simulation: &Simulation<'_>,
    lost: &[(Arc<str>, u64, u64)],
) -> io::Result<()> {
    let Cost {
        events,
        bytes,
        kept,
        kept_bytes,
        ..
    } = simulation.total;
    writeln!(
        out,
        "{BOLD}{} of {} kept{BOLD:#}, {} of {}\n",
        thousands(kept),
        plural(events, "event"),
        size(kept_bytes),
        size(bytes)
    )?;
    let by_rule = simulation.by_rule.iter().map(|(rule, cost)| {
        let name = rule.map_or("no rule matches".to_owned(), |rule| {
            format!("rules[{rule}]")
        });
        (name, cost)
    });
    write_table(out, "rule of the policy", by_rule.collect())?;
    let by_user = simulation
        .by_user
        .iter()
        .map(|(class, cost)| ((*class).to_owned(), cost));
    write_table(out, "user", by_user.collect())?;
    let by_resource = simulation
        .by_resource
        .iter()
        .map(|(name, cost)| (name.clone(), cost));
    write_table(out, "resource", by_resource.collect())?;
    write_growth(out, &simulation.growth())?;
    if lost.is_empty() {
        return writeln!(out, "No alert of the loaded rules disappears.");
    }
    writeln!(out, "{BOLD}Alerts that disappear{BOLD:#}")?;
    for (rule, before, after) in lost {
        writeln!(
            out,
            "  {}: {before} before, {after} after",
            escape::terminal(rule)
        )?;
    }
    Ok(())
}

fn write_table(
    out: &mut impl Write,
    heading: &str,
    mut rows: Vec<(String, &Cost)>,
) -> io::Result<()> {
    rows.sort_by_key(|(_, cost)| std::cmp::Reverse(cost.bytes));
    let columns = [
        Column {
            heading,
            kind: Kind::Flexible,
        },
        Column {
            heading: "events",
            kind: Kind::Number,
        },
        Column {
            heading: "kept",
            kind: Kind::Number,
        },
        Column {
            heading: "bytes",
            kind: Kind::Number,
        },
        Column {
            heading: "kept",
            kind: Kind::Number,
        },
    ];
    let cells: Vec<[Cell; 5]> = rows
        .iter()
        .take(SHOWN)
        .map(|(name, cost)| {
            [
                name.clone(),
                thousands(cost.events),
                thousands(cost.kept),
                size(cost.bytes),
                size(cost.kept_bytes),
            ]
            .map(|text| Cell::new(&text, Style::new()))
        })
        .collect();
    table::write(out, (2, terminal::width()), &columns, &cells)?;
    if let Some(more) = rows.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        writeln!(out, "  {DIM}and {more} more{DIM:#}")?;
    }
    writeln!(out)
}

/// `1 body`, `12,345 bodies`.
fn bodies(count: u64) -> String {
    let noun = if count == 1 { "body" } else { "bodies" };
    format!("{} {noun}", thousands(count))
}

fn write_growth(out: &mut impl Write, growth: &Growth) -> io::Result<()> {
    if growth.estimated > 0 {
        writeln!(
            out,
            "{} that the log does not hold would be recorded: about {}, by the mean size of those of the same verb and resource.",
            bodies(growth.estimated),
            size(growth.estimated_bytes)
        )?;
    }
    if growth.unknown > 0 {
        writeln!(
            out,
            "{} more would be recorded of whose size the log says nothing.",
            bodies(growth.unknown)
        )?;
    }
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    total: CostShape,
    by_rule: Vec<RuleShape>,
    by_user: BTreeMap<&'static str, CostShape>,
    by_resource: BTreeMap<String, CostShape>,
    added_bodies: GrowthShape,
    lost_alerts: Vec<LostShape>,
    unreadable: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CostShape {
    events: u64,
    bytes: u64,
    kept_events: u64,
    kept_bytes: u64,
    grown_events: u64,
}

#[derive(Serialize)]
struct RuleShape {
    rule: Option<usize>,
    #[serde(flatten)]
    cost: CostShape,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GrowthShape {
    estimated: u64,
    estimated_bytes: u64,
    unknown: u64,
}

#[derive(Serialize)]
struct LostShape {
    rule: String,
    before: u64,
    after: u64,
}

impl Shape {
    fn new(simulation: &Simulation<'_>, lost: &[(Arc<str>, u64, u64)]) -> Self {
        let growth = simulation.growth();
        Self {
            total: CostShape::from(&simulation.total),
            by_rule: simulation
                .by_rule
                .iter()
                .map(|(rule, cost)| RuleShape {
                    rule: *rule,
                    cost: cost.into(),
                })
                .collect(),
            by_user: simulation
                .by_user
                .iter()
                .map(|(class, cost)| (*class, cost.into()))
                .collect(),
            by_resource: simulation
                .by_resource
                .iter()
                .map(|(name, cost)| (name.clone(), cost.into()))
                .collect(),
            added_bodies: GrowthShape {
                estimated: growth.estimated,
                estimated_bytes: growth.estimated_bytes,
                unknown: growth.unknown,
            },
            lost_alerts: lost
                .iter()
                .map(|(rule, before, after)| LostShape {
                    rule: rule.to_string(),
                    before: *before,
                    after: *after,
                })
                .collect(),
            unreadable: simulation.unreadable,
        }
    }
}

impl From<&Cost> for CostShape {
    fn from(cost: &Cost) -> Self {
        Self {
            events: cost.events,
            bytes: cost.bytes,
            kept_events: cost.kept,
            kept_bytes: cost.kept_bytes,
            grown_events: cost.grown,
        }
    }
}
