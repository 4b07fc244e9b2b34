//! A process that is killed while it takes events and delivers them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use kubevigil_record::backend::Backend;

use crate::receiver::{HANG_UP, Receiver, webhook};
use crate::{event, logged, open_log};

const KILLS: u64 = 12;
const REQUESTS_AT_ONCE: u64 = 8;
const CHILD: &str = "kill::keep_events_until_killed";

fn open(folder: &Path, receiver: &str) -> Backend {
    match receiver.parse() {
        Ok(address) => crate::webhook::open(folder, webhook(address), Duration::from_secs(30)),
        Err(_) => open_log(folder),
    }
}

/// The child: takes events until it is killed, and says which requests it would have answered.
#[test]
fn keep_events_until_killed() {
    let Some(folder) = std::env::var_os("FOLDER_OF_A_CHILD") else {
        return;
    };
    let life = std::env::var("LIFE").unwrap();
    let receiver = std::env::var("RECEIVER").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let backend = open(Path::new(&folder), &receiver);
        let requests = (0..REQUESTS_AT_ONCE).map(|request| {
            let (sink, life) = (backend.sink.clone(), life.clone());
            tokio::spawn(async move {
                for number in 0_usize.. {
                    let id = format!("{life}.{request}/{number}");
                    sink.emit(&[event(&id, 200 + number % 1_000)])
                        .await
                        .unwrap();
                    say(&format!("kept {id}"));
                }
            })
        });
        for request in requests.collect::<Vec<_>>() {
            request.await.unwrap();
        }
    });
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // A pipe whose reader is gone means that this process is killed already.
    let _ = out
        .write_all(format!("\n{line}\n").as_bytes())
        .and_then(|()| out.flush());
}

/// Lets a child live for a while after its first word, kills it, and gives the ids that it said it kept.
fn live(folder: &Path, receiver: &str, life: u64) -> Vec<String> {
    let mut child: Child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--nocapture"])
        .env("FOLDER_OF_A_CHILD", folder)
        .env("LIFE", life.to_string())
        .env("RECEIVER", receiver)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut lines = lines.map_while(Result::ok);
    let first = lines.find(|line| line.starts_with("kept")).unwrap();
    let listening = thread::spawn(move || lines.collect::<Vec<_>>());
    thread::sleep(Duration::from_millis((life * 7_919) % 401));
    child.kill().unwrap();
    child.wait().unwrap();
    let mut output = listening.join().unwrap();
    // Half a line is no word.
    output.pop();
    output.insert(0, first);
    let kept = |line: &String| line.strip_prefix("kept ").map(str::to_owned);
    output.iter().filter_map(kept).collect()
}

/// The numbers of each request's events in order of arrival.
fn by_request(ids: &[String]) -> BTreeMap<&str, Vec<usize>> {
    let mut requests = BTreeMap::<&str, Vec<usize>>::new();
    for id in ids {
        let (request, number) = id.split_once('/').unwrap();
        requests
            .entry(request)
            .or_default()
            .push(number.parse().unwrap());
    }
    requests
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_has_each_event_of_an_answered_request_exactly_once_whoever_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut kept = Vec::new();
    for life in 0..KILLS {
        kept.extend(live(folder.path(), "", life));
    }
    open_log(folder.path()).sink.shutdown().await;

    let files = logged(folder.path(), false);
    let ids: Vec<String> = files.values().flatten().cloned().collect();
    let found: BTreeSet<&String> = ids.iter().collect();
    assert_eq!(found.len(), ids.len(), "nothing is there twice");
    let lost: Vec<&String> = kept.iter().filter(|id| !found.contains(id)).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert!(kept.len() > 500, "only {} events", kept.len());
    for (request, numbers) in by_request(&ids) {
        assert!(
            numbers.is_sorted(),
            "{request} is out of order: {numbers:?}"
        );
    }
    println!("{} events in {} files", kept.len(), files.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_gets_each_event_of_an_answered_request_whoever_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start();
    let address = receiver.address.to_string();
    let mut kept = Vec::new();
    for life in 0..KILLS {
        receiver.answers([200, 500, HANG_UP][life as usize % 3]);
        kept.extend(live(folder.path(), &address, life));
    }
    receiver.answers(200);
    open(folder.path(), &address).sink.shutdown().await;

    let ids = receiver.ids(|status| status == 200);
    let found: BTreeSet<&String> = ids.iter().collect();
    let lost: Vec<&String> = kept.iter().filter(|id| !found.contains(id)).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert!(kept.len() > 500, "only {} events", kept.len());
    let repeated = ids.len() - found.len();
    assert!(
        repeated <= KILLS as usize * 10,
        "a kill repeats a batch at most, not {repeated} events"
    );
    for (request, numbers) in by_request(&ids) {
        let mut firsts = numbers.clone();
        let mut seen = BTreeSet::new();
        firsts.retain(|number| seen.insert(*number));
        assert!(firsts.is_sorted(), "{request} is out of order: {numbers:?}");
    }
    println!("{} events, {repeated} of them again", kept.len());
}
