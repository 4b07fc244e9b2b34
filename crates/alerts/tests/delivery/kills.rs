//! A real process with a real outbox and a real file, killed over and over.
//!
//! The process is this test program itself, started again to run [`worker`] alone.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use kubevigil_alerts::{Alert, Deliveries, Outbox, OutputConfig, Surroundings};

use crate::alerts::alert;

const FOLDER: &str = "KUBEVIGIL_TEST_FOLDER";
const ALERTS: u64 = 300;
const KILLS: u64 = 20;

/// Finds all alerts from the first on, as a detector does that never got to commit its place, and delivers them.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by the other test as a process of its own"]
async fn worker() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    let (outbox, _) = Outbox::open(folder.join("outbox")).unwrap();
    let path = folder.join("alerts.jsonl");
    let outputs: Vec<OutputConfig> =
        serde_saphyr::from_str(&format!("- file: {{path: '{}'}}", path.display())).unwrap();
    let surroundings = Surroundings {
        state_dir: folder.to_owned(),
        hostname: None,
    };
    let deliveries = Deliveries::start(&outputs, &outbox, &surroundings).unwrap();
    for first in (0..ALERTS).step_by(5) {
        let batch: Vec<Alert> = (first..first + 5).map(alert).collect();
        outbox.append(&batch).unwrap().await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(deliveries.drain(Duration::from_secs(30)).await.is_empty());
}

fn start(folder: &Path) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "kills::worker"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn killed_twenty_times_each_alert_stands_in_the_file_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    for kill in 0..KILLS {
        let mut worker = start(folder.path());
        std::thread::sleep(Duration::from_millis(20 + kill * 37 % 300));
        worker.kill().unwrap();
        worker.wait().unwrap();
    }
    assert!(start(folder.path()).wait().unwrap().success());
    let text = std::fs::read_to_string(folder.path().join("alerts.jsonl")).unwrap();
    let rendered = kubevigil_alerts::Renderer::default();
    let expected: Vec<String> = (0..ALERTS)
        .map(|number| rendered.line(&alert(number)))
        .collect();
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
}
