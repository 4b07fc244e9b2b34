//! The log against a model: after any mixture of events, crashes, power cuts, and files that others move, it has every event
//! that was kept, once and in order.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use kubevigil_journal::{Journal, Options};
use kubevigil_record::backend::Backend;
use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::{event, log_options, logged, open_log, wait_until_delivered};

#[derive(Clone, Debug)]
enum Deed {
    /// Events of these sizes.
    Keep(Vec<usize>),
    /// Time to deliver, in milliseconds.
    Wait(u64),
    /// An end in order, and a new start.
    Restart,
    /// An end at any moment, and a new start.
    Crash,
    /// The same with a disk that forgets a part of what was not synced, or has zeros in its place.
    PowerCut { kept: f64, zeros: bool },
    /// Somebody else puts the file aside.
    Move,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let sizes = prop_oneof![4 => 0_usize..2_000, 2 => 50_000_usize..300_000];
    let deed = prop_oneof![
        6 => prop::collection::vec(sizes, 1..12).prop_map(Deed::Keep),
        4 => (0_u64..60).prop_map(Deed::Wait),
        1 => Just(Deed::Restart),
        3 => Just(Deed::Crash),
        3 => (0.0..=1.0, any::<bool>()).prop_map(|(kept, zeros)| Deed::PowerCut { kept, zeros }),
        1 => Just(Deed::Move),
    ];
    prop::collection::vec(deed, 1..16)
}

/// A process: its threads end with it.
struct World {
    folder: tempfile::TempDir,
    running: Option<(Runtime, Backend)>,
    kept: usize,
    moved: usize,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            folder: tempfile::tempdir().unwrap(),
            running: None,
            kept: 0,
            moved: 0,
        };
        world.start();
        world
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn start(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let backend = {
            let _inside = runtime.enter();
            open_log(self.path())
        };
        self.running = Some((runtime, backend));
    }

    fn crash(&mut self) {
        // The tasks first: what they were about to do is not done.
        let (runtime, backend) = self.running.take().unwrap();
        drop(runtime);
        drop(backend);
    }

    fn stop(&mut self) {
        let (runtime, backend) = self.running.take().unwrap();
        runtime.block_on(backend.sink.shutdown());
    }

    fn keep(&mut self, sizes: Vec<usize>) {
        let (runtime, backend) = self.running.as_ref().unwrap();
        for size in sizes {
            let id = format!("{:05}", self.kept);
            let events = [event(&id, size)];
            runtime.block_on(backend.sink.emit(&events)).unwrap();
            self.kept += 1;
        }
    }

    /// How much of the current file was synced, as the journal knows it.
    fn synced(&self, inode: u64) -> u64 {
        let (journal, _) =
            Journal::open(self.path().join("state/events"), Options::default()).unwrap();
        let mark = journal.blob("mark").unwrap().unwrap_or_default();
        let mark = String::from_utf8(mark).unwrap();
        match mark.split_once(' ') {
            Some((of, offset)) if of == inode.to_string() => offset.parse().unwrap(),
            _ => 0,
        }
    }

    fn lose(&self, kept: f64, zeros: bool) {
        let path = log_options(self.path()).path;
        let Ok(metadata) = fs::metadata(&path) else {
            return;
        };
        let synced = self.synced(metadata.ino()).min(metadata.len());
        let unsynced = (metadata.len() - synced) as f64;
        let file = OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(synced + (unsynced * kept) as u64).unwrap();
        if zeros {
            file.set_len(metadata.len()).unwrap();
        }
    }

    fn apply(&mut self, deed: Deed) {
        match deed {
            Deed::Keep(sizes) => self.keep(sizes),
            Deed::Wait(milliseconds) => std::thread::sleep(Duration::from_millis(milliseconds)),
            Deed::Restart => {
                self.stop();
                self.start();
            }
            Deed::Crash => {
                self.crash();
                self.start();
            }
            Deed::PowerCut { kept, zeros } => {
                self.crash();
                self.lose(kept, zeros);
                self.start();
            }
            Deed::Move => {
                // What a crash finds moved away in the second before it cannot be told from what is lost.
                let (runtime, backend) = self.running.as_ref().unwrap();
                runtime.block_on(wait_until_delivered(backend));
                let path = log_options(self.path()).path;
                let aside = self.path().join(format!("log/moved-{}", self.moved));
                self.moved += 1;
                let _ = fs::rename(path, aside);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_log_has_what_was_kept_once_and_in_order(deeds in deeds()) {
        let mut world = World::new();
        let zeros = deeds.iter().any(|deed| matches!(deed, Deed::PowerCut { zeros: true, .. }));
        for deed in deeds {
            world.apply(deed);
        }
        world.stop();
        let mut files: Vec<Vec<String>> = logged(world.path(), zeros).into_values().collect();
        files.sort();
        let found: Vec<String> = files.into_iter().flatten().collect();
        let expected: Vec<String> = (0..world.kept).map(|number| format!("{number:05}")).collect();
        prop_assert_eq!(found, expected);
    }
}
