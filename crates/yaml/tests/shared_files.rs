//! Rule files from the field are read, when the material is beside the checkout.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use kubevigil_yaml::{Node, parse};

#[test]
fn rule_files_from_the_field_are_read_and_every_scalar_is_found_in_its_file() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    if !folder.exists() {
        eprintln!("skipped: {} is not there", folder.display());
        return;
    }
    let files = yaml_files(folder);
    assert!(files.len() >= 10, "only {} files", files.len());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let documents = parse(&text).unwrap_or_else(|error| unreadable(&file, &error));
        documents
            .iter()
            .for_each(|document| check(&document.root, &text));
    }
}

/// Every letter and digit of every scalar is where the tree says it is.
fn check(node: &Node, text: &str) {
    let scalar = node.text().unwrap_or_default();
    for (at, character) in scalar
        .char_indices()
        .filter(|(_, character)| character.is_alphanumeric())
    {
        let place = node.source_offset(text, at);
        assert!(
            text.get(place..).unwrap().starts_with([character, '\\']),
            "{character:?} at {at} of {scalar:?}"
        );
    }
    node.items()
        .unwrap_or_default()
        .iter()
        .for_each(|item| check(item, text));
    node.pairs()
        .unwrap_or_default()
        .iter()
        .flat_map(|(key, value)| [key, value])
        .for_each(|part| check(part, text));
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let paths = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = paths.partition(|path| path.is_dir());
    let is_yaml = |path: &PathBuf| {
        path.extension()
            .is_some_and(|ending| ending == "yaml" || ending == "yml")
    };
    let below = folders.iter().flat_map(|folder| yaml_files(folder));
    below.chain(files.into_iter().filter(is_yaml)).collect()
}

#[expect(clippy::panic, reason = "tests")]
fn unreadable(file: &Path, error: &kubevigil_yaml::SyntaxError) -> ! {
    panic!("{}: {error} at byte {}", file.display(), error.offset)
}
