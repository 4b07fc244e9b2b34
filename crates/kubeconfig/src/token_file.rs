//! A token that somebody else keeps fresh in a file, as the kubelet does with those of service accounts.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use tokio::io::AsyncReadExt as _;
use tokio::time::Instant;

use crate::credentials::{CredentialError, bearer};

/// How long a token is used before the file is read again; client-go's figure.
const FRESH: Duration = Duration::from_secs(60);

/// The longest file, in bytes. Tokens are far shorter, and no header carries more.
const LONGEST: u64 = 64 << 10;

/// A file with a token in it.
pub(crate) struct TokenFile {
    path: PathBuf,
    held: Mutex<Held>,
}

struct Held {
    header: Option<HeaderValue>,
    next_read: Instant,
}

impl TokenFile {
    /// A file that is read when its token is first wanted. `fallback` is used while the file holds none.
    pub(crate) fn new(path: PathBuf, fallback: Option<HeaderValue>) -> Self {
        let held = Mutex::new(Held {
            header: fallback,
            next_read: Instant::now(),
        });
        Self { path, held }
    }

    /// Reads it now, for whoever wants to know at the start.
    pub(crate) fn check(&self) -> Result<(), CredentialError> {
        use std::io::Read as _;
        let mut bytes = Vec::new();
        std::fs::File::open(&self.path)
            .and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes))
            .map_err(|error| self.problem(&error.to_string()))?;
        self.keep(&bytes).map(drop)
    }

    /// The token's header. A file that became unreadable leaves the last one in use.
    pub(crate) async fn current(&self) -> Result<HeaderValue, CredentialError> {
        if let Some(header) = self.fresh() {
            return Ok(header);
        }
        let read = match self.read().await {
            Ok(bytes) => self.keep(&bytes),
            Err(error) => Err(self.problem(&error.to_string())),
        };
        read.or_else(|error| {
            let last = self.held().header.clone();
            if last.is_some() {
                tracing::warn!(%error, "the old token stays in use");
            }
            last.ok_or(error)
        })
    }

    /// Reads the file again at the next call, if that was its token.
    pub(crate) fn refused(&self, sent: &HeaderValue) {
        let mut held = self.held();
        if held.header.as_ref() == Some(sent) {
            held.next_read = Instant::now();
        }
    }

    /// The token, if it need not be read again; one caller alone is sent to read while others still use the last.
    fn fresh(&self) -> Option<HeaderValue> {
        let now = Instant::now();
        let mut held = self.held();
        let is_fresh = now < held.next_read;
        if !is_fresh && held.header.is_some() {
            held.next_read = now + FRESH;
        }
        held.header.clone().filter(|_| is_fresh)
    }

    async fn read(&self) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = tokio::fs::File::open(&self.path).await?;
        file.take(LONGEST + 1).read_to_end(&mut bytes).await?;
        Ok(bytes)
    }

    fn keep(&self, bytes: &[u8]) -> Result<HeaderValue, CredentialError> {
        if bytes.len() as u64 > LONGEST {
            return Err(self.problem("it is longer than 64 KiB"));
        }
        let text = bytes.trim_ascii();
        if text.is_empty() {
            return Err(self.problem("it is empty"));
        }
        let header = std::str::from_utf8(text).ok().and_then(bearer);
        let header = header
            .ok_or_else(|| self.problem("it holds blanks or characters that no token has"))?;
        let mut held = self.held();
        held.header = Some(header.clone());
        held.next_read = Instant::now() + FRESH;
        Ok(header)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn problem(&self, problem: &str) -> CredentialError {
        CredentialError::TokenFile {
            path: self.path.clone(),
            problem: problem.to_owned(),
        }
    }
}
