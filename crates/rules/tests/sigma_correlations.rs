//! Correlations: from documents to the questions that they become.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

use std::path::Path;

use kubevigil_diagnostics::render_text;
use kubevigil_rules::sigma::{Loaded, Loader, Options};
use serde_json::Value as Any;

fn load(text: &str) -> Loaded {
    let mut loader = Loader::new(Options::default());
    loader.load_file("rules.yml", text);
    loader.finish()
}

/// Sigma's vectors, or a word on standard error.
fn vectors() -> Vec<Any> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/vectors/sigma-vectors.json"
    );
    if !Path::new(path).exists() {
        eprintln!("skipped: {path} is not beside the checkout");
        return Vec::new();
    }
    let all: Any = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    all["vectors"].as_array().unwrap().clone()
}

#[test]
fn every_vector_with_correlations_loads() {
    for vector in vectors() {
        let Some(text) = vector["rules"]
            .as_str()
            .filter(|text| text.contains("correlation:"))
        else {
            continue;
        };
        let loaded = load(text);
        let shown = render_text(&loaded.files[0].diagnostics, false);
        assert!(loaded.successful(), "{}: {shown}", vector["id"]);
        println!("{}: {shown}", vector["id"]);
        for rule in &loaded.rules {
            println!("{}", rule.condition_text);
        }
        assert_eq!(loaded.rules.len(), text.split("\n---\n").count());
    }
}

#[test]
fn every_wrong_vector_with_a_correlation_is_refused_alone() {
    for vector in vectors() {
        let Some(text) = vector["rule"]
            .as_str()
            .filter(|text| text.contains("correlation:"))
        else {
            continue;
        };
        let loaded = load(text);
        println!("{}", render_text(&loaded.files[0].diagnostics, false));
        assert_eq!(loaded.refused.len(), 1, "{}", vector["id"]);
        assert_eq!(loaded.rules.len(), text.split("\n---\n").count() - 1);
    }
}
