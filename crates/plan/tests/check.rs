//! Policies with something to say about, and what is said: the text that people see.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

use kubevigil_audit::policy::PolicyFile;
use kubevigil_diagnostics::render_text;
use kubevigil_plan::KubernetesVersion;
use kubevigil_plan::check::{LINTS, check};

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/check");

#[test]
fn each_policy_gets_the_findings_beside_it() {
    insta::glob!("check/*.yaml", |path| {
        let text = fs::read_to_string(path).unwrap();
        insta::assert_snapshot!(findings(&text));
    });
}

#[test]
fn every_lint_is_found_in_some_case() {
    let mut all = String::new();
    for entry in fs::read_dir(CASES).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            all.push_str(&findings(&fs::read_to_string(&path).unwrap()));
        }
    }
    // P07 is what the server itself says of versions that are gone.
    let missing: Vec<&str> = LINTS
        .iter()
        .map(|lint| lint.code)
        .filter(|code| *code != "P07" && !all.contains(&format!("[{code}]")))
        .collect();
    assert!(missing.is_empty(), "no case shows {missing:?}");
    assert!(Path::new(CASES).exists());
}

fn findings(text: &str) -> String {
    let version = text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("# kubernetes "));
    let version = version.map_or(KubernetesVersion::DEFAULT, |version| {
        version.parse().unwrap()
    });
    render_text(
        &check(&PolicyFile::read("policy.yaml", text), version),
        false,
    )
}
