//! What a client proves itself with.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

use crate::error::CredentialsError;
use crate::pem::{Pem, PemSource, certified_key};
use crate::reload::{Look, Reloadable};

/// A client certificate and its key, for `ClientConfig`'s `with_client_cert_resolver`. New connections use what the last
/// [`reload`](Self::reload) found, so that a certificate which is rotated in its file (a kubelet's) needs no restart.
pub struct ClientCertificate(Reloadable<CertifiedKey>);

impl ClientCertificate {
    /// Reads certificate and key, each from a file or from text.
    pub fn load(certificate: PemSource, key: PemSource) -> Result<Self, CredentialsError> {
        let files = [&certificate, &key].into_iter().filter_map(file).collect();
        let build = move |contents: &[Vec<u8>]| {
            let mut contents = contents.iter();
            let mut content = |source: &PemSource| match source {
                PemSource::File(_) => contents.next().cloned().unwrap_or_default(),
                PemSource::Text { content, .. } => content.clone(),
            };
            let (first, second) = (content(&certificate), content(&key));
            certified_key(&Pem::new(&certificate, &first), &Pem::new(&key, &second))
        };
        Reloadable::open(files, build).map(Self)
    }

    /// Reads the files again; see [`Reloadable::reload`].
    pub fn reload(&self, insist: bool) -> Result<Look, CredentialsError> {
        self.0.reload(insist)
    }

    /// The certificate and key in use.
    pub fn current(&self) -> Arc<CertifiedKey> {
        self.0.current()
    }
}

fn file(source: &PemSource) -> Option<PathBuf> {
    match source {
        PemSource::File(path) => Some(path.clone()),
        PemSource::Text { .. } => None,
    }
}

impl ResolvesClientCert for ClientCertificate {
    fn resolve(&self, _: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let certified = self.current();
        certified
            .key
            .choose_scheme(schemes)
            .is_some()
            .then_some(certified)
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ClientCertificate")
            .finish_non_exhaustive()
    }
}
