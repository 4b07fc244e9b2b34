//! What people read about their kubeconfigs. A case is a kubeconfig; beside it lie certificates and tokens that it may name.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

use kubevigil_diagnostics::render_text;
use kubevigil_kubeconfig::{Access, AccessError, Kubeconfig};
use proptest::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

/// What no text for people may hold.
const SECRETS: [&str; 3] = ["hunter22", "abc", "PRIVATE KEY-----\n"];

#[test]
fn each_kubeconfig_gets_the_words_beside_it() {
    let folder = folder_of_credentials();
    insta::glob!("mistakes/*.yaml", |path| {
        let said = said(&fs::read_to_string(path).unwrap(), folder.path());
        for secret in SECRETS {
            assert!(!said.contains(secret), "{secret} in {said}");
        }
        insta::assert_snapshot!(said);
    });
}

#[test]
fn all_mistakes_are_on_one_line_each_where_nothing_can_be_drawn() {
    let folder = folder_of_credentials();
    let path = folder.path().join("config");
    let case = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/mistakes/several-mistakes-at-once.yaml"
    );
    fs::copy(case, &path).unwrap();
    let error = Access::load(&path, None).unwrap_err();
    insta::assert_snapshot!(relative(&error.to_string(), folder.path()));
    let gone = Access::load(Path::new("gone"), None).unwrap_err();
    assert!(
        gone.to_string()
            .starts_with("cannot read the kubeconfig gone: "),
        "{gone}"
    );
}

fn said(text: &str, folder: &Path) -> String {
    let said = match Kubeconfig::read("config", text) {
        Err(wrong) => render_text(&[*wrong], false),
        Ok(kubeconfig) => match Access::from_kubeconfig(&kubeconfig, folder) {
            Ok(access) => {
                let warnings = render_text(&access.warnings, false);
                let Access {
                    server,
                    credentials,
                    ..
                } = &access;
                let tls = access.tls.is_some();
                format!("{warnings}{server} (TLS: {tls}) with {credentials:?}\n")
            }
            Err(error @ AccessError::Mistakes(_)) => render_text(error.diagnostics(), false),
            Err(error) => error.to_string(),
        },
    };
    relative(&said, folder)
}

fn relative(text: &str, folder: &Path) -> String {
    text.replace(&format!("{}/", folder.display()), "")
}

fn folder_of_credentials() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["client".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    write("client.crt", &certificate.pem());
    write("client.key", &key.serialize_pem());
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    write("ca.crt", &params.self_signed(&key).unwrap().pem());
    write("other.key", &KeyPair::generate().unwrap().serialize_pem());
    write("token", "abc\n");
    write("empty", "\n");
    folder
}

/// Texts that come near to kubeconfigs.
fn any_text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        ".{0,8}",
        prop::sample::select(vec![
            "current-context: a\n",
            "contexts:\n- {name: a, context: {cluster: c, user: u}}\n",
            "clusters:\n- name: c\n  cluster: {server: https://a, insecure-skip-tls-verify: true}\n",
            "users:\n- name: u\n  user:\n",
            "    token: ",
            "    tokenFile: ",
            "    username: ",
            "    client-certificate-data: ",
            "    client-key-data: LS0t",
            "    exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: ",
            "env: [{name: a}]",
            "\"\\x00é\"",
            "\n",
            "}",
            "&a ",
            "*a ",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(word, 0..12).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn no_text_stops_the_reader(text in any_text()) {
        said(&text, Path::new("/nowhere"));
    }

    #[test]
    fn no_value_stops_the_reader_or_shows_a_secret(secret in "[a-z]{12}", server in ".{0,20}", other in ".{0,20}", field in 0..9_usize) {
        let fields = ["token", "password", "client-key-data", "username", "tokenFile", "client-certificate-data", "exec", "auth-provider", "as"];
        let value = serde_json::Value::from(other);
        let server = serde_json::Value::from(server);
        let text = format!(
            "current-context: a\ncontexts: [{{name: a, context: {{cluster: c, user: u}}}}]\nclusters: [{{name: c, cluster: {{server: {server}}}}}]\n\
             users: [{{name: u, user: {{token: {secret}, password: {secret}, client-key-data: {secret}, {}: {value}}}}}]\n",
            fields.get(field).unwrap(),
        );
        let said = said(&text, Path::new("/nowhere"));
        prop_assert!(!said.contains(&secret), "{}", said);
    }
}
