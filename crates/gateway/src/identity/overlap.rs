//! Whether ordinary clients could pass for a front proxy.
//!
//! Whoever has a certificate of the front proxy's authority and an allowed name can be anybody. If that authority signs clients,
//! too, and every name is allowed, each client can; kube-apiserver does not start like that either. Authorities are the same when
//! their keys are, and an authority that the proxy's authority signed counts, since its clients lead up to both.

use std::path::Path;

use kubevigil_tls::Authorities;
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::authenticator::IdentityError;
use super::config::IdentityConfig;

/// An authority, as far as it can be compared: subject, issuer and key as they are written.
struct Authority {
    subject: Vec<u8>,
    issuer: Vec<u8>,
    key: Vec<u8>,
}

impl IdentityConfig {
    /// Looks whether clients could pass for the front proxy. What is not an error, but worth knowing, is the answer.
    ///
    /// # Errors
    ///
    /// When every client with a certificate could be anybody, or a file cannot be read.
    pub fn check_front_proxy(&self) -> Result<Option<&'static str>, IdentityError> {
        let Some(proxy) = &self.front_proxy else {
            return Ok(None);
        };
        let proxies = load("front_proxy.ca", &proxy.ca)?;
        let clients = self.client_ca.as_ref();
        let clients = clients.map(|path| load("client_ca", path)).transpose()?;
        judge(&proxies, clients.as_ref(), proxy.allowed_names.is_empty())
    }
}

/// Whether the authorities of clients and those of proxies may be in force together; `any_name` of a proxy will do.
pub(super) fn judge(
    proxies: &Authorities,
    clients: Option<&Authorities>,
    any_name: bool,
) -> Result<Option<&'static str>, IdentityError> {
    let proxies = parts(proxies);
    let clients = clients.map_or_else(Vec::new, parts);
    let overlap = clients
        .iter()
        .any(|client| proxies.iter().any(|proxy| proxy.vouches_for(client)));
    match (overlap, any_name) {
        (true, true) => Err(IdentityError::Setting {
            setting: "front_proxy.allowed_names",
            problem: "client_ca and front_proxy.ca share an authority, so that without names every client with a certificate \
                      could be anybody; name the proxy's certificates, or use an authority that signs nothing else"
                .to_owned(),
        }),
        (true, false) => Ok(Some(
            "client_ca and front_proxy.ca share an authority: whoever gets a certificate with one of the allowed names of the \
             front proxy can be anybody",
        )),
        (false, true) => Ok(Some(
            "front_proxy.allowed_names is empty: every certificate that front_proxy.ca signed can be anybody",
        )),
        (false, false) => Ok(None),
    }
}

impl Authority {
    /// Whether certificates that lead up to `other` lead up to this one, too.
    fn vouches_for(&self, other: &Self) -> bool {
        let is_below = other.issuer != other.subject && other.issuer == self.subject;
        self.key == other.key || is_below
    }
}

fn load(setting: &'static str, path: &Path) -> Result<Authorities, IdentityError> {
    Authorities::load(path).map_err(|error| IdentityError::Authorities { setting, error })
}

fn parts(authorities: &Authorities) -> Vec<Authority> {
    let authority = |der: &CertificateDer<'_>| {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        Some(Authority {
            subject: certificate.subject().as_raw().to_vec(),
            issuer: certificate.issuer().as_raw().to_vec(),
            key: certificate.public_key().raw.to_vec(),
        })
    };
    let certificates = authorities.certificates().iter();
    certificates.filter_map(authority).collect()
}
