//! What people read when a rule file has mistakes.
//!
//! Each folder of `cases/load` holds rule files, loaded in the order of their names, and `expected.txt`: the report of
//! each file. Run with `UPDATE_EXPECTED=1` to write the reports anew, and read the difference.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use kubevigil_diagnostics::render_text;
use kubevigil_rules::falco::{Loader, Options};
use proptest::prelude::*;

#[test]
fn mistakes_are_shown_as_expected() {
    let folders = entries(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/load"));
    assert!(
        folders.len() >= 25,
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
    let mut loader = Loader::new(Options::default());
    for file in entries(folder)
        .iter()
        .filter(|file| file.extension().is_some_and(|ending| ending == "yaml"))
    {
        let name = file.file_name().unwrap().to_string_lossy();
        loader.load_file(&name, &std::fs::read_to_string(file).unwrap());
    }
    let loaded = loader.finish();
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
    let names: Vec<String> = loaded
        .rules
        .iter()
        .map(|rule| format!("{:?}", rule.name))
        .collect();
    writeln!(
        out,
        "# rules: {}",
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    )
    .unwrap();
    out
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

/// Pieces that rule files are made of, so that random files get past the first line.
fn pieces() -> impl Strategy<Value = Vec<&'static str>> {
    let lines = vec![
        "- rule: a\n",
        "- rule: b\n",
        "- macro: m\n",
        "- macro: n\n",
        "- list: l\n",
        "- list: k\n",
        "  desc: d\n",
        "  condition: ka.verb=get\n",
        "  condition: m and ka.verb in (l)\n",
        "  condition: n or not m\n",
        "  condition: >\n    (ka.user.name = é and\n    (l\n",
        "  output: o %ka.user.name\n",
        "  output: \"%\"\n",
        "  priority: NOTICE\n",
        "  source: k8s_audit\n",
        "  source:\n",
        "  enabled: false\n",
        "  append: true\n",
        "  items: [a, k, \"\", 'x y', \"(\"]\n",
        "  items: [l, é]\n",
        "  items: []\n",
        "  tags: [t, [u]]\n",
        "  exceptions: [{name: e, fields: [ka.user.name], values: [[a], [l]]}]\n",
        "  exceptions: [{name: e, values: [\"(\", []]}]\n",
        "  exceptions: [{name: f, fields: ka.verb, comps: in, values: [l, 'x y']}]\n",
        "  override: {condition: append}\n",
        "  override: {exceptions: replace, tags: append}\n",
        "  override: {items: append}\n",
        "- required_engine_version: 0.1.0\n",
        "- required_plugin_versions: [{name: json, version: 0.1.0}]\n",
        "---\n",
        "\u{1b}",
        "é",
    ];
    proptest::collection::vec(prop::sample::select(lines), 0..25)
}

proptest! {
    #[test]
    fn loading_any_text_never_panics(text in any::<String>()) {
        load(&[&text]);
    }

    #[test]
    fn loading_any_pieces_of_rule_files_never_panics(first in pieces(), second in pieces()) {
        load(&[&first.concat(), &second.concat()]);
    }
}

fn load(files: &[&str]) {
    let mut loader = Loader::new(Options::default());
    for text in files {
        loader.load_file("file.yaml", text);
    }
    let loaded = loader.finish();
    for file in &loaded.files {
        let shown = render_text(&file.diagnostics, false);
        assert!(
            !shown.chars().any(|c| c.is_control() && c != '\n'),
            "{shown:?}"
        );
    }
    if loaded.files.iter().any(|file| !file.successful()) {
        println!("a file with errors");
    }
}
