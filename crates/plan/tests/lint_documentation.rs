//! The page about lints says what the lints say.

use std::fmt::Write as _;
use std::fs;

use kubevigil_diagnostics::Severity;
use kubevigil_plan::check::LINTS;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/policy-lints.md");

/// `UPDATE_DOCS=1 cargo test -p kubevigil-plan --test lint_documentation` writes the page anew.
#[test]
fn the_page_about_lints_is_that_of_the_program() {
    let mut page = String::from(
        "# What `kubevigil policy check` finds\n\nWhat stops an API server is an error of its own (`POLICY_DECODE`, `POLICY_INVALID`). Below is what the server accepts, drops or overlooks. The \
         severity is that of most findings; some are milder. The codes do not change.\n",
    );
    for lint in LINTS {
        let severity = match lint.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "remark",
        };
        write!(
            page,
            "\n## {}: {}\n\n*{severity}* · {}\n",
            lint.code, lint.title, lint.why
        )
        .unwrap();
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(PAGE, &page).unwrap();
    }
    assert!(
        fs::read_to_string(PAGE).unwrap_or_default() == page,
        "docs/policy-lints.md is stale; run the test with UPDATE_DOCS=1"
    );
}
