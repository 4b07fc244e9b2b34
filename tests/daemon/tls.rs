//! Who may send: TLS, client certificates, bearer tokens.

use crate::authority::Authority;
use crate::daemon::{Daemon, Setup};
use crate::events::{event, list};

/// A daemon that wants a certificate of this authority, of this name, and a token.
fn strict(authority: &Authority) -> (Setup, Daemon) {
    let mut setup = Setup::new();
    authority.server().write(&setup, "server");
    setup.write("clients.crt", &authority.pem());
    setup.write("tokens", "correct-horse-battery\n");
    let path = |name: &str| setup.path(name).display().to_string();
    setup.sources = format!(
        "{{webhook: {{listen: '127.0.0.1:0', tokens: {}, tls: {{certificate: {}, key: {}, client_ca: {}, allowed_names: [kube-apiserver-audit]}}}}}}",
        path("tokens"),
        path("server.crt"),
        path("server.key"),
        path("clients.crt"),
    );
    let daemon = setup.start();
    (setup, daemon)
}

#[test]
fn with_certificate_and_token_events_are_taken() {
    let authority = Authority::new();
    let (setup, daemon) = strict(&authority);
    let mut sender = authority.sender(&daemon, Some(&authority.client("kube-apiserver-audit")));
    sender.headers = "Authorization: Bearer correct-horse-battery\r\n".to_owned();
    sender.deliver(&list(&[event("a")]));
    setup.alerts().wait_for(1);
}

#[test]
fn without_the_right_token_or_name_events_are_refused() {
    let authority = Authority::new();
    let (setup, daemon) = strict(&authority);
    let cases = [
        ("kube-apiserver-audit", "", 401),
        (
            "kube-apiserver-audit",
            "Authorization: Bearer wrong-horse-battery\r\n",
            401,
        ),
        (
            "kube-apiserver-audit",
            "Authorization: Basic correct-horse-battery\r\n",
            401,
        ),
        (
            "somebody-else",
            "Authorization: Bearer correct-horse-battery\r\n",
            403,
        ),
    ];
    for (name, header, status) in cases {
        let mut sender = authority.sender(&daemon, Some(&authority.client(name)));
        sender.headers = header.to_owned();
        assert_eq!(
            sender.post(&list(&[event("a")])).status,
            status,
            "{name} {header}"
        );
    }
    assert_eq!(
        daemon.metric("kubevigil_webhook_auth_failures_total"),
        Some(4)
    );
    assert_eq!(setup.alerts().ids(), [""; 0]);
}

#[test]
fn without_a_certificate_of_the_authority_there_is_no_connection() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (_setup, mut daemon) = strict(&authority);
    let foreign = other.client("kube-apiserver-audit");
    for client in [None, Some(&foreign)] {
        assert!(
            authority
                .sender(&daemon, client)
                .try_post(&list(&[event("a")]))
                .is_err()
        );
    }
    assert!(
        daemon
            .sender()
            .try_post(&list(&[event("a")]))
            .map_or(true, |answer| answer.status == 400),
        "plain HTTP"
    );
    daemon.until("three failed handshakes", |daemon| {
        daemon
            .metric("kubevigil_webhook_handshake_failures_total")
            .is_some_and(|count| count >= 3)
    });
    assert_eq!(
        daemon.metric("kubevigil_source_events_total{source=\"webhook\"}"),
        Some(0)
    );
}
