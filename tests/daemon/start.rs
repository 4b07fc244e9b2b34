//! What keeps a daemon from starting: found before anything runs, said so that it can be mended, exit code 2.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;

use crate::authority::Authority;
use crate::daemon::{Setup, failure};

/// Asserts exit code 2 and what is said.
fn refuses(setup: &Setup, expected: &[&str]) {
    let (code, log) = setup.fails();
    assert_eq!(code, Some(2), "{log}");
    for part in expected {
        assert!(log.contains(part), "expected `{part}` in:\n{log}");
    }
    assert!(!log.contains("is running"), "{log}");
}

#[test]
fn a_state_folder_is_for_one_daemon() {
    let mut setup = Setup::new();
    let daemon = setup.start();
    let process = daemon.child.id().to_string();
    refuses(&setup, &["is in use by another process", &process, "state"]);
    daemon.kill();
    setup.start().terminate();
}

#[test]
fn a_state_folder_of_somebody_else_is_refused() {
    let setup = Setup::new();
    fs::create_dir(&setup.state).unwrap();
    if chown(&setup.state, Some(12_345), None).is_err() {
        eprintln!("skipped: giving a folder away needs root");
        return;
    }
    refuses(&setup, &["belongs to user 12345", "--state-dir"]);
}

#[test]
fn a_state_folder_that_cannot_be_is_named() {
    let mut setup = Setup::new();
    let file = setup.write("a-file", "");
    setup.state = file.join("state");
    refuses(&setup, &["a-file/state", "--state-dir"]);
}

#[test]
fn ports_in_use_are_named_with_their_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut setup = Setup::new();
    setup.sources = format!("{{webhook: {{listen: '{address}'}}}}");
    refuses(&setup, &[&address, "webhook.listen", "in use"]);
    let (_, log) = setup.fails();
    assert_eq!(log.matches("os error").count(), 1, "said once: {log}");

    let setup = Setup::new();
    let config = format!(
        "state_dir: {}\nsources: {{webhook: {{listen: '127.0.0.1:0'}}}}\nhealth: {{listen: '{address}'}}\n",
        setup.state.display()
    );
    let file = setup.write("health.yaml", &config);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_kubevigil"));
    let (code, log) = failure(command.args(["run", "-c"]).arg(file));
    assert_eq!(code, Some(2), "{log}");
    assert!(
        log.contains(&address) && log.contains("health.listen") && log.contains("in use"),
        "{log}"
    );
}

#[test]
fn certificates_that_cannot_be_used_are_named() {
    let authority = Authority::new();
    let mut setup = Setup::new();
    authority.server().write(&setup, "server");
    authority.server().write(&setup, "other");
    setup.write(
        "broken.crt",
        "-----BEGIN CERTIFICATE-----\nnot base64 at all !\n-----END CERTIFICATE-----\n",
    );
    setup.write("empty.crt", "");
    let cases = [
        ("missing.crt", "server.key", "missing.crt"),
        ("server.crt", "missing.key", "missing.key"),
        ("broken.crt", "server.key", "broken.crt"),
        ("empty.crt", "server.key", "empty.crt"),
        ("server.crt", "other.key", "other.key"),
        ("server.crt", "server.crt", "server.crt"),
    ];
    for (certificate, key, named) in cases {
        let (certificate, key) = (setup.path(certificate), setup.path(key));
        setup.sources = format!(
            "{{webhook: {{listen: '127.0.0.1:0', tls: {{certificate: {}, key: {}}}}}}}",
            certificate.display(),
            key.display()
        );
        refuses(&setup, &[named]);
    }
}

#[test]
fn a_broken_configuration_is_explained() {
    let mut setup = Setup::new();
    setup.journal = "{retain_byte: 5}".to_owned();
    refuses(
        &setup,
        &[
            "kubevigil.yaml",
            "retain_byte",
            "did you mean `retain_bytes`?",
        ],
    );
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_kubevigil"));
    let (code, log) = failure(command.args(["run", "-c", "/no/such/kubevigil.yaml"]));
    assert_eq!(code, Some(2), "{log}");
    assert!(log.contains("/no/such/kubevigil.yaml"), "{log}");
}

#[test]
fn rules_that_do_not_load_are_explained() {
    let setup = Setup::new();
    setup.write("rules.yaml", "- rule: Half a rule\n  desc: d\n  condition: ka.verb = get and\n  output: o\n  priority: DEBUG\n  source: k8s_audit\n");
    refuses(&setup, &["rules.yaml", "were not loaded"]);
    fs::remove_file(setup.path("rules.yaml")).unwrap();
    refuses(&setup, &["rules.yaml", "cannot be read"]);
}

#[test]
fn an_output_into_a_folder_that_is_not_there_is_named() {
    let mut setup = Setup::new();
    setup.outputs = format!(
        "[file: {{path: {}}}]",
        setup.path("no/folder/alerts.jsonl").display()
    );
    refuses(&setup, &["no/folder"]);
}
