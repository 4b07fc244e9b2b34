//! Where events go: files that rotate, webhooks, both.

use std::fs;
use std::path::Path;

use crate::daemon::Setup;
use crate::gate::{Client, Place, events, kubeconfig};

#[test]
fn a_log_rotates_by_size_and_loses_nothing() {
    let place = Place::new()
        .with_log()
        .with(&["--audit-log-maxsize=1", "--audit-log-maxbackup=0"]);
    let daemon = place.start();
    let mut client = Client::connect(&daemon);
    let filling = "x".repeat(100_000);
    let body = format!(r#"{{"kind":"ConfigMap","apiVersion":"v1","data":{{"a":"{filling}"}}}}"#);
    for number in 0..12 {
        let target = format!("/api/v1/namespaces/dev/configmaps?number={number}");
        assert_eq!(client.ask("jane", "POST", &target, &body).status, 201);
    }
    daemon.terminate();
    let mut found = Vec::new();
    let files: Vec<_> = fs::read_dir(place.path("audit.log").parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| is_log(path))
        .collect();
    assert!(files.len() > 1, "{files:?}");
    for file in files {
        assert!(fs::metadata(&file).unwrap().len() <= 1 << 20);
        found.extend(events(&fs::read_to_string(file).unwrap()));
    }
    assert_eq!(found.len(), 12);
}

fn is_log(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    name.starts_with("audit") && name.ends_with(".log")
}

#[test]
fn the_webhook_backend_feeds_a_daemon() {
    let mut setup = Setup::new().with_rules("rules.yaml", READS_BY_JANE);
    let daemon = setup.start();
    let place = Place::new().with(&[
        "--audit-webhook-config-file={}/webhook.yaml",
        "--audit-webhook-batch-max-wait=100ms",
    ]);
    let server = format!("http://{}/k8s_audit", daemon.webhook());
    place.write("webhook.yaml", &kubeconfig(&server));
    let gate = place.start();
    let mut client = Client::connect(&gate);
    client.ask("jane", "GET", "/api/v1/namespaces/dev/secrets/db", "");
    client.ask("admin", "GET", "/api/v1/namespaces/dev/secrets/db", "");
    let alert = &setup.alerts().wait_for(1)[0];
    assert_eq!(alert["output"], "jane read db");
    gate.terminate();
    daemon.terminate();
}

/// One rule.
pub(crate) const READS_BY_JANE: &str = "
- rule: Secret read
  desc: Somebody reads a secret.
  condition: ka.verb = get and ka.target.resource = secrets and ka.user.name = jane
  output: '%ka.user.name read %ka.target.name'
  priority: WARNING
  source: k8s_audit
";

#[test]
fn a_webhook_that_is_away_holds_nobody_up_in_mode_batch() {
    let place = Place::new().with_log().with(&[
        "--audit-webhook-config-file={}/webhook.yaml",
        "--audit-webhook-batch-max-wait=0s",
        "--audit-webhook-initial-backoff=10ms",
    ]);
    place.write("webhook.yaml", &kubeconfig("http://127.0.0.1:1/k8s_audit"));
    let mut daemon = place.start();
    let answer = Client::connect(&daemon).ask("jane", "GET", "/api/v1/pods", "");
    assert_eq!(answer.status, 200);
    daemon.counts("apiserver_audit_error_total{plugin=\"webhook\"}", 1);
    assert_eq!(
        daemon.metric("apiserver_audit_error_total{plugin=\"log\"}"),
        Some(0)
    );
    assert_eq!(daemon.metric("apiserver_audit_event_total"), Some(1));
    assert_eq!(
        daemon.metric("apiserver_audit_level_total{level=\"RequestResponse\"}"),
        Some(1)
    );
    place.events(1);
}
