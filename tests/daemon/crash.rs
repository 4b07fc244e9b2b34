//! `kill -9` in the middle of a load, again and again: what was acknowledged alerts, and once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::alerts::{audit_id, tally};
use crate::daemon::{Daemon, Setup};
use crate::events::marked;
use crate::receiver::{Mode, Receiver};

const ROUNDS: u64 = 50;
const SENDERS: usize = 3;

/// A sender as a kube-apiserver is one: a batch without an answer is sent again, the very same.
#[derive(Default)]
struct Load {
    next: u64,
    /// Not acknowledged yet.
    open: Option<Vec<String>>,
    acknowledged: Vec<String>,
}

impl Load {
    /// Sends until the connection breaks.
    fn run(&mut self, name: usize, daemon: &mut crate::sender::Sender) {
        loop {
            let next = self.next;
            let batch = self.open.get_or_insert_with(|| {
                (0..25)
                    .map(|event| format!("{name}-{next}-{event}"))
                    .collect()
            });
            match daemon.try_post(&marked(batch.clone())) {
                Ok(answer) if answer.status == 200 => {
                    self.acknowledged.append(batch);
                    self.open = None;
                    self.next += 1;
                    // Enough of a load to be killed in the midst of, not more than can be looked through.
                    thread::sleep(Duration::from_millis(2));
                }
                Ok(answer) => assert!(matches!(answer.status, 429 | 503), "{answer:?}"),
                Err(_) => return,
            }
        }
    }
}

fn send(daemon: &Daemon, loads: &[Arc<Mutex<Load>>]) -> Vec<JoinHandle<()>> {
    let start = |(name, load): (usize, &Arc<Mutex<Load>>)| {
        let (load, mut sender) = (Arc::clone(load), daemon.sender());
        thread::spawn(move || load.lock().unwrap().run(name, &mut sender))
    };
    loads.iter().enumerate().map(start).collect()
}

fn acknowledged(loads: &[Arc<Mutex<Load>>]) -> Vec<String> {
    loads
        .iter()
        .flat_map(|load| load.lock().unwrap().acknowledged.clone())
        .collect()
}

#[test]
fn every_acknowledged_event_alerts_once_however_often_the_daemon_is_killed() {
    let receiver = Receiver::new(Mode::Take);
    let mut setup = Setup::new();
    setup.journal = "{segment_bytes: 1048576}".to_owned();
    let file = setup.path("alerts.jsonl");
    setup.outputs = format!(
        "[file: {{path: {}}}, http: {{url: '{}', batch: 50}}]",
        file.display(),
        receiver.url()
    );
    let loads: Vec<Arc<Mutex<Load>>> = (0..SENDERS).map(|_| Arc::default()).collect();
    for round in 0..ROUNDS {
        let daemon = setup.start();
        let senders = send(&daemon, &loads);
        thread::sleep(Duration::from_millis(fastrand::u64(20..200)));
        daemon.kill();
        for sender in senders {
            sender
                .join()
                .unwrap_or_else(|_| panic!("a sender failed in round {round}"));
        }
    }
    let acknowledged = acknowledged(&loads);
    assert!(
        acknowledged.len() > 1_000,
        "{} events are no load",
        acknowledged.len()
    );

    let mut daemon = setup.start();
    let alerts = setup.alerts();
    eprintln!("{} events acknowledged", acknowledged.len());
    let missing = |known: Vec<String>| {
        let known: BTreeSet<String> = known.into_iter().collect();
        acknowledged
            .iter()
            .filter(|id| !known.contains(*id))
            .cloned()
            .collect::<Vec<_>>()
    };
    daemon.eventually("events without an alert in the file", |_| {
        missing(alerts.ids())
    });
    let received = || {
        receiver
            .alerts()
            .iter()
            .map(|alert| audit_id(alert).to_owned())
            .collect()
    };
    daemon.eventually("events without an alert at the server", |_| {
        missing(received())
    });
    daemon.terminate();
    let ids = alerts.ids();
    let repeated: Vec<_> = tally(ids.iter().map(String::as_str))
        .into_iter()
        .filter(|(_, times)| *times > 1)
        .collect();
    assert_eq!(repeated, [], "alerts that stand twice in the file");
    only_retries_repeat(&receiver);
    eprintln!(
        "{} events acknowledged, {} alerts in the file",
        acknowledged.len(),
        ids.len()
    );
}

/// Whoever receives an alert twice can tell: it has the same id.
fn only_retries_repeat(receiver: &Receiver) {
    let mut ids = BTreeMap::new();
    for alert in receiver.alerts() {
        let id = alert["id"].as_str().unwrap().to_owned();
        let known = ids
            .entry(audit_id(&alert).to_owned())
            .or_insert_with(|| id.clone());
        assert_eq!(*known, id, "one event and one rule, two alerts");
    }
}
