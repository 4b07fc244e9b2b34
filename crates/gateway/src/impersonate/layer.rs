//! The service around the one that forwards.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Instant, SystemTime};

use http::{Request, Response, StatusCode};
use http_body_util::Either;
use kubevigil_record::event::UserInfo;
use kubevigil_record::latency::Part;
use kubevigil_record::layer::{Caller, Recording};
use tokio_util::either as future;
use tower_layer::Layer;
use tower_service::Service;

use super::authorise::{Authoriser, Denied};
use super::forward_as::{ForwardAs, remove_all};
use super::wanted::{Unusable, check_text, complete, keep_what_counts, wanted};
use crate::answer::{self, OwnBody};
use crate::either::EitherFuture;
use crate::identity::{AuthenticationTook, IdentityError, IdentityMode, Keyed, Reviewer};

/// Deals with what clients want to be taken for, inside of the audit layer and next to the service that forwards.
///
/// In mode `passthrough` the upstream decides; the events say what it decided. In mode `impersonate` the upstream is asked
/// whether the caller may, and every request that reaches the inner service has a [`ForwardAs`] in its extensions and no header
/// that impersonates.
#[derive(Clone)]
pub struct ImpersonateLayer(Option<Arc<Authoriser>>);

impl ImpersonateLayer {
    /// `upstream` is asked who may impersonate whom.
    ///
    /// # Errors
    ///
    /// When mode `impersonate` has no upstream to ask.
    pub fn new(
        mode: IdentityMode,
        upstream: Option<&Arc<dyn Reviewer>>,
    ) -> Result<Self, IdentityError> {
        if mode == IdentityMode::Passthrough {
            return Ok(Self(None));
        }
        let upstream = upstream.ok_or(IdentityError::NeedsUpstream("mode: impersonate"))?;
        let keyed = Keyed::new().ok_or(IdentityError::Randomness)?;
        let authoriser = Authoriser::new(Arc::clone(upstream), keyed);
        Ok(Self(Some(Arc::new(authoriser))))
    }
}

impl<S> Layer<S> for ImpersonateLayer {
    type Service = Impersonate<S>;

    fn layer(&self, inner: S) -> Impersonate<S> {
        Impersonate {
            authoriser: self.0.clone(),
            inner,
        }
    }
}

/// See [`ImpersonateLayer`].
#[derive(Clone)]
pub struct Impersonate<S> {
    /// There in mode `impersonate`.
    authoriser: Option<Arc<Authoriser>>,
    inner: S,
}

/// The future of a request that waits for what the upstream says of it.
pub type Asked<RB> = Pin<Box<dyn Future<Output = Answered<RB>> + Send>>;
type Answered<RB> = Result<Response<Either<OwnBody, RB>>, Infallible>;

/// The future of [`Impersonate`]: a box only where the upstream is asked.
pub type Impersonating<F, RB> = future::Either<EitherFuture<F>, Asked<RB>>;

impl<S, B, RB> Service<Request<B>> for Impersonate<S>
where
    S: Service<Request<B>, Response = Response<RB>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    RB: 'static,
{
    type Response = Response<Either<OwnBody, RB>>;
    type Error = Infallible;
    type Future = Impersonating<S::Future, RB>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        tell_authentication(&request);
        let Some(authoriser) = self.authoriser.clone() else {
            pass(&mut request);
            return self.go_on(request);
        };
        let (caller, wanted) = match claim(&mut request) {
            Ok(claim) => claim,
            Err(obstacle) => return direct(EitherFuture::own(obstacle.answer())),
        };
        let Some(wanted) = wanted else {
            request.extensions_mut().insert(ForwardAs { user: caller });
            return self.go_on(request);
        };
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let asked: Asked<RB> = Box::pin(async move {
            match allowed(&authoriser, &mut request, &caller, wanted).await {
                Ok(()) => {
                    let Ok(answer) = inner.call(request).await;
                    Ok(answer.map(Either::Right))
                }
                Err(denied) => Ok(Obstacle::Denied(denied).answer().map(Either::Left)),
            }
        });
        future::Either::Right(asked)
    }
}

impl<S> Impersonate<S> {
    fn go_on<B, RB>(&mut self, request: Request<B>) -> Impersonating<S::Future, RB>
    where
        S: Service<Request<B>>,
    {
        direct(EitherFuture::inner(self.inner.call(request)))
    }
}

fn direct<F, RB>(future: EitherFuture<F>) -> Impersonating<F, RB> {
    future::Either::Left(future)
}

/// The audit layer begins to keep record only after the caller is known.
fn tell_authentication<B>(request: &Request<B>) {
    let extensions = request.extensions();
    if let (Some(recording), Some(took)) = (
        extensions.get::<Recording>(),
        extensions.get::<AuthenticationTook>(),
    ) {
        recording.took(Part::Authentication, took.0);
    }
}

/// Mode `passthrough`: the upstream reads the headers and decides, and answers what it cannot read.
fn pass<B>(request: &mut Request<B>) {
    keep_what_counts(request.headers_mut());
    if let Some(recording) = request.extensions().get::<Recording>()
        && let Ok(Some(user)) = wanted(request.headers())
    {
        recording.impersonating(complete(user), None);
    }
}

/// Mode `impersonate`: who asks, and whom they want to be. Takes both out of the request: nobody further in has to know.
fn claim<B>(request: &mut Request<B>) -> Result<(UserInfo, Option<UserInfo>), Obstacle> {
    let headers = request.headers();
    let wanted = check_text(headers).and_then(|()| wanted(headers));
    remove_all(request.headers_mut());
    match request.extensions_mut().remove::<Caller>() {
        Some(Caller::Known(user)) => Ok((user, wanted.map_err(Obstacle::Unusable)?)),
        // Without a caller the request would be the gateway's own.
        _ => Err(Obstacle::Nobody),
    }
}

/// Asks whether the caller may be taken for `wanted`, and if so, prepares the request.
async fn allowed<B>(
    authoriser: &Authoriser,
    request: &mut Request<B>,
    caller: &UserInfo,
    wanted: UserInfo,
) -> Result<(), Denied> {
    let since = Instant::now();
    let judgement = authoriser
        .authorise(caller, &wanted, SystemTime::now())
        .await;
    let recording = request.extensions().get::<Recording>();
    if let Some(recording) = recording {
        recording.took(Part::Impersonation, since.elapsed());
    }
    judgement?;
    let user = complete(wanted);
    if let Some(recording) = recording {
        recording.impersonated(user.clone(), None);
    }
    request.extensions_mut().insert(ForwardAs { user });
    Ok(())
}

/// Why a request is not sent on.
enum Obstacle {
    Nobody,
    Unusable(Unusable),
    Denied(Denied),
}

impl Obstacle {
    fn answer(self) -> Response<OwnBody> {
        match self {
            Self::Nobody => internal("nobody was found to ask"),
            Self::Unusable(error) => bad(&error.to_string()),
            Self::Denied(Denied::Forbidden { message, details }) => {
                answer::detailed(StatusCode::FORBIDDEN, "Forbidden", &message, Some(&details))
            }
            Self::Denied(Denied::TooMany) => {
                bad("more groups and extra values to impersonate than can be asked about")
            }
            Self::Denied(Denied::Flood) => later(),
            Self::Denied(Denied::Unasked(problem)) => {
                tracing::warn!(
                    problem,
                    "the upstream could not be asked about an impersonation"
                );
                internal("whether impersonation is allowed could not be found out")
            }
        }
    }
}

fn bad(message: &str) -> Response<OwnBody> {
    answer::status(StatusCode::BAD_REQUEST, "BadRequest", message)
}

fn later() -> Response<OwnBody> {
    let message = "too many impersonations at once, please try again later";
    let code = StatusCode::TOO_MANY_REQUESTS;
    answer::soon(answer::status(code, "TooManyRequests", message))
}

fn internal(problem: &str) -> Response<OwnBody> {
    let message = format!("Internal error occurred: {problem}");
    answer::status(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", &message)
}
