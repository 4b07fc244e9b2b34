//! Authorities of client certificates, made for one test.

use std::net::SocketAddr;
use std::path::PathBuf;

use kubevigil_gateway::Peer;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DistinguishedName,
    DnType, DnValue, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tempfile::TempDir;

pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self::with(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn with(issuer: CertifiedIssuer<'static, KeyPair>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    /// An authority that this one signed.
    pub(crate) fn below(&self) -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "below");
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::signed_by(params, key, &self.issuer).unwrap();
        Self::with(issuer)
    }

    /// The file with its own certificate.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A client's certificate with a common name and organisations.
    pub(crate) fn client(&self, common_name: &str, organizations: &[&str]) -> Peer {
        let mut name = DistinguishedName::new();
        if !common_name.is_empty() {
            name.push(DnType::CommonName, common_name);
        }
        // A name keeps one value of each kind; the same attribute by its number is a kind of its own.
        let kinds = [
            DnType::OrganizationName,
            DnType::CustomDnType(vec![2, 5, 4, 10]),
        ];
        assert!(organizations.len() <= kinds.len());
        for (kind, organization) in kinds.into_iter().zip(organizations) {
            name.push(kind, *organization);
        }
        self.sign(params(name))
    }

    /// A client's certificate with a uid as Kubernetes writes it.
    pub(crate) fn client_with_uid(&self, common_name: &str, uid: &str) -> Peer {
        let mut name = DistinguishedName::new();
        name.push(DnType::CommonName, common_name);
        let kind = DnType::CustomDnType(vec![1, 3, 6, 1, 4, 1, 57683, 2]);
        name.push(kind, DnValue::Utf8String(uid.to_owned()));
        self.sign(params(name))
    }

    /// What a server at 127.0.0.1 proves itself with.
    pub(crate) fn server(&self) -> ServerConfig {
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        ServerConfig::builder_with_provider(kubevigil_tls::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .unwrap()
    }

    pub(crate) fn sign(&self, params: CertificateParams) -> Peer {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        peer(&[certificate.der().clone()])
    }
}

/// What a client's certificate says by default.
pub(crate) fn params(name: DistinguishedName) -> CertificateParams {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.distinguished_name = name;
    params
        .extended_key_usages
        .push(ExtendedKeyUsagePurpose::ClientAuth);
    params
}

/// Somebody who connects with a chain.
pub(crate) fn peer(chain: &[CertificateDer<'static>]) -> Peer {
    Peer {
        address: SocketAddr::from(([127, 0, 0, 1], 40000)),
        certificates: chain.into(),
    }
}

/// Somebody who connects without a certificate.
pub(crate) fn stranger() -> Peer {
    peer(&[])
}

/// An extension that no reader knows, and that must be understood.
pub(crate) fn unknown_critical() -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
    extension.set_criticality(true);
    extension
}
