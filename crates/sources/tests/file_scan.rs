//! What is found in files that are read once, whole and broken.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests may fail loudly"
)]

use std::io::{Cursor, Write};
use std::path::PathBuf;

use kubevigil_sources::file::lines::DEFAULT_LINE_LIMIT;
use kubevigil_sources::file::open::{Input, resolve};
use kubevigil_sources::file::scan::{Events, Found, events};
use proptest::prelude::*;

fn event(id: &str) -> String {
    format!("{{\"kind\":\"Event\",\"auditID\":\"{id}\",\"objectRef\":{{\"namespace\":\"a\"}}}}")
}

fn pretty(id: &str) -> String {
    event(id)
        .replace("{\"", "{\n  \"")
        .replace(",\"", ",\n  \"")
        .replace("}}", "}\n}")
}

fn scan(text: &[u8], limit: usize) -> Vec<Found> {
    Events::new("f".into(), Box::new(Cursor::new(text.to_vec())), limit).collect()
}

/// `2:b` is event b at line 2, `!3` a problem at line 3.
fn found(text: &str) -> String {
    let all = scan(text.as_bytes(), 4096);
    all.iter().map(show).collect::<Vec<_>>().join(" ")
}

fn show(found: &Found) -> String {
    match found {
        Found::Event(arrival) => {
            let event: serde_json::Value = serde_json::from_slice(&arrival.raw).unwrap();
            format!("{}:{}", arrival.line, event["auditID"].as_str().unwrap())
        }
        Found::Problem(problem) => format!("!{}", problem.line),
    }
}

#[test]
fn one_event_a_line_is_the_rule() {
    let text = format!("{}\r\n\n{}\n{}", event("a"), event("b"), event("c"));
    assert_eq!(found(&text), "1:a 3:b 4:c");
    assert_eq!(found(""), "");
    assert_eq!(found("\n \n"), "");
}

#[test]
fn events_that_were_pasted_from_documentation_are_read() {
    let (a, b) = (event("a"), event("b"));
    let (pa, pb) = (pretty("a"), pretty("b"));
    let height = pa.lines().count();
    let lists = [
        (format!("{a}{b}"), "1:a 1:b".to_owned()),
        (format!("{a} , {b}\n"), "1:a 1:b".to_owned()),
        (format!("[{a},{b}]"), "1:a 1:b".to_owned()),
        (format!("[\n{a},\n{b}\n]\n"), "2:a 3:b".to_owned()),
        (format!("{pa}\n{pb}\n"), format!("1:a {}:b", height + 1)),
        (format!("{pa}{pb}\n"), format!("1:a {height}:b")),
        (format!("[\n{pa},\n{pb}]"), format!("2:a {}:b", height + 2)),
        (format!("{pa}\n{b}\n"), format!("1:a {}:b", height + 1)),
        (
            format!("[{a},\n{pb}]\n{a}"),
            format!("1:a 2:b {}:a", height + 2),
        ),
    ];
    for (text, expected) in lists {
        assert_eq!(found(&text), expected, "{text}");
    }
}

#[test]
fn an_array_may_be_larger_than_the_limit_on_a_line() {
    let mut text = "[\n".to_owned();
    for _ in 0..1000 {
        text += &format!("{},\n", pretty("a"));
    }
    text += &format!("{}\n]\n", event("z"));
    let all = scan(text.as_bytes(), 4096);
    assert_eq!(all.len(), 1001);
    assert!(show(all.last().unwrap()).ends_with(":z"));
}

#[test]
fn the_events_of_a_list_over_many_lines_know_their_lines() {
    let list = format!(
        "{{\"kind\":\"EventList\",\"apiVersion\":\"audit.k8s.io/v1\",\"items\":[\n{},\n\n{}\n]}}\n{}",
        event("a"),
        event("b"),
        event("c")
    );
    assert_eq!(found(&list), "2:a 4:b 6:c");
}

#[test]
fn a_broken_line_is_one_problem_and_its_neighbours_are_read() {
    let (a, b, c) = (event("a"), event("b"), event("c"));
    for cut in 1..a.len() {
        let torn = &a[..cut];
        let text = format!("{b}\n{torn}\n{b}\n{c}\n");
        assert_eq!(found(&text), "1:b !2 3:b 4:c", "{torn}");
    }
    assert_eq!(found(&format!("plain text\n{a}\n")), "!1 2:a");
    assert_eq!(
        found(&format!("{a}\nnull\n\"a\"\n1\n{b}\n")),
        "1:a !2 !3 !4 5:b"
    );
}

#[test]
fn a_broken_pretty_value_is_one_problem() {
    let broken = pretty("a").replace(':', "=");
    let text = format!("{broken}\n{}\n{}\n", pretty("b"), event("c"));
    let height = broken.lines().count();
    assert_eq!(
        found(&text),
        format!("!1 {}:b {}:c", height + 1, 2 * height + 1)
    );
}

#[test]
fn a_hole_of_nul_bytes_in_a_line_parts_two_lines() {
    let text = format!("{}\0\0\0{}\n{}\n", &event("a")[..9], event("b"), event("c"));
    assert_eq!(found(&text), "!1 1:b 2:c");
}

#[test]
fn a_value_beyond_the_limit_is_one_problem() {
    let long = format!("{{\n{}", "  \"a\": 1,\n".repeat(1000));
    assert_eq!(found(&format!("{long}\n{}\n", event("b"))), "!1 1003:b");
    let line = format!("{{\"a\":\"{}\"}}", "x".repeat(5000));
    let text = format!("{line}\n{}\n", event("b"));
    assert_eq!(found(&text), "!1 2:b");
    let problem = scan(text.as_bytes(), 4096)[0].clone();
    let Found::Problem(problem) = problem else {
        panic!("no problem")
    };
    assert_eq!(
        problem.to_string(),
        "f:1: a line of 5008 bytes, beyond the limit of 4096; raise the limit on lines to read it"
    );
}

fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

#[test]
fn a_damaged_archive_gives_what_is_before_the_damage() {
    let text: String = (0..2000).map(|n| event(&n.to_string()) + "\n").collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(text.as_bytes()).unwrap();
    let whole = gzip.finish().unwrap();
    let (_folder, path) = file("audit.log", &whole[..whole.len() - 9]);
    let found: Vec<_> = events(&Input::File(path), DEFAULT_LINE_LIMIT)
        .unwrap()
        .collect();
    let (last, before) = found.split_last().unwrap();
    assert!(before.len() > 1000);
    let Found::Problem(problem) = last else {
        panic!("no problem")
    };
    let text = problem.reason.to_string();
    assert!(
        text.starts_with("the rest of the file cannot be read"),
        "{text}"
    );
}

#[test]
fn the_recorded_logs_are_read_without_a_problem() {
    let shared = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/recorded");
    let Ok(inputs) = resolve(&[format!("{shared}/everything/*.jsonl")]) else {
        println!("skipped: the recorded logs are not here");
        return;
    };
    let mut count = 0;
    for input in &inputs {
        for found in events(input, DEFAULT_LINE_LIMIT).unwrap() {
            assert!(matches!(found, Found::Event(_)), "{found:?}");
            count += 1;
        }
    }
    assert!(count > 0);
}

proptest! {
    /// Whatever the bytes: it ends, and every event has the shape of an object.
    #[test]
    fn any_bytes_are_read_to_their_end(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "{", "}", "[", "]", ",", ":", "\"a\"", "\n", " ", "1", "\0", "\"", "\\",
                "{\"kind\":\"Event\",\"auditID\":\"a\"}", "{\"items\":[", "é",
            ]),
            0..60,
        ),
    ) {
        for found in scan(pieces.concat().as_bytes(), 64) {
            if let Found::Event(arrival) = found {
                prop_assert!(arrival.line >= 1);
                let object = arrival.raw.starts_with(b"{") && arrival.raw.ends_with(b"}");
                prop_assert!(object);
            }
        }
    }
}
