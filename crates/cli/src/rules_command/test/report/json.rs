//! The report for programs.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::rules_command::test::bench::Bench;
use crate::rules_command::test::case::Difference;
use crate::rules_command::test::folders::Folder;
use crate::rules_command::test::report::Judged;

/// A case, as programs read it.
#[derive(Serialize)]
pub(super) struct CaseSummary<'c> {
    case: String,
    passed: bool,
    expected: Vec<&'c str>,
    fired: Vec<FiredSummary<'c>>,
    missing: Vec<&'c str>,
    unexpected: Vec<&'c str>,
    repeated: Vec<&'c str>,
    /// Why rules are missing, by their names.
    reasons: BTreeMap<&'c str, Vec<String>>,
    troubles: &'c [String],
    milliseconds: u128,
}

/// A rule that fired.
#[derive(Serialize)]
struct FiredSummary<'c> {
    rule: &'c str,
    line: u64,
}

impl<'c> CaseSummary<'c> {
    pub(super) fn new(judged: &Judged<'c>) -> Self {
        let (bench, verdict) = (judged.bench, judged.verdict);
        let differences = verdict.differences(bench);
        let of_kind = |wanted: fn(&Difference) -> bool| {
            let rules = differences
                .iter()
                .filter(|(_, difference)| wanted(difference));
            rules.map(|(rule, _)| name(bench, *rule)).collect()
        };
        let fired = verdict.fired.iter().map(|fired| FiredSummary {
            rule: name(bench, fired.rule),
            line: fired.line,
        });
        Self {
            case: judged.case.path.display().to_string(),
            passed: verdict.passed(bench),
            expected: verdict
                .expected
                .iter()
                .map(|&rule| name(bench, rule))
                .collect(),
            fired: fired.collect(),
            missing: of_kind(|difference| matches!(difference, Difference::Missing)),
            unexpected: of_kind(|difference| matches!(difference, Difference::Unexpected(_))),
            repeated: of_kind(|difference| matches!(difference, Difference::Repeated(_))),
            reasons: differences
                .iter()
                .filter(|(_, difference)| *difference == Difference::Missing)
                .map(|(rule, _)| (name(bench, *rule), verdict.reasons(bench, *rule)))
                .collect(),
            troubles: &verdict.troubles,
            milliseconds: judged.elapsed.as_millis(),
        }
    }
}

/// A folder whose rules do not load.
pub(super) fn broken(folder: &Folder, problem: &str) -> Value {
    let problem = anstream::adapter::strip_str(problem).to_string();
    json!({ "folder": folder.path.display().to_string(), "passed": false, "troubles": [problem] })
}

fn name(bench: &Bench, rule: usize) -> &str {
    bench.rules.get(rule).map_or("", |rule| rule.name.as_str())
}
