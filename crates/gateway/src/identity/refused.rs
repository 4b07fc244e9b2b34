//! Why somebody was not recognised.
//!
//! The caller learns nothing of it but 401, as with kube-apiserver; the log says it in full.

/// Why credentials were refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Refused {
    /// No authority vouches for the certificate.
    #[error("client certificate {subject}: {problem}")]
    Certificate {
        /// Whose it says it is.
        subject: String,
        problem: String,
    },
    /// The certificate of a front proxy, but not of one that is allowed.
    #[error("front proxy {name:?} is not one of the allowed names")]
    ProxyName { name: String },
    /// Text that is no UTF-8 where a name is expected.
    #[error("header {header} is not UTF-8")]
    NotText { header: String },
    /// The subprotocols of a WebSocket do not hold one token and another protocol.
    #[error("websocket subprotocols: {0}")]
    Subprotocol(&'static str),
    /// A token in the query, which the upstream might take, but nobody here judges.
    #[error("the query holds an access_token, which is not a way to authenticate here")]
    QueryToken,
    /// No method is configured that knows the token.
    #[error("no configured method knows the bearer token")]
    UnknownToken,
    /// The token of a known issuer is not good.
    #[error("token of issuer {issuer:?}: {problem}")]
    Token { issuer: String, problem: String },
    /// The upstream refused the token.
    #[error("the upstream refused the token: {0}")]
    Review(String),
    /// The upstream could not be asked.
    #[error("the upstream could not be asked about a token: {0}")]
    Unasked(String),
    /// There were too many unknown tokens.
    #[error("too many unknown tokens at once")]
    Flood,
    /// A caller with a name that nobody can be known by.
    #[error("the caller's name is empty")]
    Nameless,
    /// Nobody, where somebody is needed.
    #[error("no credentials, and anonymous requests are not allowed")]
    Anonymous,
}

impl Refused {
    /// The HTTP status of the answer.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Flood => 429,
            _ => 401,
        }
    }
}
