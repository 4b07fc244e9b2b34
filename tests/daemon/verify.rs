//! `kubevigil setup verify` against a running daemon: each way to fail is named, with what to do.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::authority::Authority;
use crate::daemon::{Daemon, Setup};

/// Runs `kubevigil setup` with these words; its exit code and what it prints.
fn setup(words: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubevigil"));
    let output = command.arg("setup").args(words).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// A URL of the daemon, and files of the test as words for the command.
fn verify(daemon: &Daemon, scheme: &str, words: &[&str], files: &Setup) -> (Option<i32>, String) {
    let url = format!("{scheme}://{}", daemon.webhook());
    let path = |word: &&str| {
        if word.starts_with("--") {
            (*word).to_owned()
        } else {
            files.path(word).display().to_string()
        }
    };
    let words: Vec<String> = words.iter().map(path).collect();
    let words = ["verify", &url]
        .into_iter()
        .chain(words.iter().map(String::as_str));
    setup(&words.collect::<Vec<_>>())
}

fn assert_fails(outcome: &(Option<i32>, String), step: &str, remedy: &str) {
    let (code, text) = outcome;
    assert_eq!(*code, Some(1), "{text}");
    let (done, failed) = text.split_once("failed  ").unwrap();
    assert!(done.lines().all(|line| line.starts_with("ok ")), "{text}");
    assert!(failed.starts_with(step), "expected `{step}`: {text}");
    assert!(failed.contains(remedy), "expected `{remedy}`: {text}");
}

const EVENTS: &str = "kubevigil_source_events_total{source=\"webhook\"}";

#[test]
fn the_canary_arrives_and_alerts_nobody() {
    let mut files = Setup::new();
    files.rules = "{profile: paranoid}".to_owned();
    let mut daemon = files.start();
    let (code, text) = verify(&daemon, "http", &[], &files);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("accepted with 200"), "{text}");
    daemon.counts(EVENTS, 1);
    verify(&daemon, "http", &[], &files);
    daemon.counts(EVENTS, 2);
    daemon.terminate();
    assert_eq!(files.alerts().ids(), [""; 0]);
}

#[test]
fn where_nothing_listens_the_connection_is_refused() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let outcome = setup(&["verify", &format!("http://{address}")]);
    assert_fails(&outcome, "connecting to", "Nothing listens there");
}

/// A daemon that wants a token.
fn with_token(authority: &Authority) -> (Setup, Daemon) {
    let mut files = Setup::new();
    authority.server().write(&files, "server");
    files.write("ca.crt", &authority.pem());
    files.write("tokens", "correct-horse-battery\n");
    files.write("wrong", "wrong-horse-battery\n");
    let path = |name: &str| files.path(name).display().to_string();
    files.sources = format!(
        "{{webhook: {{listen: '127.0.0.1:0', tokens: {}, tls: {{certificate: {}, key: {}}}}}}}",
        path("tokens"),
        path("server.crt"),
        path("server.key")
    );
    let daemon = files.start();
    (files, daemon)
}

#[test]
fn the_authority_and_the_token_must_be_right() {
    let (files, daemon) = with_token(&Authority::new());
    files.write("other.crt", &Authority::new().pem());
    let outcome = verify(
        &daemon,
        "https",
        &["--ca", "ca.crt", "--token-file", "tokens"],
        &files,
    );
    assert_eq!(outcome.0, Some(0), "{}", outcome.1);
    for token in [&[][..], &["--token-file", "wrong"]] {
        let outcome = verify(
            &daemon,
            "https",
            &[&["--ca", "ca.crt"], token].concat(),
            &files,
        );
        assert_fails(
            &outcome,
            "authentication: answered with 401",
            "--token-file",
        );
    }
    let outcome = verify(
        &daemon,
        "https",
        &["--ca", "other.crt", "--token-file", "tokens"],
        &files,
    );
    assert_fails(&outcome, "TLS with", "Give the authority that signed it");
    assert!(
        outcome.1.contains("of another authority than --ca"),
        "{}",
        outcome.1
    );
    assert_eq!(daemon.metric(EVENTS), Some(1));
}

#[test]
fn the_scheme_must_be_right() {
    let (files, daemon) = with_token(&Authority::new());
    let outcome = verify(&daemon, "http", &[], &files);
    assert_fails(&outcome, "", "https://");
    let mut plain = Setup::new();
    let daemon = plain.start();
    let outcome = verify(&daemon, "https", &["--ca", "ca.crt"], &files);
    assert_fails(&outcome, "TLS with", "speaks plain HTTP");
}

#[test]
fn the_certificate_must_be_there_and_of_the_right_name() {
    let (authority, other) = (Authority::new(), Authority::new());
    let mut files = Setup::new();
    authority.server().write(&files, "server");
    authority
        .client("kube-apiserver-audit")
        .write(&files, "client");
    authority.client("somebody").write(&files, "somebody");
    other
        .client("kube-apiserver-audit")
        .write(&files, "foreign");
    files.write("ca.crt", &authority.pem());
    let path = |name: &str| files.path(name).display().to_string();
    files.sources = format!(
        "{{webhook: {{listen: '127.0.0.1:0', tls: {{certificate: {}, key: {}, client_ca: {}, allowed_names: [kube-apiserver-audit]}}}}}}",
        path("server.crt"),
        path("server.key"),
        path("ca.crt")
    );
    let daemon = files.start();
    let try_with = |name: &str| {
        let (cert, key) = (format!("{name}.crt"), format!("{name}.key"));
        verify(
            &daemon,
            "https",
            &["--ca", "ca.crt", "--cert", &cert, "--key", &key],
            &files,
        )
    };
    let outcome = try_with("client");
    assert_eq!(outcome.0, Some(0), "{}", outcome.1);
    assert_fails(
        &try_with("foreign"),
        "authentication: kubevigil refuses",
        "client_ca",
    );
    assert_fails(
        &try_with("somebody"),
        "authentication: answered with 403",
        "allowed_names",
    );
    let without = verify(&daemon, "https", &["--ca", "ca.crt"], &files);
    assert_fails(
        &without,
        "authentication: kubevigil asks for a client certificate",
        "--cert and --key",
    );
}

/// What somebody types who follows the steps, with a port of the test's own.
fn follow_the_steps(auth: &str, credentials: &[&str]) {
    let files = Setup::new();
    let folder = files.path("out");
    let at = |name: &str| folder.join(name).display().to_string();
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let policy = files.write("policy.yaml", "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitManagedFields: true\nrules: [{level: Metadata}]\n");
    let (code, steps) = setup(&[
        "kubeadm",
        "--output",
        &folder.display().to_string(),
        "--address",
        &address,
        "--auth",
        auth,
        "--policy",
        &policy.display().to_string(),
    ]);
    assert_eq!(code, Some(0), "{steps}");
    assert!(steps.contains("## 1. Start kubevigil"), "{steps}");

    let manifest = at("kubeadm/cluster-configuration-v1beta4.yaml");
    let (code, text) = setup(&[
        "check",
        "--manifest",
        &manifest,
        "--webhook-config",
        &at("api-server/webhook.yaml"),
        "--policy",
        &at("api-server/policy.yaml"),
    ]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(
        text.lines().filter(|line| line.ends_with(": ok")).count(),
        3,
        "{text}"
    );

    let mut daemon = start(&folder, &files);
    let url = format!("https://{address}");
    let words: Vec<String> = credentials
        .iter()
        .map(|word| {
            if word.starts_with("--") {
                (*word).to_owned()
            } else {
                at(word)
            }
        })
        .collect();
    let ca = at("client/ca.crt");
    let with: Vec<&str> = ["verify", &url, "--ca", &ca]
        .into_iter()
        .chain(words.iter().map(String::as_str))
        .collect();
    let (code, text) = setup(&with);
    assert_eq!(code, Some(0), "{text}");
    daemon.counts(EVENTS, 1);
    let (code, text) = setup(&["verify", &url, "--ca", &ca]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("failed  authentication: "), "{text}");
}

/// `kubevigil config check` and `kubevigil run` with the generated configuration; only the health server gets a free port.
fn start(folder: &Path, files: &Setup) -> Daemon {
    let config = folder.join("kubevigil.yaml");
    let mut text = fs::read_to_string(&config).unwrap();
    text.push_str("health: {listen: '127.0.0.1:0'}\n");
    fs::write(&config, text).unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_kubevigil"));
    let checked = check
        .args(["config", "check"])
        .arg(&config)
        .output()
        .unwrap();
    assert!(
        checked.status.success(),
        "{}",
        String::from_utf8_lossy(&checked.stdout)
    );
    let mut run = Command::new(env!("CARGO_BIN_EXE_kubevigil"));
    run.arg("run")
        .arg("-c")
        .arg(&config)
        .arg("--state-dir")
        .arg(&files.state);
    let mut daemon = Daemon::spawn(run.stdin(Stdio::null()).stdout(Stdio::null()));
    daemon.until("the daemon listens", |daemon| {
        daemon.log().contains("health checks and metrics on")
    });
    daemon
}

#[test]
fn who_follows_the_steps_gets_in_with_the_generated_certificate_and_not_without() {
    follow_the_steps(
        "certificate",
        &["--cert", "client/client.crt", "--key", "client/client.key"],
    );
}

#[test]
fn who_follows_the_steps_gets_in_with_the_generated_token_and_not_without() {
    follow_the_steps("token", &["--token-file", "client/token"]);
}
