//! The webhook backend by the kubeconfig that an API server takes, against real receivers on loopback (spec 11.1, 11.2).

#![expect(clippy::unwrap_used, reason = "tests")]

mod receiver;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kubevigil_kubeconfig::{Access, InCluster};
use kubevigil_record::event::AuditEvent;
use kubevigil_record::sink::{ErrorCounters, Sink as _};
use kubevigil_record::webhook::{INITIAL_BACKOFF, Waits, WebhookSink};

use crate::receiver::{Receiver, takes_all};

const TLS: &str = "server: https://127.0.0.1:PORT/k8s_audit/, certificate-authority: ca.crt";

/// Does not wait.
struct NoWait;

#[async_trait]
impl Waits for NoWait {
    async fn wait(&self, _: Duration) {}
}

fn sink(kubeconfig: &Path) -> WebhookSink {
    let counters = Arc::new(ErrorCounters::default());
    let sink = WebhookSink::from_kubeconfig(kubeconfig, INITIAL_BACKOFF, counters);
    sink.unwrap().waiting(NoWait)
}

/// Sends one event; what went wrong if it was lost.
async fn send(sink: &WebhookSink) -> Result<(), String> {
    let event = AuditEvent {
        audit_id: "one".to_owned(),
        ..AuditEvent::default()
    };
    let sent = sink.emit(&[Arc::new(event)]).await;
    sent.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_batch_goes_to_the_path_of_the_kubeconfig_with_its_token() {
    let receiver = Receiver::start(Some("127.0.0.1"), takes_all()).await;
    let cluster =
        "server: 'https://127.0.0.1:PORT/k8s_audit/?key=1#part', certificate-authority: ca.crt";
    let sink = sink(&receiver.kubeconfig(cluster, "token: s3cr3t"));
    assert_eq!(send(&sink).await, Ok(()));
    let arrived = receiver.arrived();
    let [one] = arrived.as_slice() else {
        panic!("{arrived:?}");
    };
    assert_eq!(one.request, "POST /k8s_audit?timeout=30s");
    assert!(one.is_http2 && !one.has_certificate);
    assert_eq!(one.authorization.as_deref(), Some("Bearer s3cr3t"));
    assert_eq!(one.content_type.as_deref(), Some("application/json"));
    assert!(
        one.body.starts_with(r#"{"kind":"EventList","#),
        "{}",
        one.body
    );
    assert!(one.body.ends_with("}]}\n"), "{}", one.body);
}

#[tokio::test]
async fn a_server_without_a_path_gets_the_root() {
    let receiver = Receiver::start(None, takes_all()).await;
    for server in ["http://127.0.0.1:PORT", "127.0.0.1:PORT", "127.0.0.1:PORT/"] {
        let sink = sink(&receiver.kubeconfig(&format!("server: '{server}'"), ""));
        assert_eq!(send(&sink).await, Ok(()));
        let arrived = receiver.arrived();
        assert_eq!(
            arrived.first().unwrap().request,
            "POST /?timeout=30s",
            "{server}"
        );
    }
}

#[tokio::test]
async fn http_never_gets_the_token() {
    let receiver = Receiver::start(None, takes_all()).await;
    let cluster = "server: 127.0.0.1:PORT, certificate-authority: gone.crt";
    let user = "token: s3cr3t, client-certificate: gone.crt, client-key: gone.key";
    assert_eq!(
        send(&sink(&receiver.kubeconfig(cluster, user))).await,
        Ok(())
    );
    let arrived = receiver.arrived();
    assert_eq!(arrived.first().unwrap().authorization, None);
}

#[tokio::test]
async fn a_client_certificate_is_presented() {
    let receiver = Receiver::start(Some("127.0.0.1"), takes_all()).await;
    let user = "client-certificate: client.crt, client-key: client.key";
    assert_eq!(send(&sink(&receiver.kubeconfig(TLS, user))).await, Ok(()));
    let arrived = receiver.arrived();
    assert!(arrived.first().unwrap().has_certificate);
}

#[tokio::test]
async fn a_receiver_of_another_authority_or_name_gets_nothing() {
    let receiver = Receiver::start(Some("audit.example"), takes_all()).await;
    let lost = send(&sink(&receiver.kubeconfig(TLS, "token: a")))
        .await
        .unwrap_err();
    assert!(lost.contains("invalid peer certificate"), "{lost}");
    let named = format!("{TLS}, tls-server-name: audit.example");
    let other = Receiver::start(Some("audit.example"), takes_all()).await;
    let stranger = receiver.kubeconfig(&named.replace("PORT", &other.port.to_string()), "token: a");
    assert!(send(&sink(&stranger)).await.is_err());
    assert_eq!((receiver.arrived(), other.arrived()), (vec![], vec![]));
    assert_eq!(
        send(&sink(&receiver.kubeconfig(&named, "token: a"))).await,
        Ok(())
    );
}

#[tokio::test]
async fn a_token_that_was_refused_is_read_again_before_the_next_try() {
    let wants = |_: &str, token: Option<&str>| {
        (
            if token == Some("Bearer new") {
                200
            } else {
                401
            },
            None,
        )
    };
    let receiver = Receiver::start(Some("127.0.0.1"), Box::new(wants)).await;
    receiver.write("token", "old");
    let sink = sink(&receiver.kubeconfig(TLS, "tokenFile: token"));
    receiver.write("token", "new");
    assert_eq!(send(&sink).await, Ok(()));
    let arrived = receiver.arrived();
    let tokens: Vec<_> = arrived
        .iter()
        .map(|one| one.authorization.as_deref().unwrap())
        .collect();
    assert_eq!(tokens, ["Bearer old", "Bearer new"]);
}

#[tokio::test]
async fn a_plugin_hands_out_the_token() {
    let receiver = Receiver::start(Some("127.0.0.1"), takes_all()).await;
    let answer = r#"{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "handed-out"}}"#;
    let script = receiver.write("plugin.sh", &format!("#!/bin/sh\necho '{answer}'\n"));
    std::fs::set_permissions(script, std::fs::Permissions::from_mode(0o700)).unwrap();
    let user = "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin.sh, interactiveMode: Never}";
    let sink = sink(&receiver.kubeconfig(TLS, user));
    assert_eq!(send(&sink).await, Ok(()));
    receiver.write("plugin.sh", "#!/bin/sh\nexit 1\n");
    assert_eq!(
        send(&sink).await,
        Ok(()),
        "what it handed out is still good"
    );
    let arrived = receiver.arrived();
    assert_eq!(arrived.len(), 2);
    assert!(
        arrived
            .iter()
            .all(|one| one.authorization.as_deref() == Some("Bearer handed-out"))
    );

    let failing = self::sink(&receiver.kubeconfig(TLS, user));
    let lost = send(&failing).await.unwrap_err();
    assert!(
        lost.contains("plugin.sh` failed with exit status: 1"),
        "{lost}"
    );
    assert_eq!(receiver.arrived(), []);
}

#[tokio::test]
async fn redirects_are_followed_as_go_does() {
    // Status of the redirect, and what arrives at the other place.
    let cases = [
        (301, "GET /other", 0),
        (302, "GET /other", 0),
        (303, "GET /other", 0),
        (307, "POST /other", 1),
        (308, "POST /other", 1),
    ];
    for (status, expected, events) in cases {
        let redirects = move |request: &str, _: Option<&str>| {
            let is_there = request.ends_with("/other");
            if is_there {
                (200, None)
            } else {
                (status, Some("/other".to_owned()))
            }
        };
        let receiver = Receiver::start(Some("127.0.0.1"), Box::new(redirects)).await;
        let sink = sink(&receiver.kubeconfig(TLS, "token: a"));
        assert_eq!(send(&sink).await, Ok(()), "{status}");
        let last = receiver.arrived().pop().unwrap();
        assert_eq!(last.request, expected, "{status}");
        assert_eq!(last.body.matches("auditID").count(), events, "{status}");
        assert_eq!(last.authorization.as_deref(), Some("Bearer a"));
    }
}

#[tokio::test]
async fn a_redirect_to_another_host_takes_no_credentials_along_and_a_circle_ends() {
    let other = Receiver::start(None, takes_all()).await;
    let address = format!("http://127.0.0.1:{}/k8s_audit", other.port);
    let away = move |_: &str, _: Option<&str>| (307, Some(address.clone()));
    let receiver = Receiver::start(Some("127.0.0.1"), Box::new(away)).await;
    assert_eq!(
        send(&sink(&receiver.kubeconfig(TLS, "token: a"))).await,
        Ok(())
    );
    assert_eq!(other.arrived().pop().unwrap().authorization, None);

    let round = |_: &str, _: Option<&str>| (307, Some("/again".to_owned()));
    let receiver = Receiver::start(Some("127.0.0.1"), Box::new(round)).await;
    assert!(
        send(&sink(&receiver.kubeconfig(TLS, "token: a")))
            .await
            .is_err()
    );
    assert_eq!(receiver.arrived().len(), 5 * 11, "ten redirects a try");
}

#[tokio::test]
async fn without_a_current_context_events_go_to_the_pods_own_server() {
    let receiver = Receiver::start(Some("127.0.0.1"), takes_all()).await;
    receiver.write("token", "mounted");
    let pod = InCluster {
        host: "127.0.0.1".to_owned(),
        port: receiver.port.to_string(),
        folder: receiver.folder.path().to_owned(),
    };
    let text = "clusters: [{name: c, cluster: {server: 'https://192.0.2.1'}}]\n";
    let access = Access::load_or_in_cluster(&receiver.write("config", text), &pod).unwrap();
    let counters = Arc::new(ErrorCounters::default());
    let sink = WebhookSink::from_access(&access, INITIAL_BACKOFF, counters).unwrap();
    assert_eq!(send(&sink).await, Ok(()));
    let arrived = receiver.arrived().pop().unwrap();
    assert_eq!(arrived.request, "POST /?timeout=30s");
    assert_eq!(arrived.authorization.as_deref(), Some("Bearer mounted"));
}

#[tokio::test]
async fn what_is_wrong_is_said_at_the_start() {
    let receiver = Receiver::start(Some("127.0.0.1"), takes_all()).await;
    let start = |path: &Path| {
        let counters = Arc::new(ErrorCounters::default());
        let started = WebhookSink::from_kubeconfig(path, INITIAL_BACKOFF, counters);
        let error = started.map(drop).unwrap_err().to_string();
        error.replace(&format!("{}/", receiver.folder.path().display()), "")
    };
    let cases = [
        (
            "server: 127.0.0.1:PORT/path",
            "",
            "config:3:40: `127.0.0.1:",
        ),
        (
            TLS,
            "token: a, username: jane",
            "config:4:46: there are a token and a `username`",
        ),
        (TLS, "tokenFile: gone", "config:4:37: gone: No such file"),
        (
            "server: https://a, certificate-authority: gone",
            "",
            "cannot read gone: No such file",
        ),
    ];
    for (cluster, user, expected) in cases {
        let error = start(&receiver.kubeconfig(cluster, user));
        assert!(error.contains(expected), "{error}");
    }
    let no_context = start(&receiver.write("config", "contexts: []\n"));
    assert!(
        no_context.starts_with("config:1:1: no `current-context` is named"),
        "{no_context}"
    );
    let gone = start(Path::new("gone"));
    assert!(
        gone.starts_with("cannot read the kubeconfig gone: "),
        "{gone}"
    );
}
