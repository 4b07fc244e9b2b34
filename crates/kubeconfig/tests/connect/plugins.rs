//! Exec plugins: real shell scripts.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::server::{Server, ask, read};
use crate::{CA, later};

const V1: &str = "apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never";

/// A server and a plugin; each run adds a letter to the file `runs`.
async fn server_with(script: &str) -> Server {
    let server = Server::start(&["127.0.0.1"]).await;
    let text = format!("#!/bin/sh\ncd \"$(dirname \"$0\")\"\nprintf x >> runs\n{script}\n");
    let path = server.write("plugin.sh", &text);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    server
}

fn runs(server: &Server) -> usize {
    read(&server.folder.path().join("runs")).len()
}

fn credential(status: &Value) -> String {
    let credential = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status});
    format!("cat <<'END'\n{credential}\nEND")
}

fn user(more: &str) -> String {
    format!("exec: {{{V1}, command: ./plugin.sh{more}}}")
}

#[tokio::test]
async fn a_plugin_runs_once_for_all_who_wait_and_is_told_what_it_needs() {
    let script = format!(
        "printf '%s' \"$KUBERNETES_EXEC_INFO\" > info\nprintf '%s' \"$1 $2 $COLOUR $PATH\" > rest\nsleep 0.2\n{}",
        credential(&json!({"token": "t0ken"}))
    );
    let server = server_with(&script).await;
    let more =
        ", args: [get, 'a token'], env: [{name: COLOUR, value: blue}], provideClusterInfo: true";
    let cluster = format!(
        "{CA}, extensions: [{{name: client.authentication.k8s.io/exec, extension: {{audience: 'x', depth: 3}}}}]"
    );
    let client = server.client(&cluster, &user(more));
    let all = [(); 8].map(|()| ask(&client));
    let [a, b, c, d, e, f, g, h] = all;
    let answers = tokio::join!(a, b, c, d, e, f, g, h);
    assert_eq!(answers.0, Ok(200));
    assert_eq!(answers.7, Ok(200));
    assert_eq!(runs(&server), 1);
    assert!(
        server
            .seen()
            .iter()
            .all(|seen| seen.authorization.as_deref() == Some("Bearer t0ken"))
    );

    let info: Value = serde_json::from_str(&read(&server.folder.path().join("info"))).unwrap();
    let address = format!("https://127.0.0.1:{}/base/", server.port);
    assert_eq!(info["apiVersion"], "client.authentication.k8s.io/v1");
    assert_eq!(info["spec"]["interactive"], false);
    let cluster = &info["spec"]["cluster"];
    assert_eq!(cluster["server"], address.as_str());
    assert_eq!(cluster["config"], json!({"audience": "x", "depth": 3}));
    assert!(
        cluster["certificate-authority-data"]
            .as_str()
            .unwrap()
            .len()
            > 100
    );
    let rest = read(&server.folder.path().join("rest"));
    assert!(
        rest.starts_with("get a token blue /"),
        "arguments, its own environment and ours: {rest}"
    );
}

#[tokio::test]
async fn a_run_goes_on_when_its_caller_has_gone() {
    let script = format!("sleep 0.3\n{}", credential(&json!({"token": "a"})));
    let server = server_with(&script).await;
    let access = server.access(CA, &user("")).unwrap();
    for _ in 0..3 {
        let asked = access.credentials.authorization();
        let patience = std::time::Duration::from_millis(50);
        assert!(tokio::time::timeout(patience, asked).await.is_err());
    }
    assert!(access.credentials.authorization().await.unwrap().is_some());
    assert_eq!(runs(&server), 1);
}

#[tokio::test]
async fn what_has_expired_is_asked_for_again() {
    let status = json!({"token": "a", "expirationTimestamp": "2020-01-01T00:00:00Z"});
    let server = server_with(&credential(&status)).await;
    let client = server.client(CA, &user(""));
    assert_eq!(ask(&client).await, Ok(200));
    assert_eq!(ask(&client).await, Ok(200));
    assert_eq!(runs(&server), 2);

    let status = json!({"token": "a", "expirationTimestamp": "2999-01-01T00:00:00+01:00"});
    let server = server_with(&credential(&status)).await;
    let client = server.client(CA, &user(""));
    assert_eq!(ask(&client).await, Ok(200));
    assert_eq!(ask(&client).await, Ok(200));
    assert_eq!(runs(&server), 1);
}

#[tokio::test]
async fn what_is_refused_is_asked_for_again_but_not_at_once() {
    let server = server_with(&credential(&json!({"token": "a"}))).await;
    server.want("Bearer b");
    let client = server.client(CA, &user(""));
    assert_eq!(ask(&client).await, Ok(401));
    assert_eq!(ask(&client).await, Ok(401));
    assert_eq!(runs(&server), 1, "it is too young");
    later(11).await;
    assert_eq!(ask(&client).await, Ok(401));
    assert_eq!(ask(&client).await, Ok(401));
    assert_eq!(runs(&server), 2);
}

#[tokio::test]
async fn a_plugin_may_hand_out_a_client_certificate_and_another_later() {
    let server = server_with("cat \"$(cat current).json\"").await;
    for name in ["jane", "june"] {
        let (certificate, key) = server.certify(name, name);
        let status = json!({"clientCertificateData": certificate, "clientKeyData": key});
        let credential = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status});
        server.write(&format!("{name}.json"), &credential.to_string());
    }
    server.write("current", "jane");
    let client = server.client(CA, &user(""));
    assert_eq!(ask(&client).await, Ok(200));
    server.write("current", "june");
    assert_eq!(ask(&client).await, Ok(200));
    server.want("Bearer nobody");
    later(11).await;
    assert_eq!(ask(&client).await, Ok(401));
    assert_eq!(ask(&client).await, Ok(401));
    let seen = server.seen();
    let clients: Vec<_> = seen
        .iter()
        .map(|seen| seen.client.as_deref().unwrap())
        .collect();
    assert_eq!(clients, ["jane", "jane", "jane", "june"]);
}

#[tokio::test]
async fn what_goes_wrong_with_a_plugin_is_said_without_its_secrets() {
    let cases = [
        (
            "echo \"login first\" >&2; exit 3",
            "failed with exit status: 3 and said: login first",
        ),
        ("exit 1", "failed with exit status: 1 without a word"),
        (
            "kill -9 $$",
            "failed with signal: 9 (SIGKILL) without a word",
        ),
        (
            "echo hunter2",
            "printed no ExecCredential in JSON (line 1, column 1 of its answer)",
        ),
        (
            "echo '{\"status\": \"hunter2\"}'",
            "printed no ExecCredential in JSON (line 1, column 20 of its answer)",
        ),
        (
            "echo '{\"kind\": \"hunter2\"}'",
            "printed JSON whose `kind` is not ExecCredential",
        ),
        (
            "echo '{\"kind\": \"ExecCredential\", \"apiVersion\": \"client.authentication.k8s.io/v1beta1\"}'",
            "answered with another `apiVersion` than the kubeconfig's, client.authentication.k8s.io/v1",
        ),
        (
            "echo '{\"kind\": \"ExecCredential\", \"apiVersion\": \"client.authentication.k8s.io/v1\"}'",
            "printed an ExecCredential without `status`",
        ),
        (
            &credential(&json!({})),
            "handed out neither a token nor a client certificate",
        ),
        (
            &credential(&json!({"token": "hunter2 x"})),
            "printed a token that no header can carry",
        ),
        (
            &credential(&json!({"token": "a", "expirationTimestamp": "hunter2"})),
            "printed an `expirationTimestamp` that is not in RFC 3339",
        ),
        (
            &credential(&json!({"clientCertificateData": "hunter2"})),
            "handed out a client certificate or a key without the other",
        ),
        (
            &credential(&json!({"clientCertificateData": "hunter2", "clientKeyData": "hunter2"})),
            "handed out a client certificate that cannot be used: `clientCertificateData` of its answer holds no CERTIFICATE block",
        ),
        ("head -c 2000000 /dev/zero", "printed more than 1 MiB"),
    ];
    for (script, expected) in cases {
        let server = server_with(script).await;
        let access = server.access(CA, &user("")).unwrap();
        let said = access
            .credentials
            .authorization()
            .await
            .unwrap_err()
            .to_string();
        assert!(
            said.contains(&format!("plugin.sh` {expected}")),
            "{script}\n{said}"
        );
        assert!(!said.contains("hunter2"), "{said}");
        assert!(access.credentials.authorization().await.is_err());
        assert_eq!(runs(&server), 1, "nobody starts it again within a second");
        later(2).await;
        assert!(access.credentials.authorization().await.is_err());
        assert_eq!(runs(&server), 2);
    }
}

#[tokio::test]
async fn whoever_has_no_such_program_is_told_where_to_get_it() {
    let server = Server::start(&["127.0.0.1"]).await;
    let user = format!(
        "exec: {{{V1}, command: kubevigil-no-such-program, installHint: 'see example.com'}}"
    );
    let access = server.access(CA, &user).unwrap();
    let error = access.credentials.authorization().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the credential plugin `kubevigil-no-such-program` is not there; see example.com"
    );
}

#[tokio::test]
async fn a_plugin_that_does_not_answer_is_stopped() {
    let server = server_with("echo $$ > pid\nexec sleep 600").await;
    let access = server.access(CA, &user("")).unwrap();
    let waiting = tokio::spawn({
        let credentials = access.credentials.clone();
        async move { credentials.authorization().await }
    });
    let file = server.folder.path().join("pid");
    while read(&file).trim().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    later(61).await;
    let error = waiting.await.unwrap().unwrap_err().to_string();
    assert!(
        error.ends_with("did not answer within 60 s and was stopped"),
        "{error}"
    );
    let process = PathBuf::from(format!("/proc/{}/stat", read(&file).trim()));
    for _ in 0..500 {
        let stat = read(&process);
        if stat.is_empty() || stat.contains(") Z ") {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it still runs");
}
