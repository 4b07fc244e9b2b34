//! Kills again and again while correlations fire: the alerts are those of a daemon that nobody killed, each once, in the same order.

use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::daemon::{Daemon, Setup};
use crate::events::{Request, list};
use crate::sender::Sender;

const ROUNDS: usize = 16;
/// Events of a batch.
const BATCH: u64 = 20;

/// Every kind of memory: windows that fill and slide, values, sequences, joins, what was learned, and a correlation of correlations.
const RULES: &str = "
title: Marked request
name: marked
logsource: {product: kubernetes, service: audit}
detection: {selection: {verb: marked}, condition: selection}
level: low
---
title: Other request
name: other
logsource: {product: kubernetes, service: audit}
detection: {selection: {verb: other}, condition: selection}
level: low
---
title: Many requests
name: many
correlation:
  type: event_count
  rules: [marked]
  group-by: [user.username]
  timespan: 20s
  condition: {gte: 4}
level: high
---
title: Many places
name: places
correlation:
  type: value_count
  rules: [marked]
  group-by: [user.username]
  timespan: 15s
  condition: {field: objectRef.namespace, gte: 3}
level: high
---
title: One after the other
name: sequence
correlation:
  type: temporal_ordered
  rules: [other, marked]
  group-by: [user.username, objectRef.namespace]
  timespan: 2s
level: medium
---
title: Both at once
name: both
correlation:
  type: temporal
  rules: [many, places]
  group-by: [user.username]
  timespan: 10s
  generate: true
level: critical
---
title: New place
name: new_place
kubevigil:
  type: first_seen
  rules: [marked, other]
  group-by: [user.username]
  field: [objectRef.namespace]
  learning: 30s
  timespan: 2m
level: medium
---
title: Elsewhere
name: elsewhere
kubevigil:
  type: join
  rules: [other, marked]
  group-by: [user.username]
  differ: [objectRef.namespace]
  timespan: 3s
level: medium
";

/// The same event for the same number, whoever sends it. Some seven a second, of which a few are late.
fn request(number: u64) -> Request {
    let mut random = fastrand::Rng::with_seed(number);
    let late = if random.u8(..) < 20 {
        random.u64(..2_000)
    } else {
        0
    };
    Request {
        id: format!("e{number}"),
        verb: ["marked", "marked", "other", "get"][random.usize(..4)],
        user: format!("user-{}", random.u8(..40)),
        // Some places are rare.
        namespace: format!("place-{}", random.u8(..).leading_zeros()),
        at: (10_000 + number * 140).saturating_sub(late) % 36_000_000,
    }
}

fn batch(number: u64) -> String {
    let events = number * BATCH..(number + 1) * BATCH;
    list(
        &events
            .map(|number| request(number).event())
            .collect::<Vec<_>>(),
    )
}

/// Sends batches in order from `next` on, each until it is acknowledged; ends when the connection breaks.
fn send(next: &mut u64, sender: &mut Sender) {
    while let Ok(answer) = sender.try_post(&batch(*next)) {
        match answer.status {
            200 => *next += 1,
            _ => assert!(matches!(answer.status, 429 | 503), "{answer:?}"),
        }
        // Enough to be killed in the midst of, not more than a debug build can go through twice.
        thread::sleep(Duration::from_millis(10));
    }
}

fn kill_again_and_again(setup: &mut Setup) -> u64 {
    let mut next = 0;
    for _ in 0..ROUNDS {
        let daemon = setup.start();
        let mut sender = daemon.sender();
        let sending = thread::spawn(move || {
            send(&mut next, &mut sender);
            next
        });
        // Checkpoints are a second apart: some rounds see none, some a few.
        thread::sleep(Duration::from_millis(fastrand::u64(30..1_500)));
        daemon.kill();
        next = sending.join().unwrap();
    }
    next
}

fn finish(setup: &Setup, mut daemon: Daemon) -> Vec<Value> {
    daemon.counts(
        "kubevigil_journal_lag{journal=\"events\",reader=\"detect\"}",
        0,
    );
    daemon.counts("kubevigil_output_lag{output=\"file\"}", 0);
    daemon.terminate();
    setup.alerts().all()
}

#[test]
fn kills_change_nothing_about_what_correlations_find() {
    let mut killed = Setup::new().with_rules("rules.yml", RULES);
    let batches = kill_again_and_again(&mut killed);
    let daemon = killed.start();
    // What was under way at the last kill may be in the journal or not.
    daemon.sender().deliver(&batch(batches));
    let with_kills = finish(&killed, daemon);

    let mut spared = Setup::new().with_rules("rules.yml", RULES);
    let daemon = spared.start();
    let mut sender = daemon.sender();
    (0..=batches).for_each(|number| sender.deliver(&batch(number)));
    let without = finish(&spared, daemon);

    eprintln!("{} events, {} alerts", (batches + 1) * BATCH, without.len());
    for rule in [
        "Many requests",
        "Many places",
        "One after the other",
        "Both at once",
        "New place",
        "Elsewhere",
    ] {
        let alerts = without.iter().filter(|alert| alert["rule"] == rule).count();
        eprintln!("{rule}: {alerts}");
        assert!(alerts > 20, "{rule}: {alerts} alerts are no test");
    }
    let differing = with_kills
        .iter()
        .zip(&without)
        .find(|(one, other)| one != other);
    assert_eq!(differing, None);
    assert_eq!(with_kills.len(), without.len());
}
