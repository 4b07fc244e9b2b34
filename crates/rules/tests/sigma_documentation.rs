//! The examples of docs/sigma.md.

use kubevigil_rules::sigma::{Loader, Options, is_sigma};

const PAGE: &str = include_str!("../../../docs/sigma.md");

#[test]
fn every_example_loads_without_a_warning() {
    let blocks = PAGE.split("```yaml\n").skip(1);
    let examples: Vec<&str> = blocks
        .map(|block| block.split("```").next().unwrap())
        .collect();
    assert_eq!(examples.len(), 3);
    for example in examples {
        // Examples of detections leave out what every rule has.
        let whole = if example.contains("\ndetection:") && !example.contains("title:") {
            format!("title: t\nlogsource: {{product: kubernetes, service: audit}}\n{example}")
        } else {
            example.to_owned()
        };
        assert!(is_sigma(&whole), "{whole}");
        let mut loader = Loader::new(Options::default());
        loader.load_file("example.yml", &whole);
        let loaded = loader.finish();
        assert!(
            loaded.files.iter().all(|file| file.diagnostics.is_empty()),
            "{:?}",
            loaded.files
        );
        assert_eq!(
            loaded.rules.len(),
            usize::from(whole.contains("detection:"))
        );
    }
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
