//! Certificates and tokens in use, and their replacement while connections live.
//!
//! New connections get the new certificate, open ones keep theirs; tokens change for all at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kubevigil_tls::{
    ClientCertificates, Look, ReadError, Reloadable, ServerCredentials, ServerFiles,
};
use rustls::ServerConfig;

use super::config::{TlsConfig, WebhookConfig};
use super::tokens::Tokens;

/// Why certificates, keys or tokens cannot be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum CredentialsError {
    #[error(transparent)]
    Tls(#[from] kubevigil_tls::CredentialsError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(
        "line {line} of {} is not a token: expected at least 16 printable characters without spaces; \
         `openssl rand -hex 32` makes one", path.display()
    )]
    Token { path: PathBuf, line: usize },
    #[error("{} holds no token; expected one a line; `openssl rand -hex 32` makes one", path.display())]
    NoToken { path: PathBuf },
}

/// Reads certificates, keys and tokens as [`bind`](super::Webhook::bind) would, without listening.
pub fn check(config: &WebhookConfig) -> Result<(), CredentialsError> {
    Credentials::load(config).map(drop)
}

/// What the webhook proves itself with, and what it demands.
pub(super) struct Credentials {
    tls: Option<ServerCredentials>,
    tokens: Option<Reloadable<Tokens, CredentialsError>>,
}

/// What a look at the files found.
#[derive(Debug, Default)]
pub(super) struct Reloaded {
    pub(super) changed: usize,
    pub(super) errors: Vec<CredentialsError>,
}

impl Credentials {
    pub(super) fn load(config: &WebhookConfig) -> Result<Self, CredentialsError> {
        let tls = config.tls.as_ref().map(open_tls).transpose()?;
        let tokens = config.tokens.as_deref().map(open_tokens).transpose()?;
        Ok(Self { tls, tokens })
    }

    /// What a new connection is accepted with; `None` is plain HTTP.
    pub(super) fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.tls.as_ref().map(ServerCredentials::current)
    }

    /// The valid tokens; `None` when no token is asked for.
    pub(super) fn tokens(&self) -> Option<Arc<Tokens>> {
        self.tokens.as_ref().map(Reloadable::current)
    }

    /// Reads the files again. Unless `insist`, files that did not change since the last look are left alone.
    pub(super) fn reload(&self, insist: bool) -> Reloaded {
        let mut reloaded = Reloaded::default();
        let tls = self.tls.as_ref().map(|tls| tls.reload(insist));
        let tls = tls.map(|result| result.map_err(CredentialsError::from));
        let tokens = self.tokens.as_ref().map(|tokens| tokens.reload(insist));
        for result in [tls, tokens].into_iter().flatten() {
            match result {
                Ok(look) => reloaded.changed += usize::from(look == Look::Replaced),
                Err(error) => reloaded.errors.push(error),
            }
        }
        reloaded
    }
}

fn open_tls(config: &TlsConfig) -> Result<ServerCredentials, CredentialsError> {
    let files = ServerFiles {
        certificate: config.certificate.clone(),
        key: config.key.clone(),
    };
    let clients = match &config.client_ca {
        Some(path) => ClientCertificates::Required(path.clone()),
        None => ClientCertificates::None,
    };
    Ok(ServerCredentials::load(files, clients)?)
}

fn open_tokens(path: &Path) -> Result<Reloadable<Tokens, CredentialsError>, CredentialsError> {
    let files = vec![path.to_owned()];
    let path = path.to_owned();
    Reloadable::open(files, move |contents| {
        Tokens::parse(&path, &contents.concat())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(credentials: &Credentials, token: &str) -> bool {
        let value = http::HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        credentials.tokens().unwrap().allow(Some(&value))
    }

    #[test]
    fn a_broken_replacement_of_the_tokens_is_counted_and_changes_nothing() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let write = |text: &str| std::fs::write(file.path(), text).unwrap();
        write("first-token-0123456789");
        let tokens = Some(file.path().to_owned());
        let config = WebhookConfig {
            tokens,
            ..WebhookConfig::default()
        };
        let credentials = Credentials::load(&config).unwrap();

        write("bad");
        assert_eq!(credentials.reload(false).errors.len(), 1);
        assert_eq!(
            credentials.reload(false).errors.len(),
            0,
            "reported already"
        );
        assert!(allowed(&credentials, "first-token-0123456789"));

        write("second-token-0123456789");
        assert_eq!(credentials.reload(false).changed, 1);
        assert_eq!(credentials.reload(false).changed, 0);
        assert!(allowed(&credentials, "second-token-0123456789"));
        assert!(!allowed(&credentials, "first-token-0123456789"));
    }
}
