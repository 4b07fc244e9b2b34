//! What came out at a file output.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::daemon::PATIENCE;

/// A file of alerts in JSON, one a line.
pub(crate) struct AlertFile {
    path: PathBuf,
}

impl AlertFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The alerts so far. Every line must be whole, the last one excepted.
    pub(crate) fn all(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).expect(line))
            .collect()
    }

    /// The auditIDs of the alerts, in order.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.all()
            .iter()
            .map(|alert| audit_id(alert).to_owned())
            .collect()
    }

    /// Waits for so many alerts, and a moment longer for one too many.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Value> {
        let start = Instant::now();
        while self.all().len() < count && start.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(10));
        }
        thread::sleep(Duration::from_millis(100));
        let alerts = self.all();
        assert_eq!(alerts.len(), count, "alerts in {}", self.path.display());
        alerts
    }
}

/// The auditID of an alert's event.
pub(crate) fn audit_id(alert: &Value) -> &str {
    alert["event"]["auditID"].as_str().unwrap()
}

/// How often each text occurs.
pub(crate) fn tally<'t>(texts: impl IntoIterator<Item = &'t str>) -> BTreeMap<&'t str, usize> {
    let mut tally = BTreeMap::new();
    for text in texts {
        *tally.entry(text).or_default() += 1;
    }
    tally
}
