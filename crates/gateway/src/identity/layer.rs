//! The service that finds out who asks, outside of the audit layer.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use http::{Request, Response};
use kubevigil_record::layer::Caller;
use tower_layer::Layer;
use tower_service::Service;

use super::authenticator::Authenticator;
use crate::Peer;

/// Puts a [`Caller`] into the extensions of each request, and removes from its headers every credential that was not judged:
/// afterwards there is at most one bearer token, in mode `passthrough`, and none of the headers by which a proxy names callers.
///
/// It reads [`Peer`] from the extensions; without one, nobody has a certificate. It never answers itself. A caller whom an outer
/// service has refused already stays refused.
#[derive(Clone)]
pub struct AuthenticateLayer(Arc<Authenticator>);

impl AuthenticateLayer {
    /// Lets an authenticator judge.
    pub fn new(authenticator: Arc<Authenticator>) -> Self {
        Self(authenticator)
    }
}

impl<S> Layer<S> for AuthenticateLayer {
    type Service = Authenticate<S>;

    fn layer(&self, inner: S) -> Authenticate<S> {
        Authenticate {
            authenticator: Arc::clone(&self.0),
            inner,
        }
    }
}

/// See [`AuthenticateLayer`].
#[derive(Clone)]
pub struct Authenticate<S> {
    authenticator: Arc<Authenticator>,
    inner: S,
}

/// How long it took to find out who asks: an extension, for whoever keeps record once that is possible.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AuthenticationTook(pub(crate) Duration);

impl<S, B, RB> Service<Request<B>> for Authenticate<S>
where
    S: Service<Request<B>, Response = Response<RB>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response<RB>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<RB>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let authenticator = Arc::clone(&self.authenticator);
        // The inner service that is ready is this one; the clone has not been asked yet.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            let request = identified(&authenticator, request).await;
            inner.call(request).await
        })
    }
}

async fn identified<B>(authenticator: &Authenticator, request: Request<B>) -> Request<B> {
    let (mut parts, body) = request.into_parts();
    if let Some(Caller::Refused { .. }) = parts.extensions.get() {
        authenticator.tidy(&mut parts.headers, None);
        return Request::from_parts(parts, body);
    }
    let since = Instant::now();
    let peer: Option<Peer> = parts.extensions.get().cloned();
    let judgement = authenticator
        .authenticate(&parts, peer.as_ref(), SystemTime::now())
        .await;
    let caller = match judgement {
        Ok(identity) => {
            authenticator.tidy(&mut parts.headers, Some(identity.by));
            Caller::Known(identity.user)
        }
        Err(refusal) => {
            authenticator.tidy(&mut parts.headers, None);
            Caller::Refused {
                status: refusal.status,
                message: refusal.message,
            }
        }
    };
    parts.extensions.insert(caller);
    parts.extensions.insert(AuthenticationTook(since.elapsed()));
    Request::from_parts(parts, body)
}
