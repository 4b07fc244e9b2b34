//! The examples of docs/sigma.md.

#![expect(clippy::unwrap_used, reason = "tests")]

use kubevigil_rules::sigma::{Loader, Options, is_sigma};

const PAGE: &str = include_str!("../../../docs/sigma.md");

/// The rules that examples of correlations name without stating them.
const NAMED: [&str; 4] = ["exec", "secret_read", "token_minted", "token_used"];

fn examples() -> Vec<&'static str> {
    let blocks = PAGE.split("```yaml\n").skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap())
        .collect()
}

#[test]
fn every_example_loads_without_a_warning() {
    assert_eq!(examples().len(), 7);
    for example in examples() {
        // Examples of detections leave out what every rule has.
        let whole = if example.contains("\ndetection:") && !example.contains("title:") {
            format!("title: t\nlogsource: {{product: kubernetes, service: audit}}\n{example}")
        } else {
            example.to_owned()
        };
        assert!(is_sigma(&whole), "{whole}");
        let mut loader = Loader::new(Options::default());
        loader.load_file("example.yml", &whole);
        let named = NAMED.map(rule).concat();
        loader.load_file("named.yml", &named);
        // What another example states is there, too.
        let denied = examples()
            .into_iter()
            .find(|other| other.contains("\nname: denied_request") && *other != example);
        loader.load_file("denied.yml", denied.unwrap_or_default());
        let loaded = loader.finish();
        assert!(
            loaded.files.iter().all(|file| file.diagnostics.is_empty()),
            "{:?}",
            loaded.files
        );
        let of_example = loaded
            .rules
            .iter()
            .filter(|rule| &*rule.origin.file == "example.yml");
        let stated = ["\ndetection:", "\ncorrelation:", "\nkubevigil:"];
        let stated = stated.map(|key| whole.matches(key).count());
        assert_eq!(of_example.count(), stated.iter().sum::<usize>(), "{whole}");
    }
}

fn rule(name: &str) -> String {
    format!(
        "---\ntitle: {name}\nname: {name}\nlogsource: {{product: kubernetes, service: audit}}\ndetection: {{s: {{verb: get}}, condition: s}}\n"
    )
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
