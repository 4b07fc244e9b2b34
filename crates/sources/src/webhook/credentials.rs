//! Certificates and tokens in use, and their replacement while connections live.
//!
//! The files' contents decide whether something changed, not their times: mounted Secrets swap a symbolic link, and copying
//! tools keep old times. New connections get the new certificate, open ones keep theirs. A broken replacement changes nothing
//! and is reported once, not at every look.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use blake3::{Hash, Hasher};
use rustls::ServerConfig;

use super::config::{TlsConfig, WebhookConfig};
use super::tls;
use super::tokens::Tokens;

/// Why certificates, keys or tokens cannot be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum CredentialsError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "{} holds no {expected} block, but {found}; expected PEM text that begins with -----BEGIN {expected}-----{hint}",
        path.display()
    )]
    NoBlock {
        path: PathBuf,
        expected: &'static str,
        found: String,
        hint: &'static str,
    },
    #[error("{} is not valid PEM: {problem}", path.display())]
    Pem { path: PathBuf, problem: String },
    #[error("certificate {number} in {} cannot be read: {problem}", path.display())]
    Certificate {
        path: PathBuf,
        number: usize,
        problem: String,
    },
    #[error(
        "the key in {} is encrypted; decrypt it with `openssl pkey -in {} -out NEW` and name the new file",
        path.display(), path.display()
    )]
    EncryptedKey { path: PathBuf },
    #[error(
        "the key in {} cannot be used: {problem}; expected an RSA, ECDSA (P-256, P-384, P-521) or Ed25519 key", path.display()
    )]
    Key { path: PathBuf, problem: String },
    #[error(
        "the key in {} does not belong to the first certificate in {}; the server's own certificate must come first",
        key.display(), certificate.display()
    )]
    Mismatch { certificate: PathBuf, key: PathBuf },
    #[error("the authorities in {} cannot be used: {problem}", path.display())]
    Authorities { path: PathBuf, problem: String },
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
    tls: Option<Reloadable<ServerConfig>>,
    tokens: Option<Reloadable<Tokens>>,
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
        self.tls.as_ref().map(|tls| tls.current.load_full())
    }

    /// The valid tokens; `None` when no token is asked for.
    pub(super) fn tokens(&self) -> Option<Arc<Tokens>> {
        self.tokens
            .as_ref()
            .map(|tokens| tokens.current.load_full())
    }

    /// Reads the files again. Unless `insist`, files that did not change since the last look are left alone.
    pub(super) fn reload(&self, insist: bool) -> Reloaded {
        let mut reloaded = Reloaded::default();
        let tls = self.tls.as_ref().map(|tls| tls.refresh(insist));
        let tokens = self.tokens.as_ref().map(|tokens| tokens.refresh(insist));
        for result in [tls, tokens].into_iter().flatten() {
            match result {
                Ok(changed) => reloaded.changed += usize::from(changed),
                Err(error) => reloaded.errors.push(error),
            }
        }
        reloaded
    }
}

fn open_tls(config: &TlsConfig) -> Result<Reloadable<ServerConfig>, CredentialsError> {
    let mut files = vec![config.certificate.clone(), config.key.clone()];
    files.extend(config.client_ca.clone());
    let config = config.clone();
    let build = move |contents: &[Vec<u8>]| tls::build(&config, contents);
    Reloadable::open(files, Box::new(build))
}

fn open_tokens(path: &Path) -> Result<Reloadable<Tokens>, CredentialsError> {
    let files = vec![path.to_owned()];
    let path = path.to_owned();
    let build = move |contents: &[Vec<u8>]| Tokens::parse(&path, &contents.concat());
    Reloadable::open(files, Box::new(build))
}

type Build<T> = Box<dyn Fn(&[Vec<u8>]) -> Result<T, CredentialsError> + Send + Sync>;

/// A value made from files, replaced as a whole.
struct Reloadable<T> {
    files: Vec<PathBuf>,
    build: Build<T>,
    current: ArcSwap<T>,
    /// Digest of what the files held at the last look, good or bad; `None` when they could not be read.
    seen: Mutex<Option<Hash>>,
}

impl<T> Reloadable<T> {
    fn open(files: Vec<PathBuf>, build: Build<T>) -> Result<Self, CredentialsError> {
        let contents = read(&files)?;
        let current = ArcSwap::from_pointee(build(&contents)?);
        let seen = Mutex::new(Some(digest(&contents)));
        Ok(Self {
            files,
            build,
            current,
            seen,
        })
    }

    /// Whether the value was replaced.
    fn refresh(&self, insist: bool) -> Result<bool, CredentialsError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let contents = match read(&self.files) {
            Ok(contents) => contents,
            // Unreadable a second time in a row: already reported.
            Err(_) if seen.is_none() && !insist => return Ok(false),
            Err(error) => {
                *seen = None;
                return Err(error);
            }
        };
        let digest = Some(digest(&contents));
        if *seen == digest && !insist {
            return Ok(false);
        }
        let changed = *seen != digest;
        *seen = digest;
        self.current.store(Arc::new((self.build)(&contents)?));
        Ok(changed)
    }
}

fn read(files: &[PathBuf]) -> Result<Vec<Vec<u8>>, CredentialsError> {
    let read = |path: &PathBuf| {
        std::fs::read(path).map_err(|source| CredentialsError::Read {
            path: path.clone(),
            source,
        })
    };
    files.iter().map(read).collect()
}

fn digest(contents: &[Vec<u8>]) -> Hash {
    let mut hasher = Hasher::new();
    for content in contents {
        hasher
            .update(&(content.len() as u64).to_le_bytes())
            .update(content);
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(credentials: &Credentials, token: &str) -> bool {
        let value = http::HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        credentials.tokens().unwrap().allow(Some(&value))
    }

    #[test]
    fn a_broken_replacement_is_reported_once_and_changes_nothing() {
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
        assert_eq!(credentials.reload(true).errors.len(), 1, "asked explicitly");
        assert!(allowed(&credentials, "first-token-0123456789"));

        write("second-token-0123456789");
        assert_eq!(credentials.reload(false).changed, 1);
        assert_eq!(credentials.reload(false).changed, 0);
        assert!(allowed(&credentials, "second-token-0123456789"));
        assert!(!allowed(&credentials, "first-token-0123456789"));

        std::fs::remove_file(file.path()).unwrap();
        assert_eq!(credentials.reload(false).errors.len(), 1);
        assert_eq!(
            credentials.reload(false).errors.len(),
            0,
            "reported already"
        );
        assert!(allowed(&credentials, "second-token-0123456789"));
        write("second-token-0123456789");
        assert_eq!(credentials.reload(false).changed, 1, "readable again");
    }
}
