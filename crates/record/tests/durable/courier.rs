//! The task that hands over, against a backend that fails, takes a part, or takes back what it said, as a script has it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use kubevigil_record::durable::{Delivers, DeliveryError, Durable, DurableOptions, Pace};
use kubevigil_record::event::AuditEvent;
use kubevigil_record::sink::{Sink as _, SinkError};
use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::event;

/// What the backend does when it is next asked.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// All it is given.
    Takes,
    /// Half of it.
    Half,
    Fails,
    /// Only batches of one event.
    TooLarge,
    /// The next time it is to settle, it takes back what it took since the last time.
    TakesBack,
}

#[derive(Clone, Debug)]
enum Deed {
    Keep(usize),
    Answers(Vec<Answer>),
    Wait(u64),
    /// The process ends; the backend forgets what it has not settled, or does not.
    Crash {
        forgets: bool,
    },
    Restart,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let answer = prop_oneof![
        3 => Just(Answer::Takes),
        2 => Just(Answer::Half),
        2 => Just(Answer::Fails),
        1 => Just(Answer::TooLarge),
        1 => Just(Answer::TakesBack),
    ];
    let deed = prop_oneof![
        6 => (1_usize..20).prop_map(Deed::Keep),
        5 => prop::collection::vec(answer, 1..8).prop_map(Deed::Answers),
        4 => (0_u64..15).prop_map(Deed::Wait),
        2 => any::<bool>().prop_map(|forgets| Deed::Crash { forgets }),
        1 => Just(Deed::Restart),
    ];
    prop::collection::vec(deed, 1..20)
}

/// A backend that outlives the process.
#[derive(Default)]
struct Scripted(Mutex<State>);

#[derive(Default)]
struct State {
    script: Vec<Answer>,
    /// Events that it will not forget.
    settled: Vec<String>,
    taken: Vec<String>,
    takes_back: bool,
}

#[async_trait]
impl Delivers for Scripted {
    fn plugin(&self) -> &'static str {
        "scripted"
    }

    fn encode(&self, event: &AuditEvent) -> Result<Bytes, SinkError> {
        Ok(Bytes::from(event.audit_id.clone()))
    }

    fn pace(&self) -> Pace {
        Pace {
            events: 7,
            bytes: 1_000,
            gather: Duration::from_millis(1),
            settle: Duration::from_millis(5),
        }
    }

    fn pause(&self, failures: u32) -> Duration {
        assert!(failures > 0);
        Duration::from_millis(1)
    }

    async fn begin(&self, mark: &[u8]) -> Result<Vec<u8>, DeliveryError> {
        Ok(mark.to_vec())
    }

    async fn deliver(&self, events: &[Bytes]) -> Result<usize, DeliveryError> {
        assert!(!events.is_empty() && events.len() <= 7, "{}", events.len());
        let mut state = self.0.lock().unwrap();
        let taken = match state.script.pop().unwrap_or(Answer::Takes) {
            Answer::Takes => events.len(),
            Answer::Half => events.len() / 2,
            Answer::Fails => return Err(DeliveryError::new("away")),
            Answer::TooLarge if events.len() > 1 => {
                return Err(DeliveryError {
                    is_too_large: true,
                    ..DeliveryError::new("too large")
                });
            }
            Answer::TooLarge => 1,
            Answer::TakesBack => {
                state.takes_back = true;
                events.len()
            }
        };
        let ids = events.iter().take(taken);
        let ids = ids.map(|id| String::from_utf8(id.to_vec()).unwrap());
        state.taken.extend(ids);
        Ok(taken)
    }

    async fn settle(&self) -> Result<Vec<u8>, DeliveryError> {
        let mut state = self.0.lock().unwrap();
        let taken = std::mem::take(&mut state.taken);
        if std::mem::take(&mut state.takes_back) {
            return Err(DeliveryError::new("the disk has lost it"));
        }
        state.settled.extend(taken);
        Ok(Vec::new())
    }

    async fn close(&self) {}
}

fn start(folder: &tempfile::TempDir, backend: &Arc<Scripted>) -> (Runtime, Durable) {
    let runtime = Runtime::new().unwrap();
    let options = DurableOptions {
        drain: Duration::from_secs(30),
        ..DurableOptions::new(folder.path())
    };
    let durable = {
        let _inside = runtime.enter();
        Durable::open(Arc::clone(backend) as _, options, Arc::default()).unwrap()
    };
    (runtime, durable)
}

fn play(deeds: Vec<Deed>) -> (usize, bool, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let backend = Arc::new(Scripted::default());
    let (mut runtime, mut durable) = start(&folder, &backend);
    let (mut kept, mut may_repeat) = (0, false);
    for deed in deeds {
        match deed {
            Deed::Keep(events) => {
                let new = (kept..kept + events).map(|number| event(&number.to_string(), 0));
                let new: Vec<_> = new.collect();
                runtime.block_on(durable.emit(&new)).unwrap();
                kept += events;
            }
            Deed::Answers(script) => backend.0.lock().unwrap().script = script,
            Deed::Wait(milliseconds) => std::thread::sleep(Duration::from_millis(milliseconds)),
            Deed::Crash { forgets } => {
                drop((runtime, durable));
                let mut state = backend.0.lock().unwrap();
                let taken = std::mem::take(&mut state.taken);
                if !forgets {
                    state.settled.extend(taken);
                }
                state.takes_back = false;
                drop(state);
                may_repeat = true;
                (runtime, durable) = start(&folder, &backend);
            }
            Deed::Restart => {
                runtime.block_on(durable.shutdown());
                drop((runtime, durable));
                (runtime, durable) = start(&folder, &backend);
            }
        }
    }
    runtime.block_on(durable.shutdown());
    assert_eq!(durable.figures().waiting_events, 0);
    let settled = backend.0.lock().unwrap().settled.clone();
    (kept, may_repeat, settled)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_event_is_settled_in_order_and_only_crashes_repeat_any(deeds in deeds()) {
        let (kept, may_repeat, settled) = play(deeds);
        let expected: Vec<String> = (0..kept).map(|number| number.to_string()).collect();
        if !may_repeat {
            prop_assert_eq!(&settled, &expected);
        }
        let mut seen = std::collections::BTreeSet::new();
        let firsts: Vec<String> = settled.into_iter().filter(|id| seen.insert(id.clone())).collect();
        prop_assert_eq!(firsts, expected);
    }
}
