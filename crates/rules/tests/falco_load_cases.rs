//! What genuine Falco said about 181 rule files, compared with what the loader says.
//!
//! Falco stops at its first error; the loader goes on. So of a failing load the first error is compared, and Falco's
//! warnings must be among ours. Cases that are deliberately not met are read from the table in `docs/deviations.md`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::path::Path;

use kubevigil_diagnostics::{Diagnostic, FileReport};
use kubevigil_rules::Rule;
use kubevigil_rules::falco::selection::{Action, Selector, select};
use kubevigil_rules::falco::{Loaded, Loader, Options};
use serde_json::Value;

const SHARED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
const DEVIATIONS: &str = include_str!("../../../docs/deviations.md");

#[test]
fn rule_files_load_as_falco_loads_them() {
    let Some(cases) = shared("vectors/falco-cases.json") else {
        return;
    };
    let cases: Value = serde_json::from_str(&cases).unwrap();
    let deviations = deviations("Rule loading");
    let mut failures = Vec::new();
    let mut met = 0;
    for case in cases["load_cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let result = check(case);
        match (result, deviations.contains(&name)) {
            (Ok(()), false) => met += 1,
            (Err(_), true) => {}
            (Ok(()), true) => {
                failures.push(format!("{name}: is met, but stands in docs/deviations.md"))
            }
            (Err(difference), false) => failures.push(format!("{name}: {difference}")),
        }
    }
    assert!(
        failures.is_empty(),
        "{met} met, {} not:\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert_eq!(met + deviations.len(), 181);
}

#[test]
fn falcos_own_audit_rules_load_without_a_warning() {
    let Some(text) = shared("data/falco/k8s_audit_rules.yaml") else {
        return;
    };
    let loaded = load(&[&text]);
    let shown = kubevigil_diagnostics::render_text(&loaded.files[0].diagnostics, false);
    assert_eq!(shown, "");
    assert_eq!(loaded.rules.len(), 48);
}

/// All rules of the selection cases match their event, so those that fire are those that are selected.
#[test]
fn rules_are_selected_as_falco_selects_them() {
    let Some(cases) = shared("vectors/falco-cases.json") else {
        return;
    };
    let cases: Value = serde_json::from_str(&cases).unwrap();
    let selection = &cases["selection"];
    let loaded = load(&[selection["yaml"].as_str().unwrap()]);
    assert!(
        loaded
            .rules
            .iter()
            .all(|rule| rule.condition_text.as_ref() == "ka.verb = create")
    );
    for case in selection["cases"].as_array().unwrap() {
        let threshold = case["priority"]
            .as_str()
            .unwrap_or("debug")
            .parse()
            .unwrap();
        let selectors: Vec<Selector> = case["selection"]
            .as_array()
            .unwrap()
            .iter()
            .map(selector)
            .collect();
        let selected = select(&loaded.rules, threshold, &selectors);
        let fires = if case["rule_matching"] == "first" {
            1
        } else {
            usize::MAX
        };
        let fired: Vec<&str> = selected
            .iter()
            .take(fires)
            .map(|rule| rule.name.as_ref())
            .collect();
        assert_eq!(serde_json::json!(fired), case["fired"], "{}", case["what"]);
        assert!(selected.iter().all(|rule| rule.enabled));
    }
}

fn selector(entry: &Value) -> Selector {
    let (action, word) = if entry["enable"].is_object() {
        (Action::Enable, "enable")
    } else {
        (Action::Disable, "disable")
    };
    let text = |key: &str| entry[word][key].as_str().map(str::to_owned);
    Selector {
        action,
        rule: text("rule"),
        tag: text("tag"),
    }
}

/// Compares one case; what differs is the error.
fn check(case: &Value) -> Result<(), String> {
    let files: Vec<&str> = case["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file.as_str().unwrap())
        .collect();
    let loaded = load(&files);
    let warnings = flat(&loaded.files, FileReport::warnings);
    match case["outcome"].as_str().unwrap() {
        "ok" => {
            let errors = flat(&loaded.files, FileReport::errors);
            same("errors", &errors, &Vec::new())?;
            same(
                "warnings",
                &sorted(warnings),
                &sorted(expected(&case["warnings"])),
            )?;
            check_rules(&loaded.rules, &case["compiled_rules"])
        }
        "error" => {
            let first = flat(&loaded.files, FileReport::errors).into_iter().next();
            same(
                "first error",
                &first,
                &expected(&case["errors"]).into_iter().next(),
            )?;
            let missing = expected(&case["warnings"])
                .into_iter()
                .find(|wanted| !warnings.contains(wanted));
            same("missing warning", &missing, &None)
        }
        outcome => Err(format!("Falco's outcome is {outcome}")),
    }
}

fn check_rules(rules: &[std::sync::Arc<Rule>], expected: &Value) -> Result<(), String> {
    let ours: BTreeMap<String, Value> = rules
        .iter()
        .map(|rule| (rule.name.to_string(), described(rule)))
        .collect();
    // Not every case recorded its rules.
    let Some(expected) = expected.as_object() else {
        return Ok(());
    };
    let expected: BTreeMap<String, Value> = expected
        .iter()
        .map(|(name, rule)| (name.clone(), rule.clone()))
        .collect();
    same("rules", &ours, &expected)
}

fn described(rule: &Rule) -> Value {
    serde_json::json!({
        "condition": rule.condition_text,
        "output": rule.output.text,
        "priority": rule.priority.as_str(),
        "enabled": rule.enabled,
        "tags": rule.tags,
        "desc": rule.description,
    })
}

/// A problem as both sides know it: number of the file, code, item.
type Known = (usize, String, String);

fn flat<'l, I: Iterator<Item = &'l Diagnostic>>(
    files: &'l [FileReport],
    of: fn(&'l FileReport) -> I,
) -> Vec<Known> {
    let problems = files
        .iter()
        .enumerate()
        .flat_map(|(number, file)| of(file).map(move |problem| (number, problem)));
    problems
        .map(|(number, problem)| (number, problem.code.to_owned(), problem.item.clone()))
        .collect()
}

fn expected(problems: &Value) -> Vec<Known> {
    let problems = problems.as_array().into_iter().flatten();
    let known = |problem: &Value| {
        let file = problem["file"].as_u64().unwrap();
        (
            usize::try_from(file).unwrap(),
            problem["code"].as_str().unwrap().to_owned(),
            item(problem),
        )
    };
    problems.map(known).collect()
}

/// Falco's chain of locations as the loader names the item.
fn item(problem: &Value) -> String {
    let chain: Vec<&str> = problem["enclosing"]
        .as_array()
        .unwrap()
        .iter()
        .map(|link| link.as_str().unwrap())
        .collect();
    let Some(outer) = chain
        .first()
        .filter(|outer| !outer.starts_with("rules content") && **outer != "value for")
    else {
        return String::new();
    };
    let outer = named(&outer.replace("required plugin versions", "required_plugin_versions"));
    let chain = chain.get(1..).unwrap_or_default();
    let inner = match chain {
        [] => String::new(),
        _ if chain.contains(&"condition expression") => "condition".to_owned(),
        _ if chain.contains(&"overrides") || chain[0].starts_with("overrides") => {
            format!(
                "override {}",
                chain.last().unwrap().rsplit(' ').next().unwrap()
            )
        }
        ["exceptions", "exception", ..] => "exception".to_owned(),
        [exception, "exception values", ..] => format!("{} values", named(exception)),
        [key, ..] if key.starts_with("value for ") => {
            key.trim_start_matches("value for ").to_owned()
        }
        [key, ..] if key.starts_with("required plugin versions entry") => {
            named(&key.replace("required plugin versions entry", "entry"))
        }
        [key, ..] => named(key.trim_start_matches("rule ")),
    };
    if inner.is_empty() || inner == outer {
        outer
    } else {
        format!("{outer} {inner}")
    }
}

/// `rule r1` becomes `rule "r1"`.
fn named(link: &str) -> String {
    match link.split_once(' ') {
        Some((kind, name)) => format!("{kind} \"{name}\""),
        None => link.to_owned(),
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, ours: &T, falcos: &T) -> Result<(), String> {
    if ours == falcos {
        Ok(())
    } else {
        Err(format!(
            "{what}\n    ours   {ours:?}\n    falco  {falcos:?}"
        ))
    }
}

fn sorted(mut problems: Vec<Known>) -> Vec<Known> {
    problems.sort();
    problems
}

fn load(files: &[&str]) -> Loaded {
    let mut loader = Loader::new(Options::default());
    for (number, text) in files.iter().enumerate() {
        loader.load_file(&format!("file{number}.yaml"), text);
    }
    loader.finish()
}

/// The first column of the table in a section of the deviations.
fn deviations(section: &str) -> Vec<&'static str> {
    let (_, after) = DEVIATIONS.split_once(&format!("## {section}\n")).unwrap();
    let section = after.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split('`').next()).collect()
}

/// A file of the material beside the checkout.
fn shared(path: &str) -> Option<String> {
    let path = Path::new(SHARED).join(path);
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(std::fs::read_to_string(path).unwrap())
}
