//! In whose name a request goes on: the one place that decides what the upstream is told about that.
//!
//! With [`UpstreamIdentity::Passthrough`] the client's own credentials go on and the gateway adds none. With
//! [`UpstreamIdentity::Impersonate`] nothing that the client says of itself goes on; the gateway shows its own credentials and
//! names the user. A request that nobody named a user for is refused: it would be carried out as the gateway itself.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use kubevigil_kubeconfig::Credentials;

use super::failure::Failure;
use super::names::Meaning;
use crate::impersonate::ForwardAs;

/// How the upstream learns who asks.
#[derive(Clone, Debug)]
pub enum UpstreamIdentity {
    /// By the client's own credentials.
    Passthrough,
    /// By impersonation: the gateway shows these credentials of its own, and names the user of [`ForwardAs`].
    Impersonate(Credentials),
}

impl UpstreamIdentity {
    /// Whether headers of this meaning go on as the client sent them. `is_proxied`: the API server passes the request on to
    /// something that may know cookies.
    pub(super) fn keeps(&self, meaning: Meaning, is_proxied: bool) -> bool {
        match meaning {
            Meaning::Ordinary => true,
            Meaning::Authorization | Meaning::Impersonation => matches!(self, Self::Passthrough),
            Meaning::Cookie => is_proxied,
            Meaning::Hop | Meaning::FrontProxy | Meaning::Override | Meaning::Disguised => false,
        }
    }

    /// Adds what the gateway says. Everything that [`Self::keeps`] does not keep was removed before. Hands out the gateway's own
    /// `Authorization`, for [`Self::refused`].
    pub(super) async fn write(
        &self,
        headers: &mut HeaderMap,
        user: Option<&ForwardAs>,
    ) -> Result<Option<HeaderValue>, Failure> {
        let Self::Impersonate(credentials) = self else {
            return Ok(None);
        };
        user.ok_or(Failure::NoUser)?.write(headers)?;
        let own = credentials.authorization().await?;
        if let Some(own) = &own {
            headers.insert(AUTHORIZATION, own.clone());
        }
        Ok(own)
    }

    /// The upstream answered 401 to what was written: its credentials may have been changed.
    pub(super) fn refused(&self, sent: Option<&HeaderValue>) {
        if let Self::Impersonate(credentials) = self {
            credentials.refused(sent);
        }
    }

    /// Changes when the gateway's own certificate does. A connection speaks for the certificate that it was made with.
    pub(super) fn version(&self) -> u64 {
        match self {
            Self::Passthrough => 0,
            Self::Impersonate(credentials) => credentials.certificate_version(),
        }
    }
}
