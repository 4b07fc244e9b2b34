//! What people read when a Sigma file has mistakes.
//!
//! Each folder of `cases/sigma` holds files, loaded in the order of their names, and `expected.txt`: the report of each file. Run
//! with `UPDATE_EXPECTED=1` to write the reports anew, and read the difference.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use kubevigil_diagnostics::render_text;
use kubevigil_rules::sigma::{Loaded, Loader, Options};
use proptest::prelude::*;

#[test]
fn mistakes_are_shown_as_expected() {
    let folders = entries(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/sigma"));
    assert!(
        folders.len() >= 13,
        "the cases are not where they should be"
    );
    let wrong: Vec<String> = folders
        .iter()
        .filter_map(|folder| difference(folder))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a folder's files give, when that is not what is expected.
fn difference(folder: &Path) -> Option<String> {
    let shown = report(folder);
    let expected = folder.join("expected.txt");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&expected, &shown).unwrap();
    }
    let wanted = std::fs::read_to_string(&expected).unwrap_or_default();
    (shown != wanted).then(|| {
        format!(
            "== {}\n-- expected\n{wanted}-- shown\n{shown}",
            folder.display()
        )
    })
}

fn report(folder: &Path) -> String {
    let files = entries(folder);
    let files = files
        .iter()
        .filter(|file| file.extension().is_some_and(|ending| ending == "yml"));
    let texts: Vec<(String, String)> = files
        .map(|file| {
            (
                file.file_name().unwrap().to_string_lossy().into_owned(),
                std::fs::read_to_string(file).unwrap(),
            )
        })
        .collect();
    let loaded = load(&texts);
    let mut out = String::new();
    for file in &loaded.files {
        let (errors, warnings) = (file.errors().count(), file.warnings().count());
        writeln!(
            out,
            "# {}: {errors} errors, {warnings} warnings\n",
            file.file
        )
        .unwrap();
        out.push_str(&render_text(&file.diagnostics, false));
    }
    for rule in &loaded.rules {
        writeln!(out, "# rule {:?}: {}", rule.name, rule.condition_text).unwrap();
    }
    for refused in &loaded.refused {
        let (line, title) = (refused.origin.line, &refused.title);
        writeln!(out, "# refused, line {line}: {title:?}: {}", refused.reason).unwrap();
    }
    out
}

fn load(files: &[(String, String)]) -> Loaded {
    let mut loader = Loader::new(Options::default());
    for (name, text) in files {
        loader.load_file(name, text);
    }
    loader.finish()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
}

#[test]
fn a_small_file_cannot_become_a_large_condition() {
    let many = vec!["s"; 500].join(" or ");
    let mut block = "{b: c}".to_owned();
    for _ in 0..5 {
        block = format!("{{'a[any]': {{s: {block}, condition: {many}}}}}");
    }
    let text = format!(
        "title: t\nsigma-version: 3\nlogsource: {{service: audit}}\ndetection: {{s: {block}, condition: s}}\n"
    );
    let loaded = load(&[("file.yml".to_owned(), text)]);
    let messages: Vec<_> = loaded.files[0]
        .errors()
        .map(|error| error.message.as_str())
        .collect();
    assert_eq!(
        messages,
        ["the condition has more than 100000 parts when selections are put in"]
    );
}

/// Pieces that rule files are made of, so that random files get past the first line.
fn pieces() -> impl Strategy<Value = Vec<&'static str>> {
    let lines = vec![
        "title: a\n",
        "id: x\n",
        "name: a\n",
        "sigma-version: 3\n",
        "logsource: {product: kubernetes, service: audit}\n",
        "action: global\n",
        "action: repeat\n",
        "detection:\n",
        "filter:\n  rules: any\n",
        "  s: {verb: get}\n",
        "  s: [a, {b|all: [c, d]}, [e]]\n",
        "  t: {'|re': 'é('}\n",
        "  t: {'a|windash|wide|base64offset|contains': '-é /x'}\n",
        "  u: {'a[any]': {b: c, condition: b}}\n",
        "  u: {'a[0].b[-1]|expand': '%x% \\%'}\n",
        "  v: {sourceIPs|cidr: 10.0.0.0/8, a|hour|gte: 1, b|fieldref: c}\n",
        "  condition: s\n",
        "  condition: not (1 of them or s) and t\n",
        "  condition: [all of *, '(s']\n",
        "  condition: >\n    s\n      and not é\n",
        "vars: {x: [a, 1]}\n",
        "transformations: [{type: field_name_mapping, mapping: {a: [b, c]}}]\n",
        "correlation: {}\n",
        "correlation: {type: temporal, rules: [a, x], timespan: 5m}\n",
        "correlation: {type: event_count, rules: a, group-by: a.b, timespan: 5m, condition: {gte: 2}}\n",
        "kubevigil: {type: first_seen, rules: a, field: b, learning: 1h, timespan: 1d}\n",
        "fields: [a, hostPath, kv.é]\n",
        "---\n",
        "\u{1b}",
        "é",
    ];
    proptest::collection::vec(prop::sample::select(lines), 0..25)
}

proptest! {
    #[test]
    fn loading_any_text_never_panics(text in any::<String>()) {
        shown_without_control_characters(&[text]);
    }

    #[test]
    fn loading_any_pieces_of_rule_files_never_panics(first in pieces(), second in pieces()) {
        shown_without_control_characters(&[first.concat(), second.concat()]);
    }

    #[test]
    fn any_condition_and_key_is_read_or_refused(condition in "[a-z_ ()*|1]{0,40}", key in ".{0,30}", value in ".{0,30}") {
        let detection = serde_json::json!({"s": {key: value}, "a": {"b": "c"}, "condition": condition});
        let text = format!("title: t\nsigma-version: 3\nlogsource: {{product: kubernetes, service: audit}}\ndetection: {detection}\n");
        shown_without_control_characters(&[text]);
    }
}

fn shown_without_control_characters(texts: &[String]) {
    let files: Vec<_> = texts
        .iter()
        .map(|text| ("file.yml".to_owned(), text.clone()))
        .collect();
    for file in &load(&files).files {
        let shown = render_text(&file.diagnostics, false);
        assert!(
            !shown.chars().any(|c| c.is_control() && c != '\n'),
            "{shown:?}"
        );
    }
}
