//! The follower over a model of a file system: writers, rotations, compressions, truncations, restarts and crashes in any order.
//!
//! What must hold, whatever the order: every whole line is delivered, first deliveries are in the order of writing, and a line comes
//! twice only when a crash lost the news that it was delivered.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests may fail loudly"
)]

mod model;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kubevigil_sources::counters::SourceCounters;
use kubevigil_sources::file::Limits;
use kubevigil_sources::file::checkpoint::Checkpoint;
use kubevigil_sources::file::follow::{FollowSettings, Follower, Step};
use model::{Disk, Writer};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Action {
    Write(usize),
    WriteHalf,
    RotateAway,
    Create,
    CompressSome,
    CompressRest,
    DeleteOldest,
    Truncate { hole: bool, lines: usize },
    Follow { steps: usize, milliseconds: u64 },
    Refuse,
    Keep,
    Restart,
    Crash,
}

fn action() -> impl Strategy<Value = Action> {
    use Action::*;
    prop_oneof![
        6 => (1..5usize).prop_map(Write),
        2 => Just(WriteHalf),
        3 => Just(RotateAway),
        4 => Just(Create),
        2 => Just(CompressSome),
        2 => Just(CompressRest),
        1 => Just(DeleteOldest),
        1 => (any::<bool>(), 0..6usize).prop_map(|(hole, lines)| Truncate { hole, lines }),
        6 => (1..6usize, 0..2000u64).prop_map(|(steps, milliseconds)| Follow { steps, milliseconds }),
        1 => Just(Refuse),
        3 => Just(Keep),
        1 => Just(Restart),
        1 => Just(Crash),
    ]
}

struct World {
    disk: Disk,
    writer: Writer,
    follower: Follower<Disk>,
    kept: Checkpoint,
    now: Duration,
    /// Numbers of the lines, in the order of delivery.
    delivered: Vec<u64>,
    since_kept: BTreeSet<u64>,
    may_repeat: BTreeSet<u64>,
}

fn follower(disk: &Disk, checkpoint: Checkpoint) -> Follower<Disk> {
    let settings = FollowSettings {
        paths: vec!["/log/audit.log".to_owned()],
        limits: Limits {
            batch_events: 3,
            ..Limits::default()
        },
        rotated_wait: Duration::from_secs(1),
        fingerprint_length: 24,
        ..FollowSettings::default()
    };
    let counters = Arc::new(SourceCounters::default());
    Follower::new(disk.clone(), settings, checkpoint, counters).unwrap()
}

impl World {
    fn new() -> Self {
        let disk = Disk::default();
        let writer = Writer::new(disk.clone());
        let mut world = Self {
            follower: follower(&disk, Checkpoint::default()),
            disk,
            writer,
            kept: Checkpoint::default(),
            now: Duration::ZERO,
            delivered: Vec::new(),
            since_kept: BTreeSet::new(),
            may_repeat: BTreeSet::new(),
        };
        // The log is seen once and that is kept: what happens before is not promised.
        world.follow(1, 300);
        world.keep();
        world
    }

    fn act(&mut self, action: &Action) {
        match *action {
            Action::Write(lines) => self.writer.write(lines),
            Action::WriteHalf => self.writer.write_half(),
            Action::RotateAway => self.writer.rotate_away(),
            Action::Create => self.writer.create(),
            Action::CompressSome => self.writer.compress_some(),
            Action::CompressRest => self.writer.compress_rest(),
            Action::DeleteOldest => self.writer.delete_oldest(&self.delivered),
            Action::Truncate { hole, lines } => self.truncate(hole, lines),
            Action::Follow {
                steps,
                milliseconds,
            } => self.follow(steps, milliseconds),
            Action::Refuse => drop(self.follower.step(self.now, 0)),
            Action::Keep => self.keep(),
            Action::Restart => {
                self.keep();
                self.follower = follower(&self.disk, self.kept.clone());
            }
            Action::Crash => {
                self.may_repeat.append(&mut self.since_kept);
                self.follower = follower(&self.disk, self.kept.clone());
            }
        }
    }

    /// Truncates the log when nothing is lost by it, and writes before the follower can look.
    fn truncate(&mut self, hole: bool, lines: usize) {
        self.settle();
        if self.writer.truncate(hole) {
            self.writer.write(lines);
        }
    }

    fn follow(&mut self, steps: usize, milliseconds: u64) {
        for _ in 0..steps {
            self.now += Duration::from_millis(milliseconds);
            let Step::Batch(batch) = self.follower.step(self.now, 0) else {
                continue;
            };
            for event in batch.events {
                let value: serde_json::Value = serde_json::from_slice(&event.raw).unwrap();
                let number = value["auditID"].as_str().unwrap().parse().unwrap();
                self.delivered.push(number);
                self.since_kept.insert(number);
            }
            self.follower.accepted();
        }
    }

    fn settle(&mut self) {
        let lines = self.writer.written().len();
        self.follow(lines + 40, 300);
    }

    fn keep(&mut self) {
        self.kept = self.follower.checkpoint();
        self.since_kept.clear();
    }

    fn check(&mut self) {
        self.writer.create();
        self.settle();
        let mut first = Vec::new();
        let mut seen = BTreeSet::new();
        for number in &self.delivered {
            if seen.insert(*number) {
                first.push(*number);
            } else {
                assert!(self.may_repeat.contains(number), "{number} came twice");
            }
        }
        assert_eq!(first, self.writer.written());
    }
}

/// At least 2,000 cases; more when the environment asks for them.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    config.cases = config.cases.max(2000);
    config
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_whole_line_is_delivered_in_order_and_once(
        actions in prop::collection::vec(action(), 0..60)
    ) {
        let mut world = World::new();
        for action in &actions {
            world.act(action);
        }
        world.check();
    }
}
