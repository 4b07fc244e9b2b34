//! The default detections: they do what the cases beside them say, and each says of itself what people need to know.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::kubevigil::{finish, json_lines, kubevigil, run};

/// The checkout; cases are named from here, as they are at the command line.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// All default rules, those that only correlations count included.
pub(crate) static RULES: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let outcome = run(
        ["rules", "list", "--profile", "paranoid", "--format", "json"],
        b"",
    );
    json_lines(&outcome.stdout)
});

#[test]
fn every_case_beside_the_rules_goes_as_its_folder_says() {
    let mut command = kubevigil();
    command
        .current_dir(ROOT)
        .args(["rules", "test", "--strict", "detections"]);
    let outcome = finish(command, b"");
    assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
    let (cases, _) = outcome.stdout.split_once(" cases").unwrap();
    let cases: usize = cases
        .rsplit(' ')
        .next()
        .unwrap()
        .replace(',', "")
        .parse()
        .unwrap();
    assert!(cases > 400, "only {cases} cases");
}

#[test]
fn every_rule_is_in_sigma_and_loads_without_a_word() {
    let files = default_files();
    let outcome = run(
        [
            "rules".into(),
            "check".into(),
            "--format".into(),
            "json".into(),
        ]
        .into_iter()
        .chain(files),
        b"",
    );
    for report in json_lines(&outcome.stdout) {
        let silent =
            report["errors"] == Value::Array(vec![]) && report["warnings"] == Value::Array(vec![]);
        assert!(silent, "{report}");
    }
    assert!(
        RULES
            .iter()
            .all(|rule| rule["language"] == "sigma" && rule["state"] != "refused")
    );
}

#[test]
fn every_rule_has_an_id_and_a_name_of_its_own() {
    let uuid = Regex::new("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
        .unwrap();
    let snake = Regex::new("^[a-z][a-z0-9]*(_[a-z0-9]+)*$").unwrap();
    every_rule(|rule| {
        [
            (!uuid.is_match(text(rule, "id")))
                .then(|| format!("id {} is no random UUID", rule["id"])),
            (!snake.is_match(text(rule, "name")))
                .then(|| format!("name {} is not in snake case", rule["name"])),
        ]
    });
    for key in ["id", "name", "rule"] {
        let mut seen = BTreeSet::new();
        let again: Vec<&str> = RULES
            .iter()
            .map(|rule| text(rule, key))
            .filter(|text| !text.is_empty())
            .filter(|text| !seen.insert(*text))
            .collect();
        assert!(again.is_empty(), "{key} is not unique: {again:?}");
    }
}

#[test]
fn every_rule_names_a_profile_a_tactic_and_known_techniques() {
    let known = known_techniques();
    every_rule(|rule| {
        let tags: Vec<&str> = strings(&rule["tags"]);
        let count = |start: &str| tags.iter().filter(|tag| tag.starts_with(start)).count();
        let unknown: Vec<&&str> = tags
            .iter()
            .filter(|tag| is_technique(tag) && !known.contains(&tag.to_uppercase()))
            .collect();
        let slugs = tags.iter().filter_map(|tag| tag.strip_prefix("attack."));
        let tactics = slugs.filter(|slug| {
            !slug.starts_with('t') || !slug.ends_with(|last: char| last.is_ascii_digit())
        });
        [
            (count("kubevigil.") != 1).then(|| format!("not one profile in {tags:?}")),
            (raises(rule) && tactics.count() == 0).then(|| format!("no tactic in {tags:?}")),
            (raises(rule) && count("attack.t1") == 0).then(|| format!("no technique in {tags:?}")),
            (!unknown.is_empty())
                .then(|| format!("techniques without a name in the table: {unknown:?}")),
        ]
    });
}

#[test]
fn every_rule_explains_itself() {
    let covers = Regex::new("^([A-F][0-9]{2}|U[0-9]{2})$").unwrap();
    every_rule(|rule| {
        let note = |key: &str| strings(&rule["notes"][key]);
        let lacks =
            |key: &str| (raises(rule) && note(key).is_empty()).then(|| format!("no `{key}`"));
        let sentences = text(rule, "description")
            .matches(['.', ':', ';', '?'])
            .count();
        [
            (raises(rule) && sentences < 2)
                .then(|| "a description of less than two sentences".to_owned()),
            (note("attack-version") != ["18"]).then(|| "no `attack-version: 18`".to_owned()),
            (note("author") != ["kubevigil"]).then(|| "no author".to_owned()),
            note("covers")
                .iter()
                .find(|id| !covers.is_match(id))
                .map(|id| format!("covers {id}, which is nothing")),
            lacks("falsepositives"),
            lacks("tuning"),
            lacks("date"),
            lacks("status"),
        ]
    });
}

#[test]
fn the_filters_of_the_tuning_advice_load_and_find_their_rules() {
    let mut files = default_files();
    let folder = tempfile::tempdir().unwrap();
    let mut names = BTreeMap::new();
    for rule in RULES.iter() {
        for advice in strings(&rule["notes"]["tuning"]) {
            if let Some(filter) = filter_in(advice) {
                let file = folder.path().join(format!("filter-{}.yml", names.len()));
                std::fs::write(&file, filter).unwrap();
                names.insert(file.display().to_string(), text(rule, "rule"));
                files.push(file.into());
            }
        }
    }
    assert!(names.len() > 10, "only {} filters", names.len());
    let outcome = run(
        [
            "rules".into(),
            "check".into(),
            "--format".into(),
            "json".into(),
        ]
        .into_iter()
        .chain(files),
        b"",
    );
    let reports = json_lines(&outcome.stdout);
    let about_filters = reports
        .iter()
        .filter_map(|report| Some((names.get(text(report, "file"))?, report)));
    let wrong: Vec<String> = about_filters
        .filter(|(_, report)| {
            report["errors"] != Value::Array(vec![]) || report["warnings"] != Value::Array(vec![])
        })
        .map(|(rule, report)| format!("{rule}: {report}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_filters_of_the_documentation_load_and_find_their_rules() {
    let page = std::fs::read_to_string(Path::new(ROOT).join("docs/detections.md")).unwrap();
    let (_, rest) = page.split_once("```yaml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("my.yml");
    std::fs::write(&file, example).unwrap();
    let file = file.to_str().unwrap();
    let check = [
        "rules",
        "check",
        "--with-default-rules",
        "--format",
        "json",
        file,
    ];
    let outcome = run(check, b"");
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let silent = Value::Array(Vec::new());
    assert_eq!((&report["errors"], &report["warnings"]), (&silent, &silent));
}

/// The filter document in a piece of advice: all of it, or what is indented below a sentence.
fn filter_in(advice: &str) -> Option<String> {
    let start = advice
        .lines()
        .position(|line| line.trim_start().starts_with("title:"))?;
    let lines: Vec<&str> = advice.lines().skip(start).collect();
    let indent = lines[0].len() - lines[0].trim_start().len();
    let document = lines
        .iter()
        .take_while(|line| line.trim().is_empty() || line.len() - line.trim_start().len() >= indent)
        .map(|line| line.get(indent..).unwrap_or_default());
    let document: Vec<&str> = document.collect();
    let document = document.join("\n");
    document.contains("\nfilter:").then_some(document)
}

/// Asks every rule, and fails with all complaints at once.
fn every_rule<const N: usize>(complaints: impl Fn(&Value) -> [Option<String>; N]) {
    let mut all = Vec::new();
    for rule in RULES.iter().filter(|rule| rule["state"] != "refused") {
        let place = format!("{}:{} {}", text(rule, "file"), rule["line"], rule["rule"]);
        let of_rule = complaints(rule).into_iter().flatten();
        all.extend(of_rule.map(|complaint| format!("{place}: {complaint}")));
    }
    assert!(RULES.len() > 100, "only {} rules", RULES.len());
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// Whether the rule raises alerts, and is not only counted.
pub(crate) fn raises(rule: &Value) -> bool {
    rule["state"] == "enabled"
}

fn is_technique(tag: &str) -> bool {
    tag.starts_with("attack.t1") || tag.starts_with("ms.ta")
}

/// The tags of the techniques that the coverage table has a name for, in capitals.
fn known_techniques() -> BTreeSet<String> {
    let outcome = run(
        [
            "rules",
            "coverage",
            "--profile",
            "paranoid",
            "--format",
            "json",
        ],
        b"",
    );
    let coverage: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let named = |key: &str, start: &str| {
        let rows = coverage[key].as_array().unwrap().iter();
        let rows = rows.filter(|row| row["name"].is_string());
        let tags = rows.map(|row| format!("{start}{}", text(row, "id").trim_start_matches("MS-")));
        tags.collect::<Vec<_>>()
    };
    named("techniques", "ATTACK.")
        .into_iter()
        .chain(named("microsoft", "MS."))
        .collect()
}

/// The rule files of the default detections, sorted.
fn default_files() -> Vec<std::ffi::OsString> {
    let mut files = BTreeSet::new();
    let mut waiting = vec![Path::new(ROOT).join("detections")];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("tests") {
                waiting.push(path);
            } else if path.ends_with("rule.yml") {
                files.insert(path.into_os_string());
            }
        }
    }
    files.into_iter().collect()
}

/// The text at a key; empty when there is none.
pub(crate) fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

/// The texts of a list; empty when there is none.
pub(crate) fn strings(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .map(|texts| texts.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default()
}
