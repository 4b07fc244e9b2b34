//! What lies between a request and a backend: modes, the buffer, truncation, unions (spec 8, 9.2, 9.3, 10).

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kubevigil_audit::event::Level;
use kubevigil_record::backend::{BackendOptions, Mode};
use kubevigil_record::buffered::{BufferOptions, Buffered, ThrottleOptions};
use kubevigil_record::encode::json_line;
use kubevigil_record::event::AuditEvent;
use kubevigil_record::sink::{ErrorCounters, Events, IgnoreErrors, Sink, SinkError, Union};
use kubevigil_record::truncate::{Truncate, TruncateOptions};
use tokio::time::Instant;

/// Keeps the ids of what it gets, call by call, with the time since it was made.
struct Memory {
    name: &'static str,
    fails: bool,
    takes: Duration,
    made: Instant,
    calls: Mutex<Vec<(u128, String)>>,
    events: Mutex<Vec<AuditEvent>>,
}

impl Memory {
    fn new(name: &'static str, fails: bool, takes: Duration) -> Arc<Self> {
        Arc::new(Self {
            name,
            fails,
            takes,
            made: Instant::now(),
            calls: Mutex::default(),
            events: Mutex::default(),
        })
    }

    fn calls(&self) -> Vec<(u128, String)> {
        self.calls.lock().unwrap().clone()
    }
}

#[async_trait]
impl Sink for Memory {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    async fn emit(&self, events: Events<'_>) -> Result<(), SinkError> {
        let ids: Vec<&str> = events.iter().map(|event| event.audit_id.as_str()).collect();
        self.calls
            .lock()
            .unwrap()
            .push((self.made.elapsed().as_millis(), ids.join(" ")));
        self.events
            .lock()
            .unwrap()
            .extend(events.iter().map(|event| AuditEvent::clone(event)));
        tokio::time::sleep(self.takes).await;
        if self.fails {
            return Err(SinkError::new("log", "no room"));
        }
        Ok(())
    }

    async fn shutdown(&self) {
        self.calls
            .lock()
            .unwrap()
            .push((self.made.elapsed().as_millis(), "shutdown".to_owned()));
    }
}

fn event(id: &str) -> Arc<AuditEvent> {
    Arc::new(AuditEvent {
        audit_id: id.to_owned(),
        ..AuditEvent::default()
    })
}

fn at(milliseconds: u128, ids: &str) -> (u128, String) {
    (milliseconds, ids.to_owned())
}

fn shared(sink: &Arc<Memory>) -> Arc<dyn Sink> {
    Arc::clone(sink) as Arc<dyn Sink>
}

#[tokio::test]
async fn a_union_gives_every_event_to_all_and_fails_if_one_does() {
    let (log, webhook) = (
        Memory::new("log", true, Duration::ZERO),
        Memory::new("webhook", false, Duration::ZERO),
    );
    let union = Union(vec![shared(&log), shared(&webhook)]);
    assert_eq!(union.name(), "union[log,webhook]");
    assert!(union.emit(&[event("a")]).await.is_err());
    let ids = |sink: &Memory| sink.calls().remove(0).1;
    assert_eq!((ids(&log), ids(&webhook)), ("a".to_owned(), "a".to_owned()));
}

#[tokio::test]
async fn blocking_mode_hides_failures_that_strict_mode_shows() {
    let log = Memory::new("log", true, Duration::ZERO);
    assert!(
        shared(&log).emit(&[event("a")]).await.is_err(),
        "strict mode is the backend itself"
    );
    let blocking = IgnoreErrors(shared(&log));
    assert_eq!(blocking.name(), "ignoreErrors<log>");
    assert!(blocking.emit(&[event("a")]).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_batch_ends_when_it_is_full_or_its_time_is_up() {
    let webhook = Memory::new("webhook", false, Duration::ZERO);
    let options = BufferOptions {
        max_batch_size: 2,
        throttle: None,
        ..BufferOptions::WEBHOOK
    };
    let sink = Buffered::start(shared(&webhook), options, Arc::default());
    assert_eq!(sink.name(), "buffered<webhook>");
    sink.emit(&[event("a"), event("b"), event("c")])
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(100)).await;
    sink.emit(&[event("d")]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    // The timer goes on from the end of the last batch at 30 s, so it fires at 120 s.
    let expected = [at(0, "a b"), at(30_000, "c"), at(120_000, "d")];
    let found: Vec<_> = webhook
        .calls()
        .into_iter()
        .map(|(time, ids)| (time / 100 * 100, ids))
        .collect();
    assert_eq!(found, expected);
}

#[tokio::test(start_paused = true)]
async fn the_throttle_lets_a_burst_through_and_then_its_rate() {
    let webhook = Memory::new("webhook", false, Duration::ZERO);
    let options = BufferOptions {
        max_batch_size: 1,
        throttle: Some(ThrottleOptions {
            qps: 10.0,
            burst: 2,
        }),
        ..BufferOptions::WEBHOOK
    };
    let sink = Buffered::start(shared(&webhook), options, Arc::default());
    sink.emit(&["a", "b", "c", "d"].map(event)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let times: Vec<u128> = webhook.calls().iter().map(|(time, _)| *time).collect();
    assert!(
        matches!(times.as_slice(), [0..10, 0..10, 100..110, 200..215]),
        "{times:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_dropped_counted_and_reported_as_success() {
    let log = Memory::new("log", false, Duration::from_secs(1));
    let counters = Arc::new(ErrorCounters::default());
    let options = BufferOptions {
        buffer_size: 2,
        ..BufferOptions::LOG
    };
    let sink = Buffered::start(shared(&log), options, Arc::clone(&counters));
    sink.emit(&[event("a")]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    sink.emit(&["b", "c", "d", "e"].map(event)).await.unwrap();
    assert_eq!(counters.get("buffered"), 2);
    sink.shutdown().await;
    let ids: Vec<String> = log.calls().into_iter().map(|(_, ids)| ids).collect();
    assert_eq!(
        ids,
        ["a", "b", "c", "shutdown"],
        "the rest is written before the backend is closed"
    );
    sink.emit(&[event("f")]).await.unwrap();
    assert_eq!(counters.get("buffered"), 3);
}

#[tokio::test(start_paused = true)]
async fn batches_of_a_webhook_go_out_side_by_side_and_those_of_a_log_do_not() {
    for (side_by_side, expected) in [(true, 0), (false, 1_000)] {
        let backend = Memory::new("log", false, Duration::from_secs(1));
        let options = BufferOptions {
            side_by_side,
            ..BufferOptions::LOG
        };
        let sink = Buffered::start(shared(&backend), options, Arc::default());
        sink.emit(&[event("a"), event("b")]).await.unwrap();
        sink.shutdown().await;
        let second = backend.calls()[1].0 / 100 * 100;
        assert_eq!(second, expected);
        let end = backend.calls()[2].0 / 100 * 100;
        assert_eq!(end, 1_000 + expected, "it waits for what is under way");
    }
}

#[tokio::test(start_paused = true)]
async fn batches_without_a_wait_hold_what_is_there() {
    let log = Memory::new("log", false, Duration::ZERO);
    let options = BufferOptions {
        max_batch_size: 10,
        ..BufferOptions::LOG
    };
    let sink = Buffered::start(shared(&log), options, Arc::default());
    sink.emit(&["a", "b", "c"].map(event)).await.unwrap();
    sink.shutdown().await;
    let ids: Vec<String> = log.calls().into_iter().map(|(_, ids)| ids).collect();
    assert_eq!(ids.concat(), "abcshutdown".replace("abc", "a b c"));
}

fn with_body(level: Level, id: &str, length: usize) -> AuditEvent {
    AuditEvent {
        level,
        request_object: Some(format!("\"{}\"", "x".repeat(length)).into()),
        ..AuditEvent::clone(&event(id))
    }
}

#[tokio::test]
async fn too_large_an_event_loses_its_bodies_or_is_lost() {
    let size = |event: &AuditEvent| json_line(event).unwrap().len();
    let fits = with_body(Level::Request, "fits", 100);
    let options = TruncateOptions {
        max_event_size: size(&fits),
        max_batch_size: 10_000,
    };
    let long_id = "long".repeat(100);
    let cases = [
        (fits.clone(), Some(false)),
        (with_body(Level::Request, "fits", 101), Some(true)),
        (with_body(Level::Metadata, "fits", 101), None),
        (with_body(Level::RequestResponse, &long_id, 1), None),
    ];
    for (event, truncated) in cases {
        let memory = Memory::new("log", false, Duration::ZERO);
        let counters = Arc::new(ErrorCounters::default());
        let sink = Truncate::new(shared(&memory), options, Arc::clone(&counters));
        let event = Arc::new(event);
        sink.emit(&[Arc::clone(&event)]).await.unwrap();
        let found = memory.events.lock().unwrap().first().cloned();
        assert_eq!(
            found.as_ref().map(|event| event.request_object.is_none()),
            truncated
        );
        let marked = found.map(|event| event.annotations.contains_key("audit.k8s.io/truncated"));
        assert_eq!(marked, truncated);
        assert_eq!(counters.get("truncate"), u64::from(truncated.is_none()));
        assert!(
            event.annotations.is_empty(),
            "what others hold stays as it is"
        );
    }
}

#[tokio::test]
async fn calls_are_split_where_a_batch_would_get_too_large() {
    let memory = Memory::new("log", false, Duration::ZERO);
    let size = json_line(&event("a")).unwrap().len();
    let options = TruncateOptions {
        max_event_size: size,
        max_batch_size: 2 * size,
    };
    let sink = Truncate::new(shared(&memory), options, Arc::default());
    assert_eq!(sink.name(), "truncate<log>");
    sink.emit(&["a", "b", "c"].map(event)).await.unwrap();
    let ids: Vec<String> = memory.calls().into_iter().map(|(_, ids)| ids).collect();
    assert_eq!(ids, ["a b", "c"]);
}

#[tokio::test]
async fn backends_are_put_together_under_the_names_of_the_server() {
    let cases = [
        (BackendOptions::log(), "ignoreErrors<log>"),
        (BackendOptions::webhook(), "buffered<log>"),
        (
            BackendOptions {
                mode: Mode::BlockingStrict,
                ..BackendOptions::log()
            },
            "log",
        ),
        (
            BackendOptions {
                truncates: true,
                ..BackendOptions::webhook()
            },
            "truncate<buffered<log>>",
        ),
    ];
    for (options, expected) in cases {
        let log = shared(&Memory::new("log", false, Duration::ZERO));
        assert_eq!(options.wrap(log, &Arc::default()).unwrap().name(), expected);
    }
}

#[tokio::test]
async fn options_that_stop_the_server_are_refused() {
    let batch = BackendOptions {
        mode: Mode::Batch,
        ..BackendOptions::log()
    };
    let buffer = |buffer| BackendOptions { buffer, ..batch };
    let truncate = |max_event_size, max_batch_size| BackendOptions {
        truncate: TruncateOptions {
            max_event_size,
            max_batch_size,
        },
        ..BackendOptions::log()
    };
    let throttle = |qps, burst| BufferOptions {
        throttle: Some(ThrottleOptions { qps, burst }),
        ..BufferOptions::LOG
    };
    let no_buffer = BufferOptions {
        buffer_size: 0,
        ..BufferOptions::LOG
    };
    let no_batch = BufferOptions {
        max_batch_size: 0,
        ..BufferOptions::LOG
    };
    let blocking = BackendOptions {
        mode: Mode::Blocking,
        ..buffer(no_buffer)
    };
    let cases = [
        (batch, ""),
        (blocking, ""),
        (truncate(5, 5), ""),
        (
            buffer(no_buffer),
            "`batch-buffer-size` must be greater than 0: the queue must hold an event",
        ),
        (
            buffer(no_batch),
            "`batch-max-size` must be greater than 0: a batch must hold an event",
        ),
        (
            buffer(throttle(0.0, 1)),
            "`batch-throttle-qps` must be greater than 0 while throttling is enabled",
        ),
        (
            buffer(throttle(1.0, 0)),
            "`batch-throttle-burst` must be greater than 0 while throttling is enabled",
        ),
        (
            truncate(0, 5),
            "`truncate-max-event-size` must be greater than 0, even while nothing is truncated",
        ),
        (
            truncate(5, 4),
            "`truncate-max-batch-size` must not be less than truncate-max-event-size, even while nothing is truncated",
        ),
    ];
    for (options, expected) in cases {
        let log = shared(&Memory::new("log", false, Duration::ZERO));
        let wrapped = options.wrap(log, &Arc::default());
        assert_eq!(
            wrapped
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default(),
            expected
        );
    }
}
