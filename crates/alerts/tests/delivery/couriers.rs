//! Couriers: at least once, in order, whatever fails.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kubevigil_alerts::courier::{Courier, Ended, Orders};
use kubevigil_alerts::dead_letters::DeadLetters;
use kubevigil_alerts::metrics::OutputMetrics;
use kubevigil_alerts::outbox::AlertLog;
use kubevigil_alerts::output::{DeliveryError, FailureKind, Output};
use kubevigil_alerts::{Alert, AlertId};
use kubevigil_rules::Priority;
use proptest::prelude::*;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::alerts::{alert, urgent};
use crate::memory_log::MemoryLog;

/// What an output does with its next attempt.
#[derive(Clone, Debug)]
enum Behaviour {
    Takes,
    /// Takes this many, then fails.
    Fails(usize),
    /// Takes this many, then refuses one for good.
    Refuses(usize),
    /// Takes everything, and the answer is lost.
    Forgets,
    Hangs,
}

#[derive(Clone, Default)]
struct Plan {
    behaviours: Arc<Mutex<Vec<Behaviour>>>,
    received: Arc<Mutex<Vec<AlertId>>>,
    reopened: Arc<Mutex<usize>>,
    batch_size: usize,
}

impl Plan {
    fn of(behaviours: Vec<Behaviour>) -> Self {
        Self {
            behaviours: Arc::new(Mutex::new(behaviours)),
            batch_size: 4,
            ..Self::default()
        }
    }

    fn received(&self) -> Vec<AlertId> {
        self.received.lock().unwrap().clone()
    }

    fn take(&self, alerts: &[Alert]) {
        self.received
            .lock()
            .unwrap()
            .extend(alerts.iter().map(|alert| alert.id));
    }

    fn next(&self) -> Behaviour {
        let mut behaviours = self.behaviours.lock().unwrap();
        if behaviours.is_empty() {
            Behaviour::Takes
        } else {
            behaviours.remove(0)
        }
    }
}

#[async_trait]
impl Output for Plan {
    async fn deliver(&mut self, alerts: &[Alert]) -> Result<(), DeliveryError> {
        match self.next() {
            Behaviour::Takes => {
                self.take(alerts);
                Ok(())
            }
            Behaviour::Fails(taken) => {
                let taken = taken.min(alerts.len() - 1);
                self.take(&alerts[..taken]);
                Err(DeliveryError::temporary(1, "down").after(taken))
            }
            Behaviour::Refuses(taken) => {
                let taken = taken.min(alerts.len() - 1);
                self.take(&alerts[..taken]);
                Err(DeliveryError::permanent(1, "no such thing").after(taken))
            }
            Behaviour::Forgets => {
                self.take(alerts);
                Err(DeliveryError::temporary(alerts.len(), "no answer"))
            }
            Behaviour::Hangs => std::future::pending().await,
        }
    }

    fn reopen(&mut self) {
        *self.reopened.lock().unwrap() += 1;
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }
}

struct Bench {
    log: MemoryLog,
    plan: Plan,
    folder: TempDir,
    metrics: Arc<OutputMetrics>,
    orders: watch::Sender<Orders>,
}

impl Bench {
    fn new(log: MemoryLog, behaviours: Vec<Behaviour>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (orders, _) = watch::channel(Orders::default());
        Self {
            log,
            plan: Plan::of(behaviours),
            folder,
            metrics: Arc::default(),
            orders,
        }
    }

    fn courier(&self) -> Courier {
        Courier {
            name: "test".to_owned(),
            min_priority: Priority::Notice,
            tries: 3,
            output: Box::new(self.plan.clone()),
            alerts: self.log.reader("test").unwrap(),
            dead_letters: DeadLetters::new(self.folder.path().join("test.jsonl"), "test"),
            metrics: Arc::clone(&self.metrics),
        }
    }

    /// A courier that starts, delivers what it can within an hour of (paused) time, and ends.
    async fn drain(&self) -> Ended {
        let (orders, watched) = watch::channel(Orders::default());
        orders.send_modify(|orders| {
            orders.drain_until = Some(Instant::now() + Duration::from_secs(3_600))
        });
        self.courier().run(watched).await
    }

    fn dead_letters(&self) -> Vec<Value> {
        let text =
            std::fs::read_to_string(self.folder.path().join("test.jsonl")).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

fn ids(numbers: impl IntoIterator<Item = u64>) -> Vec<AlertId> {
    numbers.into_iter().map(|number| alert(number).id).collect()
}

#[tokio::test(start_paused = true)]
async fn alerts_arrive_in_order_and_are_committed() {
    let bench = Bench::new(MemoryLog::of((0..10).map(alert)), vec![]);
    assert_eq!(bench.drain().await, Ended::Drained);
    assert_eq!(bench.plan.received(), ids(0..10));
    assert_eq!(bench.log.done("test"), 10);
    assert_eq!(bench.metrics.counts().delivered, 10);
    assert_eq!(bench.metrics.counts().lag, 0);
}

#[tokio::test(start_paused = true)]
async fn alerts_below_the_minimum_priority_are_left_out_and_committed() {
    let log = MemoryLog::default();
    for (number, priority) in [
        (0, Priority::Debug),
        (1, Priority::Notice),
        (2, Priority::Informational),
    ] {
        log.append(&urgent(number, priority));
    }
    let bench = Bench::new(log, vec![]);
    bench.drain().await;
    assert_eq!(bench.plan.received(), ids([1]));
    assert_eq!(bench.log.done("test"), 3);
    assert_eq!(bench.metrics.counts().filtered, 2);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_retried_from_the_first_alert_that_did_not_arrive() {
    let bench = Bench::new(
        MemoryLog::of((0..4).map(alert)),
        vec![Behaviour::Fails(2), Behaviour::Fails(0)],
    );
    bench.drain().await;
    assert_eq!(bench.plan.received(), ids(0..4));
    assert_eq!(bench.metrics.counts().failures, 2);
}

#[tokio::test(start_paused = true)]
async fn an_output_that_is_down_for_long_gets_everything_in_the_end() {
    let bench = Bench::new(
        MemoryLog::of((0..3).map(alert)),
        vec![Behaviour::Fails(0); 30],
    );
    assert_eq!(bench.drain().await, Ended::Drained);
    assert_eq!(bench.plan.received(), ids(0..3));
    assert!(bench.dead_letters().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_refused_alert_becomes_a_dead_letter_and_the_next_gets_its_turn() {
    let refusals = vec![
        Behaviour::Refuses(1),
        Behaviour::Refuses(0),
        Behaviour::Refuses(0),
    ];
    let bench = Bench::new(MemoryLog::of((0..4).map(alert)), refusals);
    bench.drain().await;
    assert_eq!(bench.plan.received(), ids([0, 2, 3]));
    let letters = bench.dead_letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0]["alert"]["id"], alert(1).id.to_string());
    assert_eq!(letters[0]["reason"], "no such thing");
    assert_eq!(letters[0]["tries"], 3);
    assert_eq!(bench.metrics.counts().dead_letters, 1);
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_record_becomes_a_dead_letter_in_its_turn() {
    let log = MemoryLog::of([alert(0)]);
    log.append_raw("{\"version\":99,\"alert\":{}}".into());
    log.append_raw("no alert".into());
    log.append(&alert(1));
    let bench = Bench::new(log, vec![]);
    bench.drain().await;
    assert_eq!(bench.plan.received(), ids(0..2));
    let letters = bench.dead_letters();
    assert_eq!(letters[0]["alert"]["version"], 99);
    assert!(
        letters[0]["reason"]
            .as_str()
            .unwrap()
            .contains("newer kubevigil"),
        "{letters:?}"
    );
    assert_eq!(letters[1]["record"], "no alert");
}

#[tokio::test(start_paused = true)]
async fn draining_gives_up_in_time_and_leaves_the_rest_for_the_next_start() {
    let bench = Bench::new(MemoryLog::of((0..2).map(alert)), vec![Behaviour::Hangs]);
    let started = Instant::now();
    assert_eq!(bench.drain().await, Ended::TimedOut);
    assert_eq!(started.elapsed(), Duration::from_secs(3_600));
    assert_eq!(bench.log.done("test"), 0);
    assert_eq!(bench.drain().await, Ended::Drained);
    assert_eq!(bench.plan.received(), ids(0..2));
}

#[tokio::test(start_paused = true)]
async fn a_running_courier_delivers_what_comes_reopens_when_told_and_drains() {
    let bench = Bench::new(MemoryLog::default(), vec![]);
    let task = tokio::spawn(bench.courier().run(bench.orders.subscribe()));
    tokio::time::sleep(Duration::from_secs(60)).await;
    bench.log.append(&alert(0));
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(bench.plan.received(), ids([0]));
    bench.orders.send_modify(|orders| orders.reopen += 1);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(*bench.plan.reopened.lock().unwrap(), 1);
    bench
        .orders
        .send_modify(|orders| orders.drain_until = Some(Instant::now() + Duration::from_secs(1)));
    assert_eq!(task.await.unwrap(), Ended::Drained);
}

#[tokio::test(start_paused = true)]
async fn an_output_can_ask_to_be_left_alone() {
    struct Busy(Plan, bool);
    #[async_trait]
    impl Output for Busy {
        async fn deliver(&mut self, alerts: &[Alert]) -> Result<(), DeliveryError> {
            if std::mem::replace(&mut self.1, false) {
                let kind = FailureKind::Temporary {
                    retry_after: Some(Duration::from_secs(120)),
                };
                return Err(DeliveryError {
                    delivered: 0,
                    affected: 1,
                    kind,
                    reason: "busy".to_owned(),
                });
            }
            self.0.deliver(alerts).await
        }
    }
    let bench = Bench::new(MemoryLog::of([alert(0)]), vec![]);
    let mut courier = bench.courier();
    courier.output = Box::new(Busy(bench.plan.clone(), true));
    let task = tokio::spawn(courier.run(bench.orders.subscribe()));
    tokio::time::sleep(Duration::from_secs(119)).await;
    assert_eq!(bench.plan.received(), []);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(bench.plan.received(), ids([0]));
    task.abort();
}

/// What happens to a courier's process.
#[derive(Clone, Debug)]
enum Life {
    /// Dies after this much time.
    Dies(u64),
    /// Cannot commit this many times.
    CannotCommit(usize),
    /// More alerts come.
    More(u64),
}

fn behaviour() -> impl Strategy<Value = Behaviour> {
    prop_oneof![
        2 => Just(Behaviour::Takes),
        2 => (0_usize..4).prop_map(Behaviour::Fails),
        2 => (0_usize..4).prop_map(Behaviour::Refuses),
        1 => Just(Behaviour::Forgets),
        1 => Just(Behaviour::Hangs),
    ]
}

fn life() -> impl Strategy<Value = Life> {
    prop_oneof![
        (0_u64..90_000).prop_map(Life::Dies),
        (0_usize..3).prop_map(Life::CannotCommit),
        (1_u64..9).prop_map(Life::More),
    ]
}

/// The model: what was received, repetitions left out, and the dead letters together are all alerts, each in order.
async fn lives_through(behaviours: Vec<Behaviour>, lives: Vec<Life>) {
    let bench = Bench::new(MemoryLog::of((0..5).map(alert)), behaviours);
    let mut appended = 5;
    for life in lives {
        match life {
            Life::Dies(milliseconds) => {
                let task = tokio::spawn(bench.courier().run(bench.orders.subscribe()));
                tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                task.abort();
                let _ = task.await;
            }
            Life::CannotCommit(times) => bench.log.fail_commits(times),
            Life::More(number) => {
                (appended..appended + number).for_each(|number| bench.log.append(&alert(number)));
                appended += number;
            }
        }
    }
    while bench.drain().await != Ended::Drained {}
    let dead: Vec<AlertId> = bench
        .dead_letters()
        .iter()
        .map(|letter| {
            AlertId::try_from(letter["alert"]["id"].as_str().unwrap().to_owned()).unwrap()
        })
        .collect();
    assert_first_times_are_in_order(&bench.plan.received());
    assert_first_times_are_in_order(&dead);
    let received = bench.plan.received();
    let missing = ids(0..appended)
        .into_iter()
        .filter(|id| !received.contains(id) && !dead.contains(id));
    assert_eq!(missing.count(), 0);
    assert_eq!(bench.log.done("test") as u64, appended);
}

fn assert_first_times_are_in_order(received: &[AlertId]) {
    let order = ids(0..1_000);
    let number = |id: &AlertId| order.iter().position(|other| other == id).unwrap();
    let mut newest = None;
    let mut seen = std::collections::HashSet::new();
    for id in received.iter().filter(|id| seen.insert(**id)) {
        assert!(newest < Some(number(id)), "out of order");
        newest = Some(number(id));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_fails_every_alert_arrives_in_order_or_is_a_dead_letter(
        behaviours in prop::collection::vec(behaviour(), 0..24),
        lives in prop::collection::vec(life(), 0..10),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(lives_through(behaviours, lives));
    }
}
