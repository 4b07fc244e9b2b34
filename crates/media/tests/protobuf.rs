//! Protobuf bodies against the JSON that Go writes of them.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::path::{Path, PathBuf};
use std::{env, fs};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kubevigil_media::{Format, Unreadable, to_json};

const LIMIT: usize = 64 << 20;

/// The files of pairs that `schema/pairs.go` wrote: a body in base64, a blank, and its JSON in each line. Another folder of such files can
/// be given in `KUBEVIGIL_PROTOBUF_PAIRS`.
fn files() -> Vec<PathBuf> {
    let folder = env::var("KUBEVIGIL_PROTOBUF_PAIRS").map_or_else(
        |_| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/protobuf"),
        PathBuf::from,
    );
    let files = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files.collect()
}

fn pairs() -> impl Iterator<Item = (Vec<u8>, String)> {
    let texts = files()
        .into_iter()
        .map(|file| fs::read_to_string(file).unwrap());
    let lines: Vec<String> = texts
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    lines.into_iter().map(|line| {
        let (body, json) = line.split_once(' ').unwrap();
        (STANDARD.decode(body).unwrap(), json.to_owned())
    })
}

fn json(body: &[u8]) -> Result<String, Unreadable> {
    let json = to_json(Format::Protobuf, body, LIMIT)?;
    Ok(String::from_utf8(json.into_owned()).unwrap())
}

#[test]
fn objects_of_all_kinds_are_written_as_go_writes_them() {
    let (mut wrong, mut all) = (Vec::new(), 0);
    for (body, expected) in pairs() {
        all += 1;
        let written = json(&body).unwrap_or_else(|reason| reason.to_string());
        if written != expected {
            wrong.push(difference(&expected, &written));
        }
    }
    assert!(all > 600, "{all} pairs");
    let first: Vec<_> = wrong.iter().take(5).cloned().collect();
    assert!(
        wrong.is_empty(),
        "{} of {all} differ:\n{}",
        wrong.len(),
        first.join("\n")
    );
}

/// Both from a little before where they part.
fn difference(expected: &str, written: &str) -> String {
    let pairs = expected.bytes().zip(written.bytes());
    let at = pairs.take_while(|(one, other)| one == other).count();
    let around = |text: &str| {
        let bytes = text.as_bytes();
        let end = bytes.len().min(at + 100);
        String::from_utf8_lossy(&bytes[at.saturating_sub(60).min(end)..end]).into_owned()
    };
    let kind: String = expected.chars().take(70).collect();
    format!(
        "{kind}\n  Go:   …{}\n  here: …{}",
        around(expected),
        around(written)
    )
}
