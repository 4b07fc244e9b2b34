//! Why certificates, keys and authorities cannot be used, in words that say where to look.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {source}", path.display())]
pub struct ReadError {
    /// The file.
    pub path: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

/// Why certificates, keys or authorities cannot be used. A `name` is the file's path, or what [`crate::PemSource`] says.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum CredentialsError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(
        "{name} holds no {expected} block, but {found}; expected PEM text that begins with -----BEGIN {expected}-----{hint}"
    )]
    NoBlock {
        name: String,
        expected: &'static str,
        found: String,
        hint: &'static str,
    },
    #[error("{name} is not valid PEM: {problem}")]
    Pem { name: String, problem: String },
    #[error("certificate {number} in {name} cannot be read: {problem}")]
    Certificate {
        name: String,
        number: usize,
        problem: String,
    },
    #[error(
        "the key in {name} is encrypted; decrypt it with `openssl pkey -in OLD -out NEW` and use the new one"
    )]
    EncryptedKey { name: String },
    #[error(
        "the key in {name} cannot be used: {problem}; expected an RSA, ECDSA (P-256, P-384, P-521) or Ed25519 key"
    )]
    Key { name: String, problem: String },
    #[error(
        "the key in {key} does not belong to the first certificate in {certificate}; the certificate of the key must come first"
    )]
    Mismatch { certificate: String, key: String },
    #[error("the authorities in {name} cannot be used: {problem}")]
    Authorities { name: String, problem: String },
}

impl CredentialsError {
    /// The file that it is about, as the messages name it; of a key and a certificate that do not belong together, the key.
    pub fn name(&self) -> Cow<'_, str> {
        match self {
            Self::Read(error) => error.path.to_string_lossy(),
            Self::NoBlock { name, .. }
            | Self::Pem { name, .. }
            | Self::Certificate { name, .. }
            | Self::EncryptedKey { name }
            | Self::Key { name, .. }
            | Self::Mismatch { key: name, .. }
            | Self::Authorities { name, .. } => Cow::Borrowed(name),
        }
    }
}
