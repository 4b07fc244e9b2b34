//! A process that is killed while it appends: what it was told is on disk is there afterwards.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use kubevigil_journal::{Journal, NewRecord, Options, ReaderStart, Record};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

const KILLS: u64 = 20;
const BATCH: u64 = 25;

fn options() -> Options {
    Options {
        segment_bytes: 200_000,
        ..Options::default()
    }
}

fn payload(writer: u64, number: u64) -> String {
    format!("{writer} {number} {}", "p".repeat((number % 700) as usize))
}

/// The child: two appenders and a reader, until it is killed. Prints what it knows to be done.
#[test]
fn append_until_killed() {
    let Some(dir) = std::env::var_os("JOURNAL_TO_FILL") else {
        return;
    };
    let start: u64 = std::env::var("FIRST_NUMBER").unwrap().parse().unwrap();
    let (journal, _) = Journal::open(Path::new(&dir), options()).unwrap();
    let reader = journal.clone();
    thread::spawn(move || read_and_commit(&reader));
    thread::scope(|scope| {
        for writer in 0..2 {
            let journal = &journal;
            scope.spawn(move || append(journal, writer, start));
        }
    });
}

fn append(journal: &Journal, writer: u64, start: u64) {
    for batch in 0.. {
        let first = start + batch * BATCH;
        let texts = (first..first + BATCH).map(|number| payload(writer, number));
        let ticket = journal
            .append(texts.map(NewRecord::unkeyed).collect())
            .unwrap();
        ticket.wait().unwrap();
        say(&format!("appended {writer} {first}"));
    }
}

fn read_and_commit(journal: &Journal) {
    let mut reader = journal.reader("r", ReaderStart::Oldest).unwrap();
    loop {
        let records = reader.read(200, 1 << 20, Duration::from_secs(5)).unwrap();
        if let Some(last) = records.last() {
            reader.commit(last.place).unwrap();
            say(&format!("committed 0 {}", last.place));
        }
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // A pipe whose reader is gone means that the parent has killed this process already.
    let _ = out
        .write_all(format!("\n{line}\n").as_bytes())
        .and_then(|()| out.flush());
}

#[test]
fn what_was_acknowledged_survives_twenty_kills() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    let mut torn = 0;
    for kill in 0..KILLS {
        let mut child = spawn(dir.path(), kill * 1_000_000);
        // Spread over a life from the first group to some hundred.
        let alive = Duration::from_millis((kill * 7919) % 331);
        let output = kill_after(&mut child, alive);
        let committed = note(&output, &mut acknowledged);
        let (journal, recovery) = Journal::open(dir.path(), options()).unwrap();
        torn += u64::from(recovery.cut_bytes > 0);
        assert_eq!(recovery.damaged, [], "after kill {kill}");
        check(&journal, &acknowledged, committed);
    }
    assert!(
        acknowledged.len() > 50,
        "only {} batches",
        acknowledged.len()
    );
    println!(
        "{} batches acknowledged, {torn} torn tails",
        acknowledged.len()
    );
}

fn spawn(dir: &Path, first: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "append_until_killed", "--nocapture"])
        .env("JOURNAL_TO_FILL", dir)
        .env("FIRST_NUMBER", first.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Lets the child live for a while after its first word, kills it, and gives all it said.
fn kill_after(child: &mut Child, alive: Duration) -> Vec<String> {
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let first = lines.find(|line| line.starts_with("appended")).unwrap();
    let listening = thread::spawn(move || lines.collect::<Vec<_>>());
    thread::sleep(alive);
    child.kill().unwrap();
    child.wait().unwrap();
    let mut output = listening.join().unwrap();
    // Half a line is no word.
    output.pop();
    output.insert(0, first);
    output
}

/// Adds what the child was told; gives the last place that it committed.
fn note(output: &[String], acknowledged: &mut Vec<(u64, u64)>) -> Option<u64> {
    let mut committed = None;
    for line in output {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |index: usize| words[index].parse::<u64>().unwrap();
        match words[0] {
            "appended" => acknowledged.push((number(1), number(2))),
            "committed" => committed = Some(number(2)),
            _ => {}
        }
    }
    committed
}

fn check(journal: &Journal, acknowledged: &[(u64, u64)], committed: Option<u64>) {
    let mut reader = journal.reader("r", ReaderStart::Oldest).unwrap();
    if let Some(committed) = committed {
        assert!(
            reader.position().number() > committed,
            "a committed place survives"
        );
    }
    reader.seek(kubevigil_journal::Place::new(0));
    let mut found: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    let mut expected_place = 0;
    loop {
        let records = reader.read(1000, 1 << 20, Duration::ZERO).unwrap();
        if records.is_empty() {
            break;
        }
        for record in records {
            assert_eq!(record.place.number(), expected_place);
            expected_place += 1;
            *found.entry(identify(&record)).or_default() += 1;
        }
    }
    assert!(
        found.values().all(|times| *times == 1),
        "nothing is there twice"
    );
    for (writer, first) in acknowledged {
        for number in *first..first + BATCH {
            assert!(
                found.contains_key(&(*writer, number)),
                "{writer} {number} is lost"
            );
        }
    }
}

fn identify(record: &Record) -> (u64, u64) {
    let text = std::str::from_utf8(&record.payload).unwrap();
    let mut words = text.split(' ').map(|word| word.parse::<u64>());
    let (writer, number) = (
        words.next().unwrap().unwrap(),
        words.next().unwrap().unwrap(),
    );
    assert_eq!(text, payload(writer, number));
    (writer, number)
}
