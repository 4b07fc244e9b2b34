//! What the settings amount to.

use kubevigil_plan::KubernetesVersion;
use serde::Serialize;

use super::log_file::NEW_DEFAULTS;
use super::subject::Backend;
use crate::server::Server;

/// About how long events of an unreachable receiver are held, in seconds: five tries and the waits between them.
const HELD: f64 = 240.0;

/// A number that follows from several flags.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Figure {
    /// What programs call it.
    pub name: &'static str,
    /// The number.
    pub value: u64,
    /// What people read: the number with its reason.
    #[serde(skip)]
    pub text: String,
}

/// What the flags of a server amount to.
pub fn figures(server: &Server, version: KubernetesVersion) -> Vec<Figure> {
    let flags = &server.flags;
    let mut figures = Vec::new();
    let mut add = |name, value: f64, text| {
        // Whatever people read is rounded; what does not fit is the largest number.
        let value = value.round() as u64;
        figures.push(Figure { name, value, text });
    };
    // Before 1.36 a size of 0 meant 100, and old files had no limit unless one was given.
    let (size, backups) = if version >= NEW_DEFAULTS {
        (flags.integer("audit-log-maxsize").unwrap_or(100), 100)
    } else {
        let size = flags.integer("audit-log-maxsize").filter(|size| *size != 0);
        (size.unwrap_or(100), 0)
    };
    let backups = flags.integer("audit-log-maxbackup").unwrap_or(backups);
    let path = flags.text("audit-log-path").filter(|path| *path != "-");
    if let Some(path) = path.filter(|_| size > 0 && backups > 0) {
        let budget = size.saturating_mul(backups.saturating_add(1));
        let text = format!(
            "disk for {path}: up to {budget} MiB ({size} MiB x {backups} old files and the current one)"
        );
        add("logMebibytes", budget as f64, text);
    }
    let webhook = Backend::webhook(flags);
    if !webhook.is_on() || webhook.mode() != "batch" {
        return figures;
    }
    if let Some(rate) = webhook.events_per_second() {
        let (qps, size) = (webhook.qps(), webhook.batch_max_size());
        add(
            "webhookEventsPerSecond",
            rate,
            format!(
                "webhook, in the long run: {rate:.0} events a second ({qps} batches of {size})"
            ),
        );
        let held = rate * HELD;
        add(
            "webhookEventsHeld",
            held,
            format!(
                "webhook, while the receiver is away: up to {held:.0} events in memory (about {HELD} s of them), then lost"
            ),
        );
    }
    let buffer = webhook.buffer_size();
    add(
        "webhookBufferedEvents",
        buffer as f64,
        format!("webhook, at once: {buffer} events wait for a batch; beyond that they are dropped"),
    );
    if webhook.truncates() {
        let largest = webhook
            .batch_max_size()
            .saturating_mul(webhook.max_event_size());
        add(
            "webhookLargestBody",
            largest as f64,
            format!(
                "webhook, largest body: {:.1} MiB",
                largest as f64 / 1_048_576.0
            ),
        );
    }
    figures
}
