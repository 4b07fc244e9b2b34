//! `kill -9` in mode durable: no event of an answered request is lost.

use std::collections::HashSet;
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::daemon::Setup;
use crate::gate::{Client, Place, events, kubeconfig};

#[test]
fn no_event_of_an_answered_request_is_lost_to_kills() {
    let place = Place::new().with_log().with(&["--audit-log-mode=durable"]);
    let answered = Mutex::new(Vec::new());
    for round in 0..4 {
        let daemon = place.start();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for client in 0..4 {
                let (daemon, stop, answered) = (&daemon, &stop, &answered);
                let mut client = (Client::connect(daemon), client, 0);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        client.2 += 1;
                        let target = format!("/api/v1/pods?id={round}-{}-{}", client.1, client.2);
                        client.0.send("jane", "GET", &target, "");
                        match client.0.answer() {
                            Some(answer) if answer.status == 200 => {
                                answered.lock().unwrap().push(target);
                            }
                            _ => return,
                        }
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(400));
            daemon.signal("KILL");
            stop.store(true, Ordering::Relaxed);
        });
    }
    let mut daemon = place.start();
    let waiting = "kubevigil_record_durable_waiting{backend=\"log\"}";
    daemon.counts(waiting, 0);
    daemon.terminate();
    let log = fs::read_to_string(place.path("audit.log")).unwrap();
    let recorded: HashSet<String> = events(&log)
        .iter()
        .filter(|event| event["stage"] == "ResponseComplete")
        .map(|event| event["requestURI"].as_str().unwrap().to_owned())
        .collect();
    let answered = answered.into_inner().unwrap();
    assert!(answered.len() > 20, "only {} requests", answered.len());
    let lost = answered.iter().filter(|target| !recorded.contains(*target));
    assert_eq!(lost.count(), 0, "of {}", answered.len());
}

#[test]
fn events_wait_for_a_webhook_that_is_away() {
    let mut setup = Setup::new().with_rules("rules.yaml", crate::backends::READS_BY_JANE);
    let daemon = setup.start();
    let address = daemon.webhook();
    daemon.terminate();
    let place = Place::new().with(&[
        "--audit-webhook-config-file={}/webhook.yaml",
        "--audit-webhook-mode=durable",
        "--audit-webhook-initial-backoff=100ms",
        "--audit-webhook-batch-max-wait=0s",
    ]);
    place.write(
        "webhook.yaml",
        &kubeconfig(&format!("http://{address}/k8s_audit")),
    );
    let mut gate = place.start();
    let target = "/api/v1/namespaces/dev/secrets/db";
    assert_eq!(
        Client::connect(&gate).ask("jane", "GET", target, "").status,
        200
    );
    gate.counts("kubevigil_record_durable_waiting{backend=\"webhook\"}", 1);
    gate.kill();
    setup.sources = format!("{{webhook: {{listen: '{address}'}}}}");
    let daemon = setup.start();
    let mut gate = place.start();
    setup.alerts().wait_for(1);
    gate.counts("kubevigil_record_durable_waiting{backend=\"webhook\"}", 0);
    gate.terminate();
    daemon.terminate();
}
