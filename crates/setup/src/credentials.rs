//! Who may send, and whom to trust.
//!
//! One authority signs one certificate for kubevigil and one for the API server, and its key is then forgotten: nobody can ever sign
//! another. The price is that renewing means making all of them anew, which is the same command again. An authority
//! whose key lies in the folder would be one more secret to guard, for a certificate every two years.

use std::net::IpAddr;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, date_time_ymd,
};

use crate::choice::{Choice, Host};

/// The common name of the API server's certificate; kubevigil lets only this name in.
pub const CLIENT_NAME: &str = "kube-apiserver-audit";

/// How many years certificates are valid.
const YEARS: i64 = 2;

/// Keys, certificates and a token, as PEM and text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Credentials {
    /// The authority's certificate.
    pub authority: String,
    /// kubevigil's certificate.
    pub server: String,
    /// The key of kubevigil's certificate.
    pub server_key: String,
    /// The API server's certificate.
    pub client: String,
    /// The key of the API server's certificate.
    pub client_key: String,
    /// A bearer token.
    pub token: String,
}

/// Certificates cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The library says why.
    #[error("cannot make certificates: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The clock is out of reach of certificates.
    #[error("cannot make certificates that begin at {0}: check the clock")]
    Clock(Timestamp),
}

impl Credentials {
    /// New ones for this choice, with keys on the curve P-256.
    pub fn new(choice: &Choice, now: Timestamp) -> Result<Self, CredentialsError> {
        let params = |names: Vec<String>, name: &str| {
            let mut params = CertificateParams::new(names)?;
            set_validity(&mut params, now)?;
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, name);
            Ok::<_, CredentialsError>(params)
        };
        let mut own = params(Vec::new(), "kubevigil audit authority")?;
        own.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        own.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority = CertifiedIssuer::self_signed(own, key()?)?;

        let mut server = params(names(choice), "kubevigil")?;
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let server_key = key()?;
        let server = server.signed_by(&server_key, &authority)?;

        let mut client = params(Vec::new(), CLIENT_NAME)?;
        client.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let client_key = key()?;
        let client = client.signed_by(&client_key, &authority)?;
        Ok(Self {
            authority: authority.pem(),
            server: server.pem(),
            server_key: server_key.serialize_pem(),
            client: client.pem(),
            client_key: client_key.serialize_pem(),
            token: token()?,
        })
    }
}

/// The last day on which certificates made now are valid.
pub fn last_day(now: Timestamp) -> Date {
    today(now).saturating_add(YEARS.years())
}

fn today(now: Timestamp) -> Date {
    now.to_zoned(jiff::tz::TimeZone::UTC).date()
}

fn key() -> Result<KeyPair, rcgen::Error> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
}

/// The hash of a key that nobody keeps: 256 bits nobody can guess, from the source of randomness that the keys have.
fn token() -> Result<String, rcgen::Error> {
    let hash = blake3::hash(key()?.serialized_der());
    Ok(hash.to_hex().to_string())
}

/// Sets the days on which a certificate is valid: from yesterday, for clocks that are behind, to [`last_day`].
fn set_validity(params: &mut CertificateParams, now: Timestamp) -> Result<(), CredentialsError> {
    let begin = today(now)
        .yesterday()
        .map_err(|_| CredentialsError::Clock(now))?;
    let parts = |date: Date| {
        let month = u8::try_from(date.month());
        let day = u8::try_from(date.day());
        Some((i32::from(date.year()), month.ok()?, day.ok()?))
    };
    let (Some(begin), Some(end)) = (parts(begin), parts(last_day(now))) else {
        return Err(CredentialsError::Clock(now));
    };
    params.not_before = date_time_ymd(begin.0, begin.1, begin.2);
    params.not_after = date_time_ymd(end.0, end.1, end.2);
    Ok(())
}

/// The names under which kubevigil can be reached.
fn names(choice: &Choice) -> Vec<String> {
    let mut names = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    let mut add = |name: String| {
        if !names.contains(&name) {
            names.push(name);
        }
    };
    if let Some((namespace, service)) = choice.address.service() {
        for name in [
            service.to_owned(),
            format!("{service}.{namespace}"),
            format!("{service}.{namespace}.svc"),
            format!("{service}.{namespace}.svc.cluster.local"),
        ] {
            add(name);
        }
    }
    add(match &choice.address.host {
        Host::Ip(ip) => ip.to_string(),
        Host::Name(name) => name.clone(),
    });
    if let Some(ip) = choice.cluster_ip {
        add(IpAddr::to_string(&ip));
    }
    names
}
