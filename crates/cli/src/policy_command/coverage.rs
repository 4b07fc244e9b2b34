//! `kubevigil policy coverage`: which rules can fire under a policy.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use kubevigil_diagnostics::escape;
use kubevigil_plan::coverage::{Coverage, Gap, Reason, Verdict, coverage};
use kubevigil_plan::known::Solver;
use kubevigil_plan::need::Space;
use kubevigil_rules::Rule;
use serde::Serialize;

use crate::args::Format;
use crate::args::policy::PolicyCoverageArgs;
use crate::rule_set::{RuleChoice, RuleSet};
use crate::scan::wording::plural;
use crate::terminal::{BOLD, DIM, ERROR, WARNING};

/// So many names of a gap are shown.
const SHOWN: usize = 6;

pub(super) fn execute(arguments: &PolicyCoverageArgs) -> anyhow::Result<ExitCode> {
    let policy = super::policy(&arguments.policy)?;
    let rule_set = RuleSet::load(&RuleChoice::from(&arguments.rules));
    rule_set.require_loaded()?;
    let space = Space::new(rule_set.selected.iter().map(AsRef::as_ref), &policy);
    let solver = Solver::default();
    let found: Vec<(&Arc<Rule>, Coverage)> = rule_set
        .selected
        .iter()
        .map(|rule| (rule, coverage(rule, &policy, &space, &solver)))
        .collect();
    let mut out = anstream::stdout().lock();
    match arguments.format {
        Format::Json => found
            .iter()
            .try_for_each(|(rule, found)| super::write_json(&mut out, &Shape::new(rule, found)))?,
        Format::Text => write_text(&mut out, &found, arguments.all)?,
    }
    let all_full = found
        .iter()
        .all(|(_, found)| found.verdict == Verdict::Full);
    Ok(ExitCode::from(u8::from(!all_full)))
}

fn write_text(out: &mut impl Write, found: &[(&Arc<Rule>, Coverage)], all: bool) -> io::Result<()> {
    for (rule, coverage) in found {
        let (style, word) = match coverage.verdict {
            Verdict::Nothing => (ERROR, "never"),
            Verdict::Part => (WARNING, "in part"),
            Verdict::Unknown => (WARNING, "unknown"),
            Verdict::Full if all => (DIM, "yes"),
            Verdict::Full => continue,
        };
        writeln!(
            out,
            "{style}{word:7}{style:#} {BOLD}{}{BOLD:#}",
            escape::terminal(&rule.name)
        )?;
        for gap in &coverage.gaps {
            writeln!(out, "        {}", escape::terminal(&gap_text(gap)))?;
        }
    }
    let count = |verdict: Verdict| {
        found
            .iter()
            .filter(|(_, coverage)| coverage.verdict == verdict)
            .count() as u64
    };
    let unknown = match count(Verdict::Unknown) {
        0 => String::new(),
        unknown => {
            format!(", {unknown} on no request that is known here, whatever the policy")
        }
    };
    writeln!(
        out,
        "{} of {} can fire on everything, {} in part, {} never{unknown}",
        count(Verdict::Full),
        plural(found.len() as u64, "rule"),
        count(Verdict::Part),
        count(Verdict::Nothing)
    )
}

fn gap_text(gap: &Gap) -> String {
    let by = match gap.policy_rule {
        Some(rule) => format!("rules[{rule}]"),
        None => "no rule of the policy matches".to_owned(),
    };
    let reason = match gap.reason {
        Reason::NotRecorded => "records nothing".to_owned(),
        Reason::StageOmitted(stage) => format!("omits the stage {stage}"),
        Reason::LevelTooLow(has, needs) => format!("records {has}, it takes {needs}"),
        Reason::Weaker(has, needs) => format!("records {has}, it takes {needs} to see all"),
    };
    let mut text = format!(
        "{by}: {reason}: {} {}",
        some(&gap.verbs),
        some(&gap.resources)
    );
    let namespaces: BTreeSet<&str> = gap
        .namespaces
        .iter()
        .map(|namespace| named(namespace))
        .collect();
    if !namespaces.is_empty() && namespaces.len() < 3 {
        text = format!("{text}, {}", some(&namespaces));
    }
    if gap.users.len() < 6 {
        text = format!("{text}, by {}", some(&gap.users));
    }
    text
}

fn named(namespace: &str) -> &str {
    match namespace {
        "" => "without a namespace",
        kubevigil_plan::probe::NAMESPACE => "in other namespaces",
        other => other,
    }
}

fn some<T: AsRef<str>>(texts: &BTreeSet<T>) -> String {
    let shown: Vec<&str> = texts.iter().take(SHOWN).map(AsRef::as_ref).collect();
    match texts.len().checked_sub(SHOWN) {
        None | Some(0) => shown.join(", "),
        Some(more) => format!("{} and {more} more", shown.join(", ")),
    }
}

#[derive(Serialize)]
struct Shape<'c> {
    rule: &'c str,
    #[serde(rename = "ruleId", skip_serializing_if = "Option::is_none")]
    rule_id: Option<&'c str>,
    fires: &'static str,
    gaps: Vec<GapShape<'c>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GapShape<'c> {
    policy_rule: Option<usize>,
    reason: String,
    verbs: &'c BTreeSet<Box<str>>,
    resources: &'c BTreeSet<String>,
    namespaces: &'c BTreeSet<Box<str>>,
    users: &'c BTreeSet<String>,
}

impl<'c> Shape<'c> {
    fn new(rule: &'c Rule, coverage: &'c Coverage) -> Self {
        Self {
            rule: &rule.name,
            rule_id: rule.id.as_deref(),
            fires: match coverage.verdict {
                Verdict::Full => "fully",
                Verdict::Part => "partly",
                Verdict::Unknown => "unknown",
                Verdict::Nothing => "never",
            },
            gaps: coverage.gaps.iter().map(GapShape::new).collect(),
        }
    }
}

impl<'c> GapShape<'c> {
    fn new(gap: &'c Gap) -> Self {
        Self {
            policy_rule: gap.policy_rule,
            reason: match gap.reason {
                Reason::NotRecorded => "not recorded".to_owned(),
                Reason::StageOmitted(stage) => format!("stage {stage} omitted"),
                Reason::LevelTooLow(has, needs) => format!("level {has}, needs {needs}"),
                Reason::Weaker(has, needs) => format!("level {has}, needs {needs} to see all"),
            },
            verbs: &gap.verbs,
            resources: &gap.resources,
            namespaces: &gap.namespaces,
            users: &gap.users,
        }
    }
}
