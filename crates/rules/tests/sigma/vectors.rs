//! Runs Sigma's vectors. Included by tests of several crates, each with its own way to evaluate rules.

use std::path::Path;
use std::sync::Arc;

use kubevigil_rules::Rule;
use kubevigil_rules::sigma::{Loaded, Loader, Options};
use serde_json::Value as Any;

/// Explains, and lists, the vectors that are deliberately not met.
const DEVIATIONS: &str = include_str!("../../../../docs/deviations.md");

/// The first column of the table in the section "Sigma".
pub(crate) fn deviations() -> Vec<&'static str> {
    let section = DEVIATIONS
        .split("\n## ")
        .find(|section| section.starts_with("Sigma"));
    let rows = section.unwrap_or_default().lines();
    rows.filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect()
}

/// The text of a shared file, or a word on standard error.
pub(crate) fn shared(path: &str) -> Option<String> {
    let path = format!("{}/../../../shared/{path}", env!("CARGO_MANIFEST_DIR"));
    if !Path::new(&path).exists() {
        eprintln!("skipped: {path} is not beside the checkout");
        return None;
    }
    Some(std::fs::read_to_string(path).unwrap())
}

/// Loads a text with the values of placeholders.
pub(crate) fn load(text: &str, placeholders: &Any) -> Loaded {
    let text_of = |value: &Any| value.as_str().map_or(value.to_string(), str::to_owned);
    let values = |value: &Any| value.as_array().unwrap().iter().map(text_of).collect();
    let placeholders = placeholders.as_object().into_iter().flatten();
    let placeholders = placeholders
        .map(|(name, value)| (name.clone(), values(value)))
        .collect();
    let mut loader = Loader::new(Options { placeholders });
    loader.load_file("vector.yml", text);
    loader.finish()
}

/// Runs every vector that needs no state. `evaluate` says for each rule whether it holds for the event.
pub(crate) fn run(evaluate: impl Fn(&[Arc<Rule>], &str) -> Vec<bool>) {
    let Some(text) = shared("vectors/sigma-vectors.json") else {
        return;
    };
    let all: Any = serde_json::from_str(&text).unwrap();
    let (mut failures, mut met) = (Vec::new(), 0);
    for vector in all["vectors"].as_array().unwrap() {
        let name = vector["id"].as_str().unwrap();
        let Some(outcome) = outcome(vector, &evaluate) else {
            continue;
        };
        match (outcome, deviations().contains(&name)) {
            (Ok(()), false) => met += 1,
            (Ok(()), true) => {
                failures.push(format!("{name}: is met, but stands in docs/deviations.md"))
            }
            (Err(_), true) => {}
            (Err(problem), false) => failures.push(format!("{name}: {problem}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(met > 180, "only {met} vectors were run");
}

/// `None` for a vector that needs state or a file that is not there.
fn outcome(
    vector: &Any,
    evaluate: &impl Fn(&[Arc<Rule>], &str) -> Vec<bool>,
) -> Option<Result<(), String>> {
    if vector["kind"] == "correlation" {
        let stateless = matches!(vector["group"].as_str(), Some("filter" | "action"));
        return stateless.then(|| collection(vector, evaluate));
    }
    let text = match vector["rule_path"].as_str() {
        Some(path) => shared(&format!("data/sigmahq/{path}"))?,
        None => rule_text(vector),
    };
    let loaded = load(&text, &vector["placeholders"]);
    if vector["expected"] == "error" {
        return Some(if loaded.successful() {
            Err("is accepted".to_owned())
        } else {
            Ok(())
        });
    }
    if !loaded.successful() {
        return Some(Err(format!(
            "is refused: {:?}",
            loaded.files[0].diagnostics
        )));
    }
    let found = evaluate(&loaded.rules, &vector["event"].to_string());
    let expected = vector["expected"].as_bool().unwrap();
    Some(if found == [expected] {
        Ok(())
    } else {
        Err(format!(
            "gives {found:?}, expected {expected}: {}",
            vector["why"]
        ))
    })
}

fn rule_text(vector: &Any) -> String {
    if let Some(text) = vector["rule"].as_str() {
        return text.to_owned();
    }
    let version = match &vector["sigma_version"] {
        Any::Null => String::new(),
        version => format!("sigma-version: {version}\n"),
    };
    let detection = vector["detection"].as_str().unwrap().replace('\n', "\n  ");
    format!(
        "title: t\nlogsource: {{product: kubernetes, service: audit}}\n{version}detection:\n  {detection}\n"
    )
}

/// Rules by title, and at which of several events they hold.
fn collection(
    vector: &Any,
    evaluate: &impl Fn(&[Arc<Rule>], &str) -> Vec<bool>,
) -> Result<(), String> {
    let loaded = load(vector["rules"].as_str().unwrap(), &vector["placeholders"]);
    let mut found = serde_json::Map::new();
    for rule in &loaded.rules {
        found.insert(rule.name.to_string(), Any::from(Vec::<Any>::new()));
    }
    for (number, event) in vector["events"].as_array().unwrap().iter().enumerate() {
        let holding = evaluate(&loaded.rules, &event["event"].to_string());
        for (rule, _) in loaded.rules.iter().zip(holding).filter(|(_, holds)| *holds) {
            found[&*rule.name]
                .as_array_mut()
                .unwrap()
                .push(number.into());
        }
    }
    if Any::from(found.clone()) == vector["expected"] {
        Ok(())
    } else {
        Err(format!("gives {found:?}, expected {}", vector["expected"]))
    }
}
