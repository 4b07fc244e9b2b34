//! The examples of docs/sigma.md.

#![expect(clippy::unwrap_used, reason = "tests")]

use kubevigil_rules::sigma::{Loader, Options, is_sigma};

const PAGE: &str = include_str!("../../../docs/sigma.md");

fn examples() -> Vec<&'static str> {
    let blocks = PAGE.split("```yaml\n").skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap())
        .collect()
}

/// As a reader would paste them: unchanged, the correlations beside the rules that they count.
#[test]
fn every_example_loads_as_it_stands_without_a_warning() {
    assert_eq!(examples().len(), 8);
    let mut loader = Loader::new(Options::default());
    for (number, example) in examples().into_iter().enumerate() {
        assert!(is_sigma(example), "{example}");
        loader.load_file(&format!("{number}.yml"), example);
    }
    let loaded = loader.finish();
    for file in &loaded.files {
        assert!(file.diagnostics.is_empty(), "{file:?}");
    }
    let kinds = ["\ndetection:", "\ncorrelation:", "\nkubevigil:"];
    let stated = kinds.map(|kind| PAGE.matches(kind).count());
    assert_eq!(loaded.rules.len(), stated.iter().sum::<usize>());
}

#[test]
fn every_warning_is_in_the_table() {
    let codes = include_str!("../src/sigma/codes.rs");
    let codes: Vec<&str> = codes
        .split('"')
        .filter(|text| text.starts_with("SIGMA_WARN_"))
        .collect();
    assert_eq!(codes.len(), 16);
    for code in codes {
        assert!(PAGE.contains(&format!("| `{code}` |")), "{code}");
    }
}
