//! Handshakes between a server with credentials from files and clients with all sorts of certificates.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kubevigil_tls::{
    Authorities, ClientCertificate, ClientCertificates, Look, Pem, PemSource, ServerCredentials,
    ServerFiles, provider,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::client::ResolvesClientCert as _;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, ServerConnection, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tempfile::TempDir;

type Issuer = CertifiedIssuer<'static, KeyPair>;

struct Client {
    chain: Vec<CertificateDer<'static>>,
    pem: String,
    key: KeyPair,
}

fn authority() -> Issuer {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn client(authority: &Issuer, change: impl FnOnce(&mut CertificateParams)) -> Client {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params
        .extended_key_usages
        .push(ExtendedKeyUsagePurpose::ClientAuth);
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    Client {
        chain: vec![certificate.der().clone()],
        pem: certificate.pem(),
        key,
    }
}

struct Server {
    folder: TempDir,
    authority: Issuer,
}

impl Server {
    fn new() -> Self {
        let authority = authority();
        let folder = tempfile::tempdir().unwrap();
        let server = Self { folder, authority };
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &server.authority).unwrap();
        server.write("tls.crt", &certificate.pem());
        server.write("tls.key", &key.serialize_pem());
        server
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn credentials(&self, clients: ClientCertificates) -> ServerCredentials {
        let file = |name: &str| self.folder.path().join(name);
        let (certificate, key) = (file("tls.crt"), file("tls.key"));
        ServerCredentials::load(ServerFiles { certificate, key }, clients).unwrap()
    }

    /// The chain that the server sees of a client.
    fn meet(
        &self,
        clients: ClientCertificates,
        version: &'static SupportedProtocolVersion,
        client: Option<&Client>,
    ) -> Result<Vec<CertificateDer<'static>>, rustls::Error> {
        let source = PemSource::Text {
            name: "authority".to_owned(),
            content: self.authority.pem().into_bytes(),
        };
        let roots = Pem::new(&source, &source.read().unwrap())
            .root_store()
            .unwrap();
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots);
        let config = match client {
            None => config.with_no_client_auth(),
            Some(client) => config.with_client_cert_resolver(presenting(client)),
        };
        let name = ServerName::try_from("localhost").unwrap();
        let client = ClientConnection::new(Arc::new(config), name).unwrap();
        let server = ServerConnection::new(self.credentials(clients).current()).unwrap();
        shake(client, server)
    }
}

/// Presents a chain with a key, whether they belong together or not.
fn presenting(client: &Client) -> Arc<SingleCertAndKey> {
    let key = PrivateKeyDer::try_from(client.key.serialize_der()).unwrap();
    let key = provider().key_provider.load_private_key(key).unwrap();
    Arc::new(CertifiedKey::new(client.chain.clone(), key).into())
}

fn shake(
    mut client: ClientConnection,
    mut server: ServerConnection,
) -> Result<Vec<CertificateDer<'static>>, rustls::Error> {
    for _ in 0..10 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets()?;
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets()?;
        }
    }
    assert!(!server.is_handshaking());
    let chain = server.peer_certificates().unwrap_or_default();
    Ok(chain.iter().map(|one| one.clone().into_owned()).collect())
}

#[test]
fn a_certificate_that_is_asked_for_may_be_missing_or_anybodys() {
    let server = Server::new();
    let stranger = client(&authority(), |_| {});
    for version in [&TLS12, &TLS13] {
        let none = server.meet(ClientCertificates::Asked, version, None);
        assert_eq!(none.unwrap(), []);
        let some = server.meet(ClientCertificates::Asked, version, Some(&stranger));
        assert_eq!(some.unwrap(), stranger.chain);
    }
}

#[test]
fn nobody_can_present_a_certificate_without_its_key() {
    let server = Server::new();
    let mut thief = client(&server.authority, |_| {});
    thief.key = KeyPair::generate().unwrap();
    for version in [&TLS12, &TLS13] {
        let refused = server.meet(ClientCertificates::Asked, version, Some(&thief));
        let problem = refused.unwrap_err().to_string();
        assert!(problem.contains("BadSignature"), "{problem}");
    }
}

#[test]
fn a_certificate_that_is_required_must_be_the_authoritys() {
    let server = Server::new();
    let ca = server.write("ca.crt", &server.authority.pem());
    let required = || ClientCertificates::Required(ca.clone());
    let (known, stranger) = (
        client(&server.authority, |_| {}),
        client(&authority(), |_| {}),
    );
    for version in [&TLS12, &TLS13] {
        let met = server.meet(required(), version, Some(&known));
        assert_eq!(met.unwrap(), known.chain);
        assert!(server.meet(required(), version, Some(&stranger)).is_err());
        assert!(server.meet(required(), version, None).is_err());
    }
}

#[test]
fn no_certificate_is_seen_where_none_is_asked_for() {
    let server = Server::new();
    let known = client(&server.authority, |_| {});
    let met = server.meet(ClientCertificates::None, &TLS13, Some(&known));
    assert_eq!(met.unwrap(), []);
}

#[test]
fn authorities_vouch_for_their_own_clients_in_time_only() {
    let server = Server::new();
    let ca = server.write("ca.crt", &server.authority.pem());
    let authorities = Authorities::load(ca).unwrap();
    let expired =
        |params: &mut CertificateParams| params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let serves = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    };
    let any_use = |params: &mut CertificateParams| params.extended_key_usages.clear();
    let own = &server.authority;
    let cases = [
        ("its own client", client(own, |_| {}), true),
        ("no purpose named", client(own, any_use), true),
        ("a stranger", client(&authority(), |_| {}), false),
        ("expired", client(own, expired), false),
        ("a server", client(own, serves), false),
    ];
    for (name, client, expected) in &cases {
        let verdict = authorities.verify(&client.chain, UnixTime::now());
        assert_eq!(verdict.is_ok(), *expected, "{name}: {verdict:?}");
    }
    assert!(authorities.verify(&[], UnixTime::now()).is_err());
    let later = UnixTime::since_unix_epoch(Duration::from_secs(1 << 40));
    let known = &cases[0].1;
    assert!(authorities.verify(&known.chain, later).is_err());
}

#[test]
fn replaced_authorities_vouch_for_nobody_of_before() {
    let (server, next) = (Server::new(), authority());
    let file = server.write("ca.crt", &server.authority.pem());
    let authorities = Authorities::follow(file).unwrap();
    let (old, new) = (client(&server.authority, |_| {}), client(&next, |_| {}));
    assert_eq!(authorities.generation(), 0);
    let before = authorities.current();

    server.write("ca.crt", &next.pem());
    assert_eq!(authorities.reload(false).unwrap(), Look::Replaced);
    assert_eq!(authorities.generation(), 1);
    let after = authorities.current();
    assert!(after.verify(&old.chain, UnixTime::now()).is_err());
    assert!(after.verify(&new.chain, UnixTime::now()).is_ok());
    assert_ne!(before.certificates(), after.certificates());
}

#[test]
fn a_rotated_client_certificate_is_presented_from_the_next_connection_on() {
    let server = Server::new();
    let (first, second) = (
        client(&server.authority, |_| {}),
        client(&server.authority, |_| {}),
    );
    // Certificate and key in one file, as a kubelet keeps them.
    let both = |client: &Client| client.pem.clone() + &client.key.serialize_pem();
    let file = PemSource::File(server.write("client.pem", &both(&first)));
    let presented = ClientCertificate::load(file.clone(), file).unwrap();
    assert_eq!(presented.current().cert, first.chain);

    server.write("client.pem", &both(&second));
    presented.reload(false).unwrap();
    assert_eq!(presented.current().cert, second.chain);
    assert!(presented.resolve(&[], &[]).is_none(), "no scheme in common");
}

#[test]
fn text_in_a_kubeconfig_is_named_in_errors() {
    let source = |name: &str, content: &str| PemSource::Text {
        name: name.to_owned(),
        content: content.as_bytes().to_vec(),
    };
    let certificate = source("client-certificate-data of user jane", "nothing");
    let key = source("client-key-data of user jane", "nothing");
    let error = ClientCertificate::load(certificate, key).unwrap_err();
    assert_eq!(
        error.to_string(),
        "client-certificate-data of user jane holds no CERTIFICATE block, but no PEM at all; expected PEM text that begins \
         with -----BEGIN CERTIFICATE-----"
    );
}
