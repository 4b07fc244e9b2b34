//! Real servers on loopback, reached by kubeconfigs.

#![expect(clippy::unwrap_used, reason = "tests")]

mod follow;
mod plugins;
mod proxies;
mod server;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kubevigil_kubeconfig::{Access, InCluster};
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};

use crate::server::{Server, ask, authority};

pub(crate) const CA: &str = "certificate-authority: ca.crt";

/// Time goes by, and nobody notices the sockets.
async fn later(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_token_is_sent_over_http2_to_the_path_of_the_server() {
    let server = Server::start(&["127.0.0.1"]).await;
    let client = server.client(CA, "token: s3cr3t");
    assert_eq!(ask(&client).await, Ok(200));
    let [seen] = &server.seen()[..] else {
        panic!("one request");
    };
    assert_eq!(seen.request, "GET /base/healthz?a=b");
    assert!(seen.is_http2);
    assert_eq!(seen.authorization.as_deref(), Some("Bearer s3cr3t"));
    assert!(seen.agent.starts_with("kubevigil/"), "{}", seen.agent);
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
    assert!(!format!("{:?}", client.access()).contains("s3cr3t"));
}

#[tokio::test]
async fn a_name_and_a_password_become_basic() {
    let server = Server::start(&["127.0.0.1"]).await;
    let client = server.client(CA, "username: jane, password: 'p:w'");
    assert_eq!(ask(&client).await, Ok(200));
    assert_eq!(
        server.seen()[0].authorization.as_deref(),
        Some("Basic amFuZTpwOnc=")
    );
}

#[tokio::test]
async fn a_server_of_another_authority_is_refused_and_learns_nothing() {
    let server = Server::start(&["127.0.0.1"]).await;
    server.write("other.crt", &authority().pem());
    let client = server.client("certificate-authority: other.crt", "token: s3cr3t");
    let refused = ask(&client).await.unwrap_err();
    assert!(refused.contains("invalid peer certificate"), "{refused}");
    let system = server.client("disable-compression: true", "token: s3cr3t");
    assert!(ask(&system).await.is_err(), "the machine's authorities");
    assert_eq!(server.seen(), []);
    let insecure = server.client("insecure-skip-tls-verify: true", "token: s3cr3t");
    assert_eq!(ask(&insecure).await, Ok(200));
}

#[tokio::test]
async fn authorities_may_stand_in_the_kubeconfig() {
    let server = Server::start(&["127.0.0.1"]).await;
    let data = STANDARD.encode(server.authority.pem());
    let client = server.client(&format!("certificate-authority-data: {data}"), "token: a");
    assert_eq!(ask(&client).await, Ok(200));
}

#[tokio::test]
async fn the_server_may_have_another_name_than_its_address() {
    let server = Server::start(&["audit.example"]).await;
    let refused = ask(&server.client(CA, "token: a")).await.unwrap_err();
    assert!(refused.contains("not valid for name"), "{refused}");
    let named = server.client(&format!("{CA}, tls-server-name: audit.example"), "token: a");
    assert_eq!(ask(&named).await, Ok(200));
    let seen = server.seen();
    assert_eq!(
        seen[0].name.as_deref(),
        Some("audit.example"),
        "it is asked for"
    );
    assert_eq!(seen[0].request, "GET /base/healthz?a=b");
    let other = server.client(&format!("{CA}, tls-server-name: other.example"), "token: a");
    assert!(ask(&other).await.is_err());
    let by_name = format!("server: https://localhost:PORT, {CA}, tls-server-name: audit.example");
    assert_eq!(ask(&server.client(&by_name, "token: a")).await, Ok(200));
    // Whoever connects by themselves and does not ask for the name has the certificate checked for it all the same.
    let access = server
        .access(&format!("{CA}, tls-server-name: audit.example"), "token: a")
        .unwrap();
    let plain = access.http_client().unwrap();
    let answer = plain.get(access.server.clone()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn a_certificate_that_signed_itself_is_its_own_authority_for_its_name_and_time() {
    for (name, year, is_trusted) in [
        ("127.0.0.1", 4000, true),
        ("127.0.0.2", 4000, false),
        ("127.0.0.1", 2020, false),
    ] {
        for is_ca in [true, false] {
            let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            params.not_after = rcgen::date_time_ymd(year, 1, 1);
            if is_ca {
                params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            }
            let key = KeyPair::generate().unwrap();
            let own = CertifiedIssuer::self_signed(
                params,
                KeyPair::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
            let certificate = own.der().clone();
            let server = Server::with(own, certificate, &key).await;
            let answered = ask(&server.client(CA, "token: a")).await;
            assert_eq!(
                answered.is_ok(),
                is_trusted,
                "{name} {year} {is_ca}: {answered:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_client_certificate_is_presented_and_taken_anew_when_it_changes() {
    let server = Server::start(&["127.0.0.1"]).await;
    server.certify("client", "jane");
    let client = server.client(CA, "client-certificate: client.crt, client-key: client.key");
    assert_eq!(ask(&client).await, Ok(200));
    server.certify("client", "june");
    assert_eq!(ask(&client).await, Ok(200));
    later(61).await;
    assert_eq!(ask(&client).await, Ok(200));
    server.write("client.crt", "broken");
    later(61).await;
    assert_eq!(ask(&client).await, Ok(200));
    let seen = server.seen();
    let clients: Vec<_> = seen
        .iter()
        .map(|seen| seen.client.as_deref().unwrap())
        .collect();
    assert_eq!(clients, ["jane", "jane", "june", "june"]);
}

#[tokio::test]
async fn a_client_certificate_may_stand_in_the_kubeconfig_beside_a_token() {
    let server = Server::start(&["127.0.0.1"]).await;
    let (certificate, key) = server.certify("client", "jane");
    let (certificate, key) = (STANDARD.encode(certificate), STANDARD.encode(key));
    let user = format!("client-certificate-data: {certificate}, client-key-data: {key}, token: a");
    assert_eq!(ask(&server.client(CA, &user)).await, Ok(200));
    let seen = server.seen();
    assert_eq!(seen[0].client.as_deref(), Some("jane"));
    assert_eq!(seen[0].authorization.as_deref(), Some("Bearer a"));

    let access = server.access(CA, &user).unwrap();
    let config = access.client_config(false).unwrap();
    assert!(
        !config.client_auth_cert_resolver.has_certs(),
        "only if it is asked for"
    );
}

#[tokio::test]
async fn a_token_file_is_read_each_minute_and_when_its_token_is_refused() {
    let server = Server::start(&["127.0.0.1"]).await;
    server.write("token", "one\n");
    let client = server.client(CA, "tokenFile: token, token: zero");
    assert_eq!(ask(&client).await, Ok(200));
    server.write("token", "two\n");
    assert_eq!(ask(&client).await, Ok(200));
    later(61).await;
    assert_eq!(ask(&client).await, Ok(200));
    server.want("Bearer three");
    server.write("token", "three\n");
    assert_eq!(ask(&client).await, Ok(401));
    assert_eq!(ask(&client).await, Ok(200));
    std::fs::remove_file(server.folder.path().join("token")).unwrap();
    later(61).await;
    assert_eq!(ask(&client).await, Ok(200), "the last one stays in use");
    let seen = server.seen();
    let tokens: Vec<_> = seen
        .iter()
        .map(|seen| seen.authorization.as_deref().unwrap_or_default())
        .collect();
    let expected = ["one", "one", "two", "two", "three", "three"];
    assert_eq!(tokens, expected.map(|token| format!("Bearer {token}")));
}

#[tokio::test]
async fn http_gets_no_credentials() {
    let server = Server::plain().await;
    server.certify("client", "jane");
    for cluster in [
        "server: http://127.0.0.1:PORT, certificate-authority: ca.crt",
        "server: 127.0.0.1:PORT, insecure-skip-tls-verify: true",
    ] {
        let user = "token: s3cr3t, client-certificate: client.crt, client-key: client.key";
        let access = server.access(cluster, user).unwrap();
        assert_eq!(access.warnings.len(), 2, "{:?}", access.warnings);
        assert!(access.credentials.is_empty() && access.tls.is_none());
        assert!(access.client_config(true).is_err());
        assert_eq!(ask(&access.client().unwrap()).await, Ok(200));
        assert_eq!(server.seen()[0].authorization, None);
    }
}

#[tokio::test]
async fn a_pod_reaches_its_api_server() {
    let server = Server::start(&["127.0.0.1"]).await;
    let pod = |host: &str| InCluster {
        host: host.to_owned(),
        port: server.port.to_string(),
        folder: server.folder.path().to_owned(),
    };
    let missing = pod("127.0.0.1").access().unwrap_err().to_string();
    assert!(missing.contains("there is no "), "{missing}");
    server.write("token", "mounted");
    let missing = pod("").access().unwrap_err().to_string();
    assert!(
        missing.contains("KUBERNETES_SERVICE_HOST is not set"),
        "{missing}"
    );
    let access = pod("127.0.0.1").access().unwrap();
    assert_eq!(ask(&access.client().unwrap()).await, Ok(200));
    assert_eq!(
        server.seen()[0].authorization.as_deref(),
        Some("Bearer mounted")
    );
    assert_eq!(
        pod("fd00::1").access().unwrap().server.host_str(),
        Some("[fd00::1]")
    );
}

#[tokio::test]
async fn without_a_context_the_audit_webhook_goes_to_the_pods_own_server_and_nobody_else_does() {
    let server = Server::start(&["127.0.0.1"]).await;
    let pod = InCluster {
        host: "127.0.0.1".to_owned(),
        port: server.port.to_string(),
        folder: server.folder.path().to_owned(),
    };
    let no_context = server.write("config", "contexts: []\n");
    let error = Access::load_or_in_cluster(&no_context, &pod).unwrap_err();
    assert!(
        error.to_string().contains("no `current-context` is named"),
        "no pod either: {error}"
    );
    server.write("token", "mounted");
    let access = Access::load_or_in_cluster(&no_context, &pod).unwrap();
    assert_eq!(access.server.port(), Some(server.port));
    assert!(Access::load(&no_context, None).is_err());
    let other = server.write("config", "current-context: gone\n");
    assert!(
        Access::load_or_in_cluster(&other, &pod).is_err(),
        "a context that is named has to be there"
    );
}

#[tokio::test]
async fn an_address_and_an_authority_are_enough() {
    let server = Server::start(&["127.0.0.1"]).await;
    let authority = server.folder.path().join("ca.crt");
    let address = format!("https://127.0.0.1:{}/base", server.port);
    let access = Access::direct(&address, Some(&authority)).unwrap();
    assert_eq!(ask(&access.client().unwrap()).await, Ok(200));
    assert!(Access::direct("a/b", None).is_err());
    assert!(Access::direct(&address, Some("gone".as_ref())).is_err());
}
