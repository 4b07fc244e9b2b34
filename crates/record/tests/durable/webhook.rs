//! The webhook gets everything, in order, at least once.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kubevigil_record::backend::{Backend, BackendOptions, Mode};
use kubevigil_record::buffered::BufferOptions;
use kubevigil_record::durable::DurableOptions;
use kubevigil_record::webhook::WebhookSink;

use crate::receiver::{HANG_UP, Receiver, webhook};
use crate::{durable, event, wait_for, wait_until_delivered};

pub(crate) fn open(folder: &Path, webhook: WebhookSink, drain: Duration) -> Backend {
    let options = BackendOptions {
        mode: Mode::Durable,
        buffer: BufferOptions {
            max_batch_size: 10,
            max_batch_wait: Duration::from_millis(30),
            ..BufferOptions::WEBHOOK
        },
        ..BackendOptions::webhook()
    };
    let durable = DurableOptions {
        drain,
        max_waiting_bytes: 64 << 20,
        ..DurableOptions::new(folder.join("state"))
    };
    options
        .open_webhook(webhook, Some(&durable), &Arc::default())
        .unwrap()
}

const LONG: Duration = Duration::from_secs(30);

async fn emit(backend: &Backend, numbers: std::ops::Range<usize>) -> Vec<String> {
    let ids: Vec<String> = numbers.map(|number| number.to_string()).collect();
    for id in &ids {
        backend.sink.emit(&[event(id, 0)]).await.unwrap();
    }
    ids
}

#[tokio::test]
async fn batches_are_as_large_as_the_options_say_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start();
    let backend = open(folder.path(), webhook(receiver.address), LONG);
    assert_eq!(backend.sink.name(), "durable<webhook>");
    assert!(backend.sink.must_keep());
    let events: Vec<_> = (0..25)
        .map(|number| event(&number.to_string(), 0))
        .collect();
    backend.sink.emit(&events).await.unwrap();
    wait_until_delivered(&backend).await;
    let lists = receiver.lists();
    let lengths: Vec<usize> = lists.iter().map(|(_, ids)| ids.len()).collect();
    assert_eq!(lengths, [10, 10, 5]);
    let expected: Vec<String> = (0..25).map(|number| number.to_string()).collect();
    assert_eq!(receiver.ids(|_| true), expected);
    let figures = durable(&backend).figures();
    assert_eq!(
        (figures.kept, figures.delivered, figures.failed_deliveries),
        (25, 25, 0)
    );
}

#[tokio::test]
async fn a_receiver_that_is_away_for_a_while_misses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let address = Receiver::nobody();
    let backend = open(folder.path(), webhook(address), LONG);
    let expected = emit(&backend, 0..30).await;
    wait_for("failures", || {
        durable(&backend).figures().failed_deliveries > 2
    })
    .await;
    let figures = durable(&backend).figures();
    assert_eq!((figures.waiting_events, figures.delivered), (30, 0));
    assert!(figures.failing_for.is_some() && figures.waiting_bytes > 0);
    let receiver = Receiver::at(address);
    wait_until_delivered(&backend).await;
    assert_eq!(receiver.ids(|_| true), expected, "not one more");
    assert_eq!(durable(&backend).figures().failing_for, None);
}

#[tokio::test]
async fn a_receiver_that_refuses_for_long_gets_everything_in_the_end() {
    for status in [500, 400, 401, 302, 308, HANG_UP] {
        let folder = tempfile::tempdir().unwrap();
        let receiver = Receiver::start();
        receiver.answers(status);
        let backend = open(folder.path(), webhook(receiver.address), LONG);
        let expected = emit(&backend, 0..15).await;
        wait_for("tries beyond the server's five", || {
            receiver.lists().len() > 6
        })
        .await;
        assert_eq!(durable(&backend).figures().waiting_events, 15, "{status}");
        receiver.answers(200);
        wait_until_delivered(&backend).await;
        assert_eq!(receiver.ids(|status| status == 200), expected, "{status}");
    }
}

#[tokio::test]
async fn receivers_that_kubeconfigs_name_take_events_wherever_they_are_on_the_server() {
    for path in ["", "/", "/audit", "/audit/"] {
        let folder = tempfile::tempdir().unwrap();
        let receiver = Receiver::start();
        let kubeconfig = folder.path().join("webhook.yaml");
        let text = format!(
            "clusters: [{{name: c, cluster: {{server: 'http://{}{path}'}}}}]\n\
             contexts: [{{name: c, context: {{cluster: c}}}}]\ncurrent-context: c\n",
            receiver.address
        );
        std::fs::write(&kubeconfig, text).unwrap();
        let backoff = Duration::from_millis(20);
        let webhook = WebhookSink::from_kubeconfig(&kubeconfig, backoff, Arc::default()).unwrap();
        let backend = open(folder.path(), webhook, LONG);
        let expected = emit(&backend, 0..2).await;
        receiver.answers(308);
        wait_for("a redirect", || !receiver.lists().is_empty()).await;
        receiver.answers(200);
        wait_until_delivered(&backend).await;
        assert_eq!(receiver.ids(|status| status == 200), expected, "{path:?}");
    }
}

#[tokio::test]
async fn a_receiver_that_asks_to_wait_is_left_alone_for_so_long() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start();
    receiver.answers(429);
    let backend = open(folder.path(), webhook(receiver.address), LONG);
    let expected = emit(&backend, 0..1).await;
    wait_for("the first try", || !receiver.lists().is_empty()).await;
    receiver.answers(200);
    let start = std::time::Instant::now();
    wait_until_delivered(&backend).await;
    assert!(
        start.elapsed() > Duration::from_millis(900),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(receiver.ids(|status| status == 200), expected);
}

#[tokio::test]
async fn a_receiver_that_finds_lists_too_large_gets_smaller_ones() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start();
    receiver.takes_at_most(3);
    let backend = open(folder.path(), webhook(receiver.address), LONG);
    let expected = emit(&backend, 0..25).await;
    wait_until_delivered(&backend).await;
    assert_eq!(receiver.ids(|status| status == 200), expected);
}

#[tokio::test]
async fn what_a_shutdown_does_not_deliver_in_time_comes_after_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let address = Receiver::nobody();
    let backend = open(folder.path(), webhook(address), Duration::from_millis(200));
    let mut expected = emit(&backend, 0..12).await;
    backend.sink.shutdown().await;
    let error = backend.sink.emit(&[event("late", 0)]).await.unwrap_err();
    assert_eq!(error.to_string(), "webhook: this process is shutting down");
    drop(backend);

    let receiver = Receiver::at(address);
    let backend = open(folder.path(), webhook(address), LONG);
    expected.extend(emit(&backend, 12..20).await);
    backend.sink.shutdown().await;
    assert_eq!(
        receiver.ids(|_| true),
        expected,
        "a shutdown delivers what is there"
    );
}

#[tokio::test]
async fn events_for_another_backend_are_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let address = Receiver::nobody();
    let backend = open(folder.path(), webhook(address), Duration::ZERO);
    emit(&backend, 0..1).await;
    backend.sink.shutdown().await;
    drop(backend);
    let durable = DurableOptions::new(folder.path().join("state"));
    let opened = crate::DURABLE_LOG().open_log(
        &crate::log_options(folder.path()),
        Some(&durable),
        &Arc::default(),
    );
    let expected = format!(
        "{}/state holds events for the backend `webhook`, not for `log`; give each backend a folder of its own",
        folder.path().display()
    );
    assert_eq!(opened.err().unwrap().to_string(), expected);
}
