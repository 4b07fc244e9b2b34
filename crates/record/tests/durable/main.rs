//! Mode `durable` with real parts: what was kept reaches the backend, whatever is killed, full, or away in between.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

mod courier;
mod disk;
mod kill;
mod log;
mod model;
mod receiver;
#[path = "../../../../tests/small_disk.rs"]
mod small_disk;
mod webhook;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kubevigil_audit::event::{Level, Stage};
use kubevigil_record::backend::{Backend, BackendOptions, Mode};
use kubevigil_record::durable::{Durable, DurableOptions};
use kubevigil_record::event::AuditEvent;
use kubevigil_record::log::LogOptions;

const DURABLE_LOG: fn() -> BackendOptions = || BackendOptions {
    mode: Mode::Durable,
    ..BackendOptions::log()
};

/// An event of about this many bytes besides what every event has.
fn event(id: &str, padding: usize) -> Arc<AuditEvent> {
    Arc::new(AuditEvent {
        level: Level::Metadata,
        stage: Stage::ResponseComplete,
        audit_id: id.to_owned(),
        user_agent: "x".repeat(padding),
        ..AuditEvent::default()
    })
}

/// Where the log of a test is; its files hold 1 MiB each.
fn log_options(folder: &Path) -> LogOptions {
    LogOptions {
        max_size: 1,
        max_backups: 0,
        max_age: 0,
        ..LogOptions::new(folder.join("log/audit.log"))
    }
}

/// A log and the events that wait for it, both in this folder.
fn open_log(folder: &Path) -> Backend {
    let durable = DurableOptions {
        drain: Duration::from_secs(30),
        ..DurableOptions::new(folder.join("state"))
    };
    DURABLE_LOG()
        .open_log(&log_options(folder), Some(&durable), &Arc::default())
        .unwrap()
}

fn durable(backend: &Backend) -> &Arc<Durable> {
    backend.durable.as_ref().unwrap()
}

/// The ids in an event or a list, in order.
fn ids_of(value: &serde_json::Value) -> Vec<String> {
    let id = |event: &serde_json::Value| event["auditID"].as_str().unwrap().to_owned();
    match value["items"].as_array() {
        Some(items) => items.iter().map(id).collect(),
        None => vec![id(value)],
    }
}

/// The ids in each file of the log; lines that are no JSON are for the caller to allow.
fn logged(folder: &Path, allows_junk: bool) -> BTreeMap<String, Vec<String>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder.join("log"))
        .unwrap()
        .map(Result::unwrap)
    {
        let bytes = fs::read(entry.path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let mut ids = Vec::new();
        for line in text.lines() {
            match serde_json::from_str(line) {
                Ok(event) => ids.extend(ids_of(&event)),
                Err(error) => assert!(allows_junk, "{error} in {line:.200}"),
            }
        }
        assert!(
            text.is_empty() || text.ends_with('\n'),
            "{:?}",
            entry.path()
        );
        files.insert(entry.file_name().into_string().unwrap(), ids);
    }
    files
}

async fn wait_for(what: &str, mut is_done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_done() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "waited for: {what}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn wait_until_delivered(backend: &Backend) {
    let durable = durable(backend);
    wait_for("all delivered", || durable.figures().waiting_events == 0).await;
}
