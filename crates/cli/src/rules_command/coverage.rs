//! `kubevigil rules coverage`: the rules that take part, by the techniques that they say they detect, and what is left.
//!
//! Coverage is what rules claim in their tags. A claim is no proof: the tests beside the rules are. But a technique that no rule claims is
//! surely a gap, unless an audit log cannot show it, which the tables know and say.
//!
//! - `attack`, `microsoft`: the techniques of the two matrices, as data.
//! - `redirects`: what ATT&CK 19 made of the ids of version 18.
//! - `tags`: what a rule claims.
//! - `text`, `json`, `navigator`: the three forms of the answer.

mod attack;
mod json;
mod microsoft;
mod navigator;
mod redirects;
mod tags;
mod text;

use std::process::ExitCode;
use std::sync::Arc;

use kubevigil_rules::Rule;
use serde::Serialize;

use crate::args::{AttackVersion, CoverageArgs, CoverageFormat};
use crate::rules_command::coverage::attack::TACTICS;
use crate::rules_command::coverage::redirects::Version;
use crate::rules_command::coverage::tags::Claims;
use crate::rules_command::load;

pub(super) fn execute(arguments: &CoverageArgs) -> anyhow::Result<ExitCode> {
    let rule_set = load(&arguments.rules)?;
    let version = match arguments.attack_version {
        AttackVersion::V18 => Version::V18,
        AttackVersion::V19 => Version::V19,
    };
    let coverage = Coverage::of(&rule_set.selected, version);
    let mut out = anstream::stdout().lock();
    match arguments.format {
        CoverageFormat::Json => json::write(&mut out, &coverage)?,
        CoverageFormat::Navigator => navigator::write(&mut out, &coverage)?,
        CoverageFormat::Text => text::write(&mut out, &coverage)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Rules by what they claim to detect.
struct Coverage {
    version: Version,
    /// How many rules there are.
    rules: usize,
    /// Rules that name no technique of either matrix.
    silent: Vec<Arc<Rule>>,
    tactics: Vec<TacticRow>,
    attack: Vec<Row>,
    microsoft: Vec<Row>,
}

/// A tactic of ATT&CK and how many rules name it.
struct TacticRow {
    slug: &'static str,
    name: &'static str,
    rules: usize,
}

/// A technique and the rules that name it.
struct Row {
    id: String,
    /// Empty for an id that the tables do not have.
    name: &'static str,
    /// The slugs of its tactics; for an id that the tables do not have, none.
    tactics: Vec<&'static str>,
    /// Whether a matrix of clusters has it, so that its absence is a gap.
    in_matrix: bool,
    unseen: Option<&'static str>,
    rules: Vec<Arc<Rule>>,
    /// How many rules name one of its sub-techniques.
    below: usize,
}

/// How well a technique is covered.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Standing {
    /// Rules name it.
    Covered,
    /// Rules name it, and most of it leaves no trace.
    Partly,
    /// Rules name sub-techniques of it.
    Below,
    /// No rule names it, and none could see it.
    Unseen,
    /// No rule names it.
    Gap,
}

impl Coverage {
    fn of(rules: &[Arc<Rule>], version: Version) -> Self {
        let claims: Vec<(Arc<Rule>, Claims)> = rules
            .iter()
            .map(|rule| (Arc::clone(rule), Claims::of(rule)))
            .collect();
        let silent = claims
            .iter()
            .filter(|(_, claims)| claims.techniques.is_empty() && claims.microsoft.is_empty());
        Self {
            version,
            rules: rules.len(),
            silent: silent.map(|(rule, _)| Arc::clone(rule)).collect(),
            tactics: tactic_rows(&claims, version),
            attack: attack_rows(&claims, version),
            microsoft: microsoft_rows(&claims),
        }
    }
}

impl Row {
    fn standing(&self) -> Standing {
        match (self.rules.is_empty(), self.unseen) {
            (false, None) => Standing::Covered,
            (false, Some(_)) => Standing::Partly,
            (true, _) if self.below > 0 => Standing::Below,
            (true, Some(_)) => Standing::Unseen,
            (true, None) => Standing::Gap,
        }
    }

    fn is_gap(&self) -> bool {
        self.in_matrix && self.standing() == Standing::Gap
    }
}

fn tactic_rows(claims: &[(Arc<Rule>, Claims)], version: Version) -> Vec<TacticRow> {
    let of_rule = |claims: &Claims| {
        let slugs: Vec<&str> = claims.tactics.iter().map(String::as_str).collect();
        let ids: Vec<&str> = claims.techniques.iter().map(String::as_str).collect();
        let tactics = version.tactics(&slugs, &ids);
        tactics.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let named: Vec<String> = claims
        .iter()
        .flat_map(|(_, claims)| of_rule(claims))
        .collect();
    let rows = TACTICS.iter().flat_map(|tactic| version.named(tactic));
    let rows = rows.map(|(slug, name)| TacticRow {
        slug,
        name,
        rules: named.iter().filter(|named| *named == slug).count(),
    });
    rows.collect()
}

fn attack_rows(claims: &[(Arc<Rule>, Claims)], version: Version) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for technique in attack::TECHNIQUES {
        let id = version.id(technique.id);
        let row = Row {
            id: id.to_owned(),
            name: redirects::new_name(id).unwrap_or(technique.name),
            tactics: version.tactics(technique.tactics, &[technique.id]),
            in_matrix: technique.in_containers,
            unseen: technique.unseen,
            rules: Vec::new(),
            below: 0,
        };
        if rows.iter().all(|row| row.id != id) {
            rows.push(row);
        }
    }
    for (rule, claims) in claims {
        for id in &claims.techniques {
            claim(&mut rows, version.id(id), rule);
        }
    }
    rows.retain(|row| row.in_matrix || !row.rules.is_empty());
    rows.sort_by(|one, other| one.id.cmp(&other.id));
    count_below(&mut rows);
    rows
}

fn microsoft_rows(claims: &[(Arc<Rule>, Claims)]) -> Vec<Row> {
    let row = |technique: &microsoft::Technique| Row {
        id: technique.id.to_owned(),
        name: technique.name,
        tactics: technique.tactics.to_vec(),
        in_matrix: true,
        unseen: technique.unseen,
        rules: Vec::new(),
        below: 0,
    };
    let mut rows: Vec<Row> = microsoft::TECHNIQUES.iter().map(row).collect();
    for (rule, claims) in claims {
        claims
            .microsoft
            .iter()
            .for_each(|id| claim(&mut rows, id, rule));
    }
    rows
}

fn claim(rows: &mut Vec<Row>, id: &str, rule: &Arc<Rule>) {
    let rule = Arc::clone(rule);
    match rows.iter_mut().find(|row| row.id == id) {
        // Two ids of one version may be one in the other.
        Some(row) if row.rules.iter().any(|known| Arc::ptr_eq(known, &rule)) => {}
        Some(row) => row.rules.push(rule),
        None => rows.push(Row {
            id: id.to_owned(),
            name: "",
            tactics: Vec::new(),
            in_matrix: false,
            unseen: None,
            rules: vec![rule],
            below: 0,
        }),
    }
}

fn count_below(rows: &mut [Row]) {
    let parts = rows
        .iter()
        .filter_map(|row| Some((row.id.split_once('.')?.0.to_owned(), row.rules.len())));
    let parts: Vec<(String, usize)> = parts.collect();
    for row in rows {
        let of_row = parts.iter().filter(|(parent, _)| *parent == row.id);
        row.below = of_row.map(|(_, rules)| rules).sum();
    }
}
