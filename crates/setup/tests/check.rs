//! API servers with something to say about, and what is said: the text that people see.
//!
//! A case is the files of an API server, each below a line `=== manifest`, `=== flags`, `=== webhook` or `=== policy`. A first line `kubernetes 1.33`
//! names the version. `!` stands before what keeps an API server from starting.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fmt::Write as _;
use std::fs;

use kubevigil_audit::policy::PolicyFile;
use kubevigil_diagnostics::{Diagnostic, render_text};
use kubevigil_plan::KubernetesVersion;
use kubevigil_setup::check::{Subject, check, figures};
use kubevigil_setup::server::Server;
use proptest::prelude::*;

#[test]
fn each_api_server_gets_the_findings_beside_it() {
    insta::glob!("check/*.case", |path| {
        insta::assert_snapshot!(said(&fs::read_to_string(path).unwrap()));
    });
}

#[test]
fn every_code_is_found_in_some_case_and_one_case_has_none() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/check");
    let cases = fs::read_dir(folder).unwrap();
    let said: Vec<String> = cases
        .map(|entry| said(&fs::read_to_string(entry.unwrap().path()).unwrap()))
        .collect();
    for code in ["C22", "C23", "C24", "C25"] {
        assert!(
            said.iter().any(|text| text.contains(&format!("[{code}]"))),
            "{code}"
        );
    }
    assert!(said.iter().any(|text| !text.contains("[C")));
}

#[test]
fn no_text_stops_the_checks() {
    for text in [
        "",
        "\0",
        "- [",
        "a: &a [*a]",
        "--",
        "--=",
        "-- --audit-log-path",
        "kind: Pod\nspec: []",
        "{}",
        "contexts: 1\ncurrent-context: []",
    ] {
        said(&format!("=== flags\n{text}"));
        said(&format!(
            "=== manifest\n{text}\n=== webhook\n{text}\n=== policy\n{text}"
        ));
    }
}

/// Something between flags, YAML and noise.
fn any_file() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "[ \\n:\\-\"'{}\\[\\],#&*|0-9a-zµ]{0,6}",
        prop::sample::select(vec![
            "--audit-log-path=",
            "--audit-log-maxsize=",
            "--audit-policy-file=/p ",
            "--audit-webhook-config-file=/w ",
            "--audit-webhook-batch-max-size=9223372036854775807 ",
            "--audit-webhook-batch-throttle-qps=NaN ",
            "--audit-webhook-truncate-enabled ",
            "kind: Pod\n",
            "kind: ClusterConfiguration\n",
            "apiServer: ",
            "extraArgs: ",
            "kube-apiserver-arg: ",
            "users: [{name: a, user: {token: ",
            "current-context: a\n",
            "server: ",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(word, 0..12).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn any_files_are_checked_without_a_stop(one in any_file(), two in any_file()) {
        said(&format!("=== flags\n{one}\n=== webhook\n{two}"));
        said(&format!("=== manifest\n{one}\n=== webhook\n{two}"));
    }
}

fn said(case: &str) -> String {
    let mut said = String::new();
    let mut broken = |diagnostic: Box<Diagnostic>| {
        let _ = write!(said, "! {}", render_text(&[*diagnostic], false));
    };
    let (mut server, mut kubeconfig, mut policy) = (None, None, None);
    let (head, files) = case.split_once("=== ").unwrap();
    for file in files.split("\n=== ") {
        let (name, text) = file.split_once('\n').unwrap_or((file, ""));
        match name {
            "manifest" => server = Server::from_manifest(name, text).map_err(&mut broken).ok(),
            "flags" => server = Some(Server::from_flags(name, text)),
            "webhook" => {
                kubeconfig = kubevigil_setup::kubeconfig::read(name, text)
                    .map_err(&mut broken)
                    .ok()
            }
            "policy" => policy = Some(PolicyFile::read(name, text)),
            _ => panic!("no file is called {name}"),
        }
    }
    let version = head.trim().strip_prefix("kubernetes ");
    let subject = Subject {
        server: server.as_ref(),
        kubeconfig: kubeconfig.as_ref(),
        policy: policy.as_ref(),
        version: version.map_or(KubernetesVersion::DEFAULT, |version| {
            version.parse().unwrap()
        }),
    };
    for finding in check(&subject) {
        let mark = if finding.is_fatal { "! " } else { "" };
        let _ = write!(said, "{mark}{}", render_text(&[finding.diagnostic], false));
    }
    for figure in server
        .iter()
        .flat_map(|server| figures(server, subject.version))
    {
        let _ = writeln!(said, "{}", figure.text);
    }
    said
}
