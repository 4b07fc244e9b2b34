//! Questions that the gateway puts to the upstream with its own credentials.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_TYPE};
use kubevigil_diagnostics::with_causes;
use kubevigil_kubeconfig::{Client, ClientError};
use tokio::time::timeout;

/// The longest answer that is read.
const LONGEST: usize = 1024 * 1024;
/// How long the upstream may take: a request waits for the answer.
const PATIENCE: Duration = Duration::from_secs(10);
const JSON: &str = "application/json";

/// Asks the upstream in the gateway's own name: whose a token is, who may impersonate whom, which keys sign tokens.
#[async_trait]
pub trait Reviewer: Send + Sync {
    /// POSTs a review, one JSON object, to a path such as `/apis/authentication.k8s.io/v1/tokenreviews`, and returns the answer's
    /// body.
    async fn review(&self, path: &str, review: Bytes) -> Result<Bytes, ReviewError>;

    /// GETs a path.
    async fn read(&self, path: &str) -> Result<Bytes, ReviewError>;
}

/// Why the upstream did not answer a question.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ReviewError {
    /// It cannot be reached, or broke off.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// The gateway's own credentials cannot be had.
    #[error("the gateway's credentials cannot be had: {0}")]
    Credentials(String),
    /// It refused; 401 and 403 mean that the gateway lacks rights.
    #[error("answered {status} to {path}{}", advice(*status, path))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What was asked.
        path: String,
    },
    /// The answer is longer than 1 MiB.
    #[error("answered with more than {LONGEST} bytes")]
    TooLong,
    /// The answer is not what was asked for.
    #[error("answered something else than was asked for: {0}")]
    Unreadable(String),
}

/// What to do about an API server that does not know the question.
fn advice(status: u16, path: &str) -> &'static str {
    match path.rsplit('/').next() {
        _ if status != 404 => "",
        Some("tokenreviews" | "jwks") => {
            ", so it cannot be asked, as extension API servers cannot; name one that can (--authentication-kubeconfig)"
        }
        Some("subjectaccessreviews") => {
            ", so it cannot be asked, as extension API servers cannot; name one that can (--authorization-kubeconfig)"
        }
        _ => "",
    }
}

/// Reads an answer whole, if it is not too long.
pub(super) async fn whole_body(mut answer: reqwest::Response) -> Result<Bytes, ReviewError> {
    let unreachable =
        |error: reqwest::Error| ReviewError::Unreachable(with_causes(&error.without_url()));
    let mut body = BytesMut::new();
    while let Some(part) = answer.chunk().await.map_err(unreachable)? {
        if body.len() + part.len() > LONGEST {
            return Err(ReviewError::TooLong);
        }
        body.extend_from_slice(&part);
    }
    Ok(body.freeze())
}

/// Asks over the connections and with the credentials of a kubeconfig.
pub struct UpstreamReviewer(ArcSwap<Client>);

impl UpstreamReviewer {
    /// Asks with a client that proves itself as the gateway.
    pub fn new(client: Client) -> Self {
        Self(ArcSwap::from_pointee(client))
    }

    /// Asks with another client from now on.
    pub fn renew(&self, client: Client) {
        self.0.store(Arc::new(client));
    }

    async fn ask(
        &self,
        request: http::request::Builder,
        body: Bytes,
    ) -> Result<Bytes, ReviewError> {
        let request = request.header(ACCEPT, JSON).body(body);
        let request = request.map_err(|error| ReviewError::Unreadable(error.to_string()))?;
        let path = request.uri().path().to_owned();
        let answer = timeout(PATIENCE, async {
            let client = self.0.load_full();
            let answer = client.send(request).await.map_err(unanswered)?;
            let status = answer.status().as_u16();
            if !answer.status().is_success() {
                return Err(ReviewError::Refused { status, path });
            }
            whole_body(answer).await
        });
        let late = |_| ReviewError::Unreachable(format!("no answer within {PATIENCE:?}"));
        answer.await.map_err(late)?
    }
}

#[async_trait]
impl Reviewer for UpstreamReviewer {
    async fn review(&self, path: &str, review: Bytes) -> Result<Bytes, ReviewError> {
        let request = http::Request::post(path).header(CONTENT_TYPE, JSON);
        self.ask(request, review).await
    }

    async fn read(&self, path: &str) -> Result<Bytes, ReviewError> {
        self.ask(http::Request::get(path), Bytes::new()).await
    }
}

fn unanswered(error: ClientError) -> ReviewError {
    match error {
        ClientError::Request(error) => ReviewError::Unreachable(with_causes(&error.without_url())),
        error => ReviewError::Credentials(error.to_string()),
    }
}
