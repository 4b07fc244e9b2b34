//! docs/fields.md and the catalogue of derived fields.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;
use std::fs;

use kubevigil_rules::Kind;
use kubevigil_rules::derived::{COMPONENTS, ROOTS, STRONG_ROLES, catalogue, themes};
use kubevigil_rules::falco::fields::{Entry, Level, Path};
use kubevigil_rules::{falco, sigma};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/fields.md");
const MARK: &str = "--test derived_documentation -->\n";

/// `UPDATE_DOCS=1 cargo test -p kubevigil-rules --test derived_documentation` writes the tables anew.
#[test]
fn the_tables_are_the_catalogue() {
    let page = fs::read_to_string(PAGE).unwrap();
    let (before, _) = page.split_once(MARK).unwrap();
    let whole = format!("{before}{MARK}{}", tables());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(PAGE, &whole).unwrap();
    } else {
        assert!(
            page == whole,
            "docs/fields.md is stale; run the tests with UPDATE_DOCS=1"
        );
    }
}

#[test]
fn the_examples_load_without_a_warning() {
    let page = fs::read_to_string(PAGE).unwrap();
    let blocks: Vec<&str> = page.split("```yaml\n").skip(1).collect();
    let [sigma, falco] = blocks.as_slice() else {
        panic!("{} examples", blocks.len());
    };
    let example = |block: &str| block.split("```").next().unwrap().to_owned();
    let mut loader = sigma::Loader::new(sigma::Options::default());
    loader.load_file("example.yml", &example(sigma));
    let loaded = loader.finish();
    assert!(
        loaded.files.iter().all(|file| file.diagnostics.is_empty()),
        "{:?}",
        loaded.files
    );
    let mut loader = falco::Loader::new(falco::Options::default());
    loader.load_file("example.yaml", &example(falco));
    let loaded = loader.finish();
    assert!(
        loaded.files.iter().all(|file| file.diagnostics.is_empty()),
        "{:?}",
        loaded.files
    );
}

#[test]
fn a_documentation_names_only_fields_that_there_are() {
    for entry in catalogue() {
        let text = format!("{} {}", entry.doc, entry.note.unwrap_or_default());
        let words = text.split(|character: char| !character.is_alphanumeric() && character != '.');
        for word in words.filter(|word| word.starts_with("kv.")) {
            let name = word.trim_end_matches('.');
            assert!(
                catalogue().iter().any(|entry| entry.name == name),
                "{}: {name}",
                entry.name
            );
        }
    }
}

fn tables() -> String {
    let mut text = String::new();
    for (theme, entries) in themes() {
        write!(
            text,
            "\n### {theme}\n\n| field | type | level | meaning |\n|---|---|---|---|\n"
        )
        .unwrap();
        for entry in entries {
            let note = entry
                .note
                .map(|note| format!(" *{note}*"))
                .unwrap_or_default();
            writeln!(
                text,
                "| `{}` | {} | {} | {}{note} Reads {}. |",
                entry.name,
                type_of(entry.kind),
                level(entry),
                entry.doc,
                paths(entry),
            )
            .unwrap();
        }
    }
    text.push_str("\n### Beginnings of names\n\n| name | meaning |\n|---|---|\n");
    for root in ROOTS {
        let places: Vec<String> = root.paths().map(|path| format!("`{path}`")).collect();
        writeln!(
            text,
            "| `{}PATH` | {} Places: {}. |",
            root.name,
            root.doc,
            places.join(", ")
        )
        .unwrap();
    }
    for (title, names) in [
        ("Names of components", COMPONENTS),
        ("Strong roles", STRONG_ROLES),
    ] {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        write!(text, "\n### {title}\n\n{}.\n", names.join(", ")).unwrap();
    }
    text
}

fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "truth value",
        Kind::Integer => "number",
        Kind::Text => "text",
        Kind::TextList => "list of texts",
        Kind::Time => "time",
    }
}

fn level(entry: &Entry) -> String {
    let least = match entry.level() {
        Level::Metadata => "Metadata",
        Level::Request => "Request",
        Level::RequestResponse => "RequestResponse",
    };
    let adds = |body: &str| entry.also.iter().any(|path| path.first() == Some(&body));
    match (adds("responseObject"), adds("requestObject")) {
        (true, _) => format!("{least}; RequestResponse adds to it"),
        (false, true) => format!("{least}; Request adds to it"),
        (false, false) => least.to_owned(),
    }
}

/// The paths; of the fields about pods, which have one for each place of a pod, only what they are about.
fn paths(entry: &Entry) -> String {
    const MANY: usize = 6;
    let path = |path: &Path| format!("`{}`", path.join("."));
    let all: Vec<String> = entry.paths.iter().chain(entry.also).map(path).collect();
    if all.len() > MANY {
        return "the places of `kv.podSpec.`".to_owned();
    }
    all.join(", ")
}
