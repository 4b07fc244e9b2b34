//! Coverage for programs. Keys are only ever added.

use std::io::{self, Write};

use serde::Serialize;

use crate::rules_command::coverage::{Coverage, Row, Standing};
use crate::rules_command::write_json;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CoverageSummary<'c> {
    attack_version: u32,
    rules: usize,
    tactics: Vec<TacticSummary>,
    techniques: Vec<RowSummary<'c>>,
    microsoft: Vec<RowSummary<'c>>,
    gaps: Gaps<'c>,
    without_techniques: Vec<&'c str>,
}

#[derive(Serialize)]
struct TacticSummary {
    tactic: &'static str,
    name: &'static str,
    rules: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RowSummary<'c> {
    id: &'c str,
    name: Option<&'static str>,
    tactics: &'c [&'static str],
    in_matrix: bool,
    coverage: Standing,
    unseen: Option<&'static str>,
    rules: Vec<&'c str>,
    rules_of_sub_techniques: usize,
}

#[derive(Serialize)]
struct Gaps<'c> {
    attack: Vec<&'c str>,
    microsoft: Vec<&'c str>,
}

impl<'c> RowSummary<'c> {
    fn new(row: &'c Row) -> Self {
        Self {
            id: &row.id,
            name: Some(row.name).filter(|name| !name.is_empty()),
            tactics: &row.tactics,
            in_matrix: row.in_matrix,
            coverage: row.standing(),
            unseen: row.unseen,
            rules: row.rules.iter().map(|rule| rule.name.as_ref()).collect(),
            rules_of_sub_techniques: row.below,
        }
    }
}

pub(super) fn write(out: &mut impl Write, coverage: &Coverage) -> io::Result<()> {
    let tactics = coverage.tactics.iter().map(|row| TacticSummary {
        tactic: row.slug,
        name: row.name,
        rules: row.rules,
    });
    let summary = CoverageSummary {
        attack_version: coverage.version.number(),
        rules: coverage.rules,
        tactics: tactics.collect(),
        techniques: rows(&coverage.attack),
        microsoft: rows(&coverage.microsoft),
        gaps: Gaps {
            attack: gaps(&coverage.attack),
            microsoft: gaps(&coverage.microsoft),
        },
        without_techniques: coverage
            .silent
            .iter()
            .map(|rule| rule.name.as_ref())
            .collect(),
    };
    write_json(out, &summary)
}

fn rows(rows: &[Row]) -> Vec<RowSummary<'_>> {
    rows.iter().map(RowSummary::new).collect()
}

fn gaps(rows: &[Row]) -> Vec<&str> {
    let gaps = rows.iter().filter(|row| row.is_gap());
    gaps.map(|row| row.id.as_str()).collect()
}
