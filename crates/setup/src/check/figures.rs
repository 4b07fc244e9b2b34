//! What the settings amount to.

use serde::Serialize;

use super::subject::Backend;
use crate::server::Server;

/// About how long events of an unreachable receiver are held, in seconds: five tries and the waits between them.
const HELD: f64 = 240.0;

/// A number that follows from several flags.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// What programs call it.
    pub name: &'static str,
    /// The number.
    pub value: f64,
    /// What people read: the number with its reason.
    #[serde(skip)]
    pub text: String,
}

/// What the flags of a server amount to.
#[expect(clippy::cast_precision_loss, reason = "shown to people")]
pub fn figures(server: &Server) -> Vec<Figure> {
    let flags = &server.flags;
    let mut figures = Vec::new();
    let mut add = |name, value, text| figures.push(Figure { name, value, text });
    if let (Some(path), Some(size), Some(backups)) = (
        flags.text("audit-log-path").filter(|path| *path != "-"),
        flags.integer("audit-log-maxsize").filter(|size| *size > 0),
        flags
            .integer("audit-log-maxbackup")
            .filter(|backups| *backups > 0),
    ) {
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
