//! Terminal sessions that are written down in `sessions/*/*.session`, replayed.
//!
//! In a session, a line that begins with `$ ` is typed into a shell in a fresh copy of the folder's files; below it stands what the
//! program prints: `| ` before each line of its standard output, `! ` before each line of its standard error, and `? ` before its exit
//! code when that is not 0. Every other line is prose. Escapes are shown as `␛`, elapsed times as `…`, the version as `VERSION`.
//!
//! `UPDATE_SESSIONS=1 cargo test -p kubevigil --test cli` writes what was printed into the files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use regex::Regex;

use crate::kubevigil::finish;

const SESSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/cli/sessions");

#[test]
fn sessions_look_as_they_are_written_down() {
    let update = std::env::var_os("UPDATE_SESSIONS").is_some();
    let sessions = sessions();
    assert!(sessions.len() > 5, "only {} sessions", sessions.len());
    let mut different = Vec::new();
    for path in &sessions {
        let written = fs::read_to_string(path).unwrap();
        let replayed = replay(path, &written);
        if written == replayed {
            continue;
        }
        if update {
            fs::write(path, &replayed).unwrap();
        } else {
            different.push(format!(
                "{}\n{}",
                path.display(),
                difference(&written, &replayed)
            ));
        }
    }
    let count = different.len();
    assert!(
        count == 0,
        "{count} sessions went differently:\n{}",
        different.join("\n")
    );
}

fn sessions() -> Vec<PathBuf> {
    let folders = fs::read_dir(SESSIONS)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files = folders.flat_map(|folder| {
        fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
    });
    let mut sessions: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|ending| ending == "session"))
        .collect();
    sessions.sort();
    sessions
}

/// The session with what the program prints now.
fn replay(path: &Path, written: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    copy(path.parent().unwrap(), folder.path());
    let mut replayed = String::new();
    for line in written.lines() {
        if is_printed(line) {
            continue;
        }
        replayed.push_str(line);
        replayed.push('\n');
        if let Some(command) = line.strip_prefix("$ ") {
            replayed.push_str(&printed(command, folder.path()));
        }
    }
    replayed
}

fn is_printed(line: &str) -> bool {
    let mut letters = line.chars();
    matches!(
        (letters.next(), letters.next()),
        (Some('|' | '!' | '?'), None | Some(' '))
    )
}

fn printed(command: &str, folder: &Path) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_kubevigil")).parent().unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(folder).env_clear();
    shell.env(
        "PATH",
        format!("{}:/usr/local/bin:/usr/bin:/bin", binary.display()),
    );
    let outcome = finish(shell, b"");
    let mut text = String::new();
    for (mark, stream) in [('|', &outcome.stdout), ('!', &outcome.stderr)] {
        for line in steady(stream).lines() {
            text.push_str(format!("{mark} {line}").trim_end());
            text.push('\n');
        }
    }
    if outcome.code != 0 {
        text.push_str(&format!("? {}\n", outcome.code));
    }
    text
}

/// The text without what differs from run to run.
fn steady(text: &str) -> String {
    static ELAPSED: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"read in [0-9.]+ m?s").unwrap());
    static TESTED: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r#"((?:PASS|FAIL) ) *[0-9.]+ m?s|( folders?, )[0-9.]+ m?s|("milliseconds":)[0-9]+"#,
        )
        .unwrap()
    });
    let text = ELAPSED.replace_all(text, "read in …");
    let text = TESTED.replace_all(&text, "$1$2$3…");
    let version = concat!("kubevigil ", env!("CARGO_PKG_VERSION"));
    text.replace(version, "kubevigil VERSION")
        .replace('\u{1b}', "␛")
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The first lines that differ.
fn difference(written: &str, replayed: &str) -> String {
    let (mut expected, mut got) = (written.lines(), replayed.lines());
    loop {
        match (expected.next(), got.next()) {
            (one, other) if one == other => {}
            (one, other) => {
                let rest: Vec<&str> = other.into_iter().chain(got).take(20).collect();
                return format!(
                    "expected: {}\ngot: {}",
                    one.unwrap_or("the end"),
                    rest.join("\n     ")
                );
            }
        }
    }
}
