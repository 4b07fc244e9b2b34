//! What keeps a gateway from starting, and what it says when it has started.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use crate::daemon::failure;
use crate::gate::Place;

#[test]
fn the_start_says_what_runs_and_where_events_go() {
    let place = Place::new().with_log().with(&[
        "--audit-webhook-config-file={}/webhook.yaml",
        "--audit-log-truncate-enabled",
        "--etcd-servers=https://127.0.0.1:2379",
        "--profiling",
    ]);
    place.write(
        "webhook.yaml",
        &crate::gate::kubeconfig("http://127.0.0.1:1/k8s_audit"),
    );
    let log = place.start().terminate();
    for said in [
        "recording to union[truncate<ignoreErrors<log>>,buffered<webhook>]",
        "ignored, since they mean nothing to a gateway: --etcd-servers, --profiling",
        "asking the API server about tokens, and passed through; requests without credentials are let in",
        "auditing gateway on http://127.0.0.1:",
        "stopping: taking no more requests",
    ] {
        assert!(log.contains(said), "{said} is not in\n{log}");
    }
}

#[test]
fn a_broken_policy_is_shown_and_nothing_starts() {
    let place = Place::new().with_log();
    place.write(
        "policy.yaml",
        "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Everything\n",
    );
    let (code, log) = failure(&mut place.command());
    assert_eq!(code, Some(2), "{log}");
    assert!(
        log.contains("policy.yaml") && log.contains("Everything"),
        "{log}"
    );
    assert!(!place.path("audit.log").exists(), "nothing was made");
}

#[test]
fn a_port_in_use_is_named_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for flag in ["--secure-port=", "--metrics-listen=127.0.0.1:"] {
        let place = Place::new().with_log().with(&[&format!("{flag}{port}")]);
        let (code, log) = failure(&mut place.command());
        assert_eq!(code, Some(2), "{log}");
        assert!(log.contains(&format!("127.0.0.1:{port}")), "{log}");
    }
}

#[test]
fn an_upstream_that_is_the_gateway_itself_is_refused() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let place = Place::new()
        .with_log()
        .with(&[&format!("--secure-port={}", free.port())]);
    place.write(
        "upstream.yaml",
        &crate::gate::kubeconfig(&format!("http://{free}")),
    );
    let (code, log) = failure(&mut place.command());
    assert_eq!(code, Some(2), "{log}");
    assert!(log.contains("round and round"), "{log}");
}

#[test]
fn a_log_that_cannot_be_written_keeps_the_gateway_from_starting() {
    let place = Place::new().with(&["--audit-log-path={}/policy.yaml/audit.log"]);
    let (code, log) = failure(&mut place.command());
    assert_eq!(code, Some(2), "{log}");
    assert!(log.contains("policy.yaml/audit.log"), "{log}");
}

#[test]
fn two_gateways_cannot_have_one_log() {
    let place = Place::new().with_log();
    let daemon = place.start();
    let (code, log) = failure(&mut place.command());
    assert_eq!(code, Some(2), "{log}");
    assert!(
        log.contains("audit.log is in use by another gateway"),
        "{log}"
    );
    // Whoever checks a new policy need not stop it.
    let check = place.command().arg("--check").output().unwrap();
    assert!(check.status.success(), "{check:?}");
    daemon.terminate();
    place.start().terminate();
}

#[test]
fn a_pipe_that_nobody_reads_does_not_hold_the_start_up() {
    let place = Place::new().with(&["--audit-log-path={}/pipe"]);
    let made = Command::new("mkfifo").arg(place.path("pipe")).status();
    assert!(made.unwrap().success());
    let (code, log) = failure(&mut place.command());
    assert_eq!(code, Some(2), "{log}");
    assert!(
        log.contains("pipe that nobody reads; start its reader first"),
        "{log}"
    );
}

#[test]
fn files_are_named_by_their_flags_at_the_start() {
    let place = Place::new().with_log().with(&[
        "--tls-cert-file={}/policy.yaml",
        "--tls-private-key-file={}/none.key",
        "--upstream-context=other",
    ]);
    let (code, log) = failure(&mut place.command());
    assert_eq!(code, Some(2), "{log}");
    for said in [
        "--upstream-kubeconfig: ",
        "there is no context named `other`; the only one is `c`",
        "--tls-",
    ] {
        assert!(log.contains(said), "{said} is not in\n{log}");
    }
    assert!(!place.path("audit.log").exists(), "nothing was made");
}

#[test]
fn events_go_to_standard_output_and_nothing_else_does() {
    let place = Place::new().with(&["--audit-log-path=-"]);
    let mut command = place.command();
    let mut daemon = crate::daemon::Daemon::spawn(command.stdout(Stdio::piped())).ready();
    let mut client = crate::gate::Client::connect(&daemon);
    client.ask("jane", "GET", "/api/v1/pods", "");
    let mut stdout = daemon.child.stdout.take().unwrap();
    daemon.terminate();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut stdout, &mut text).unwrap();
    let events = crate::gate::events(&text);
    assert_eq!(events.len(), 1, "{text}");
    assert_eq!(events[0]["verb"], "list");
}
