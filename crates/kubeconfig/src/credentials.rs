//! What a client proves itself with, of the moment: tokens and certificates change while the process lives.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

use crate::certificate::Certificate;
use crate::exec::Plugin;
use crate::token_file::TokenFile;

/// What a client proves itself with. Clones share what was read, and what plugins answered.
#[derive(Clone)]
pub struct Credentials {
    authorization: Arc<Authorization>,
    certificate: Option<Arc<Certificate>>,
}

/// Where the header `Authorization` comes from.
pub(crate) enum Authorization {
    Nothing,
    /// `token`, or `username` and `password`
    Header(HeaderValue),
    /// `tokenFile`
    File(TokenFile),
    /// `exec`
    Plugin(Arc<Plugin>),
}

/// Why there are no credentials at the moment. A later call may have some.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CredentialError {
    /// `tokenFile` holds no token.
    #[error("{}: {problem}; expected a file with one token in it", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// An exec plugin did not answer, or not as it should.
    #[error("the credential plugin `{command}` {problem}")]
    Plugin {
        /// The program.
        command: String,
        /// What is wrong with it: `failed with exit status: 1`.
        problem: String,
    },
}

impl Credentials {
    /// No credentials.
    pub fn none() -> Self {
        Self::new(Authorization::Nothing, None)
    }

    pub(crate) fn new(authorization: Authorization, certificate: Option<Arc<Certificate>>) -> Self {
        Self {
            authorization: Arc::new(authorization),
            certificate,
        }
    }

    /// The value of the header `Authorization`, marked sensitive; `None` when there is nothing to send.
    ///
    /// Cheap, except when a token's file is read again (each minute), or an exec plugin runs (when what it handed out has expired). Many
    /// callers wait for one run. To be awaited before connecting, since a plugin's client certificate comes the same way.
    ///
    /// # Errors
    ///
    /// When a token's file never held a token, or the plugin fails.
    pub async fn authorization(&self) -> Result<Option<HeaderValue>, CredentialError> {
        if let Some(certificate) = &self.certificate {
            certificate.refresh().await;
        }
        match &*self.authorization {
            Authorization::Nothing => Ok(None),
            Authorization::Header(header) => Ok(Some(header.clone())),
            Authorization::File(file) => file.current().await.map(Some),
            Authorization::Plugin(plugin) => plugin.current().await,
        }
    }

    /// To be called when a server answers 401 to what [`authorization`](Self::authorization) gave: the next call reads the file again, or
    /// runs the plugin again, if that was not just done.
    pub fn refused(&self, sent: Option<&HeaderValue>) {
        match (&*self.authorization, sent) {
            (Authorization::File(file), Some(sent)) => file.refused(sent),
            (Authorization::Plugin(plugin), sent) => plugin.refused(sent),
            _ => {}
        }
    }

    /// Whether there is anything to send or to present.
    pub fn is_empty(&self) -> bool {
        matches!(*self.authorization, Authorization::Nothing) && self.certificate.is_none()
    }

    /// Changes when the client certificate does. Connections that were made before still speak for the old one: close them.
    pub fn certificate_version(&self) -> u64 {
        self.certificate
            .as_ref()
            .map_or(0, |certificate| certificate.version())
    }

    pub(crate) fn certificate(&self) -> Option<Arc<Certificate>> {
        self.certificate.clone()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authorization = match &*self.authorization {
            Authorization::Nothing => "nothing",
            Authorization::Header(_) => "a token or a password",
            Authorization::File(_) => "a token's file",
            Authorization::Plugin(_) => "an exec plugin",
        };
        f.debug_struct("Credentials")
            .field("authorization", &authorization)
            .field("certificate", &self.certificate.is_some())
            .finish()
    }
}

/// `Bearer TOKEN`; `None` if no header can carry it.
pub(crate) fn bearer(token: &str) -> Option<HeaderValue> {
    let is_token = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    is_token.then(|| sensitive(&format!("Bearer {token}")))?
}

/// `Basic …`
pub(crate) fn basic(username: &str, password: &str) -> Option<HeaderValue> {
    let encoded = STANDARD.encode(format!("{username}:{password}"));
    sensitive(&format!("Basic {encoded}"))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(text).ok()?;
    header.set_sensitive(true);
    Some(header)
}
