//! Following real files, written and rotated as kube-apiserver does.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests may fail loudly"
)]

mod intake;

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flate2::write::GzEncoder;
use intake::Collector;
use kubevigil_sources::Origin;
use kubevigil_sources::counters::SourceCounters;
use kubevigil_sources::file::follow::{Follow, FollowSettings, From};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A folder with logs, and a follower over it.
struct Place {
    folder: TempDir,
    settings: FollowSettings,
    collector: Arc<Collector>,
}

struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
    counters: Arc<SourceCounters>,
}

impl Place {
    fn new(paths: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("log")).unwrap();
        let whole = |path: &&str| folder.path().join("log").join(path).display().to_string();
        let settings = FollowSettings {
            paths: paths.iter().map(whole).collect(),
            poll: Duration::from_millis(5),
            checkpoint_every: Duration::from_millis(20),
            rotated_wait: Duration::from_millis(200),
            ..FollowSettings::default()
        };
        Self {
            folder,
            settings,
            collector: Arc::default(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("log").join(name)
    }

    fn follow(&self) -> Running {
        let state = self.folder.path().join("files.json");
        let follow = Follow::new(self.settings.clone(), state).unwrap();
        let counters = follow.counters();
        let stop = CancellationToken::new();
        let run = follow.run(self.collector.clone(), stop.clone());
        let task = tokio::spawn(async { run.await.unwrap() });
        Running {
            stop,
            task,
            counters,
        }
    }

    fn ids(&self) -> Vec<String> {
        self.collector
            .lines()
            .into_iter()
            .map(|(_, id)| id)
            .collect()
    }

    async fn expect(&self, ids: &[&str]) {
        self.collector.wait_for(ids.len()).await;
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert_eq!(self.ids(), ids);
    }
}

impl Running {
    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

fn event(id: &str) -> String {
    format!("{{\"auditID\":\"{id}\",\"stage\":\"Panic\"}}\n")
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[tokio::test]
async fn a_line_arrives_when_it_is_whole() {
    let place = Place::new(&["audit.log"]);
    let running = place.follow();
    append(&place.path("audit.log"), "{\"auditID\":\"a\",");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(place.ids().is_empty());
    append(&place.path("audit.log"), "\"stage\":\"Panic\"}\nrubbish\n");
    place.expect(&["a"]).await;
    let origin = Origin::File(place.path("audit.log").display().to_string().into());
    assert_eq!(place.collector.batches()[0].origin, origin);
    assert_eq!(running.counters.problems.get(), 1);
    running.stop().await;
}

#[tokio::test]
async fn a_restart_goes_on_at_the_exact_line() {
    let place = Place::new(&["audit.log"]);
    append(&place.path("audit.log"), &(event("a") + &event("b")));
    let running = place.follow();
    place.expect(&["a", "b"]).await;
    running.stop().await;
    append(&place.path("audit.log"), &event("c"));
    let running = place.follow();
    place.expect(&["a", "b", "c"]).await;
    assert_eq!(place.collector.lines()[2].0, 3);
    running.stop().await;
}

#[tokio::test]
async fn a_refused_batch_is_held_and_nothing_is_skipped() {
    let mut place = Place::new(&["audit.log"]);
    place.collector = Arc::new(Collector::refusing(2));
    append(&place.path("audit.log"), &(event("a") + &event("b")));
    let running = place.follow();
    place.expect(&["a", "b"]).await;
    assert_eq!(running.counters.refused.get(), 2);
    running.stop().await;
}

#[tokio::test]
async fn a_pattern_finds_files_that_come_later_and_reads_them_from_their_start() {
    let mut place = Place::new(&["*.log"]);
    place.settings.from = From::End;
    append(&place.path("a.log"), &(event("old") + "{\"half\":"));
    let running = place.follow();
    tokio::time::sleep(Duration::from_millis(50)).await;
    append(&place.path("b.log"), &event("b"));
    place.expect(&["b"]).await;
    append(&place.path("a.log"), "1}\n");
    append(&place.path("a.log"), &event("a"));
    place.expect(&["b", "a"]).await;
    running.stop().await;
}

#[tokio::test]
async fn a_truncated_log_is_read_from_its_start() {
    let place = Place::new(&["audit.log"]);
    append(&place.path("audit.log"), &(event("a") + &event("b")));
    let running = place.follow();
    place.expect(&["a", "b"]).await;
    File::create(place.path("audit.log")).unwrap();
    append(&place.path("audit.log"), &event("c"));
    place.expect(&["a", "b", "c"]).await;
    assert_eq!(running.counters.truncations.get(), 1);
    running.stop().await;
}

#[tokio::test]
async fn what_is_written_to_a_deleted_log_is_read() {
    let place = Place::new(&["audit.log"]);
    let path = place.path("audit.log");
    let mut writer = File::create(&path).unwrap();
    writer.write_all(event("a").as_bytes()).unwrap();
    let running = place.follow();
    place.expect(&["a"]).await;
    fs::remove_file(&path).unwrap();
    tokio::time::sleep(Duration::from_millis(30)).await;
    writer.write_all(event("b").as_bytes()).unwrap();
    place.expect(&["a", "b"]).await;
    append(&path, &event("c"));
    place.expect(&["a", "b", "c"]).await;
    running.stop().await;
}

#[tokio::test]
async fn logrotate_with_numbers_and_a_pattern_over_them_repeats_nothing() {
    let place = Place::new(&["audit.log*"]);
    append(&place.path("audit.log.1"), &event("a"));
    append(&place.path("audit.log"), &event("b"));
    let running = place.follow();
    place.collector.wait_for(2).await;
    for id in ["c", "d", "e"] {
        for number in [2, 1] {
            let _first = fs::rename(
                place.path(&format!("audit.log.{number}")),
                place.path(&format!("audit.log.{}", number + 1)),
            );
        }
        fs::rename(place.path("audit.log"), place.path("audit.log.1")).unwrap();
        append(&place.path("audit.log"), &event(id));
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    running.stop().await;
    let running = place.follow();
    tokio::time::sleep(Duration::from_millis(100)).await;
    running.stop().await;
    let mut ids = place.ids();
    ids.sort();
    assert_eq!(ids, ["a", "b", "c", "d", "e"]);
}

#[tokio::test]
async fn backups_are_read_when_a_pattern_asks_for_them_and_not_otherwise() {
    let old = "audit-2026-07-23T18-32-12.123.log";
    for (pattern, expected) in [("audit.log", &["b"][..]), ("audit*", &["a", "b"])] {
        let place = Place::new(&[pattern]);
        append(&place.path(old), &event("a"));
        append(&place.path("audit.log"), &event("b"));
        let running = place.follow();
        place.expect(expected).await;
        running.stop().await;
    }
}

#[tokio::test]
async fn what_was_rotated_and_compressed_while_nobody_looked_is_read_on() {
    let place = Place::new(&["audit.log"]);
    append(&place.path("audit.log"), &(event("a") + &event("b")));
    let running = place.follow();
    place.expect(&["a", "b"]).await;
    running.stop().await;
    append(&place.path("audit.log"), &event("c"));
    compress(&place, "audit.log", "audit-2026-07-23T18-32-12.123.log.gz");
    append(&place.path("audit.log"), &event("d"));
    compress(&place, "audit.log", "audit-2026-07-23T18-32-12.124.log.gz");
    append(&place.path("audit.log"), &event("e"));
    let running = place.follow();
    place.expect(&["a", "b", "c", "d", "e"]).await;
    assert_eq!(place.collector.lines()[2].0, 3);
    running.stop().await;
}

fn compress(place: &Place, from: &str, to: &str) {
    let mut archive = GzEncoder::new(File::create(place.path(to)).unwrap(), Default::default());
    archive
        .write_all(&fs::read(place.path(from)).unwrap())
        .unwrap();
    archive.finish().unwrap();
    fs::remove_file(place.path(from)).unwrap();
}

/// Writes and rotates without pause while the follower is stopped and started.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_rotates_all_the_time_is_read_whole_through_restarts() {
    const EVENTS: usize = 20_000;
    let place = Place::new(&["audit.log"]);
    append(&place.path("audit.log"), "");
    place.follow().stop().await;
    let folder = place.folder.path().join("log");
    let writer = std::thread::spawn(move || write_and_rotate(&folder, EVENTS));
    while !writer.is_finished() {
        let running = place.follow();
        tokio::time::sleep(Duration::from_millis(150)).await;
        running.stop().await;
    }
    writer.join().unwrap();
    let running = place.follow();
    place.collector.wait_for(EVENTS).await;
    running.stop().await;
    let ids: Vec<usize> = place.ids().iter().map(|id| id.parse().unwrap()).collect();
    let mut seen = BTreeSet::new();
    let repeated: Vec<_> = ids.iter().filter(|id| !seen.insert(**id)).collect();
    let between = (repeated.first(), repeated.last());
    assert_eq!((seen.len(), repeated.len()), (EVENTS, 0), "{between:?}");
    assert!(ids.is_sorted());
}

/// As lumberjack does: rename, create, and compress the older backups.
fn write_and_rotate(folder: &Path, events: usize) {
    let log = folder.join("audit.log");
    let mut file = OpenOptions::new().append(true).open(&log).unwrap();
    let mut plain: Vec<PathBuf> = Vec::new();
    for number in 0..events {
        file.write_all(event(&number.to_string()).as_bytes())
            .unwrap();
        if number % 20 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        if number % 500 == 499 {
            let backup = folder.join(format!("audit-2026-07-23T18-32-12.{:03}.log", number / 500));
            fs::rename(&log, &backup).unwrap();
            file = File::create(&log).unwrap();
            plain.push(backup);
            if plain.len() > 2 {
                compress_beside(&plain.remove(0));
            }
        }
    }
}

fn compress_beside(plain: &Path) {
    let archive = plain.with_extension("log.gz");
    let mut archive = GzEncoder::new(File::create(archive).unwrap(), Default::default());
    for piece in fs::read(plain).unwrap().chunks(1000) {
        archive.write_all(piece).unwrap();
        archive.get_mut().flush().unwrap();
    }
    archive.finish().unwrap();
    fs::remove_file(plain).unwrap();
}
