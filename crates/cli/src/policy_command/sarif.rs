//! Findings as a SARIF 2.1.0 log (OASIS), which code review tools show beside the lines.

use std::fmt::Write as _;

use kubevigil_diagnostics::{Diagnostic, Severity};
use kubevigil_plan::check::LINTS;
use serde_json::{Value, json};

use super::check::Report;

/// All reports as one log with one run.
pub(super) fn log(reports: &[Report]) -> Value {
    let results: Vec<Value> = reports
        .iter()
        .flat_map(|report| {
            report
                .diagnostics
                .iter()
                .map(|diagnostic| result(&report.file, diagnostic))
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "kubevigil",
                "version": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": LINTS.iter().map(|lint| json!({
                    "id": lint.code,
                    "shortDescription": {"text": lint.title},
                    "fullDescription": {"text": lint.why},
                    "defaultConfiguration": {"level": level(lint.severity)},
                })).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(file: &str, diagnostic: &Diagnostic) -> Value {
    let help = diagnostic
        .help
        .as_deref()
        .map(|help| format!(" ({help})"))
        .unwrap_or_default();
    let (line, column) = diagnostic.position().unwrap_or((1, 1));
    json!({
        "ruleId": diagnostic.code,
        "level": level(diagnostic.severity),
        "message": {"text": format!("{}{help}", diagnostic.message)},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": uri(file)},
            "region": {"startLine": line, "startColumn": column},
        }}],
    })
}

/// A path as a URI reference.
fn uri(file: &str) -> String {
    let mut uri = String::new();
    for byte in file.bytes() {
        let is_plain = byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        if is_plain {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}
