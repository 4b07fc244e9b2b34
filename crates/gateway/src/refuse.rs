//! Answers requests whose caller was refused, inside of the audit layer, so that the refusal is recorded.
//!
//! The event's message comes from the answer's `Status`, as it does in a kube-apiserver (spec 6.4).

use std::convert::Infallible;
use std::task::{Context, Poll};

use http::{Request, Response, StatusCode};
use http_body_util::Either;
use kubevigil_record::layer::Caller;
use tower_layer::Layer;
use tower_service::Service;

use crate::answer::{self, OwnBody};
use crate::either::EitherFuture;

/// Answers for [`Caller::Refused`]; everything else goes on.
#[derive(Clone, Copy, Debug, Default)]
pub struct RefuseLayer;

impl<S> Layer<S> for RefuseLayer {
    type Service = Refuse<S>;

    fn layer(&self, inner: S) -> Refuse<S> {
        Refuse { inner }
    }
}

/// See [`RefuseLayer`].
#[derive(Clone, Debug)]
pub struct Refuse<S> {
    inner: S,
}

impl<S, B, RB> Service<Request<B>> for Refuse<S>
where
    S: Service<Request<B>, Response = Response<RB>, Error = Infallible>,
{
    type Response = Response<Either<OwnBody, RB>>;
    type Error = Infallible;
    type Future = EitherFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match request.extensions().get::<Caller>() {
            Some(Caller::Refused { status, message }) => {
                EitherFuture::own(refusal(*status, message))
            }
            _ => EitherFuture::inner(self.inner.call(request)),
        }
    }
}

fn refusal(status: u16, message: &str) -> Response<OwnBody> {
    match status {
        400 => answer::status(StatusCode::BAD_REQUEST, "BadRequest", message),
        429 => later(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message),
        503 => later(
            StatusCode::SERVICE_UNAVAILABLE,
            "ServiceUnavailable",
            message,
        ),
        // What is known of the credentials is for the audit log, not for whoever tries them.
        _ => answer::status(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized"),
    }
}

fn later(code: StatusCode, reason: &str, message: &str) -> Response<OwnBody> {
    answer::soon(answer::status(code, reason, message))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::RETRY_AFTER;
    use http_body_util::{BodyExt as _, Empty};
    use kubevigil_record::event::UserInfo;
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    type Body = Empty<bytes::Bytes>;

    async fn answer(caller: Caller) -> (u16, Option<HeaderValue>, String) {
        let inner = service_fn(async |_: Request<Body>| {
            let code = StatusCode::IM_A_TEAPOT;
            Ok(Response::builder()
                .status(code)
                .body(Body::new())
                .unwrap_or_default())
        });
        let mut request = Request::new(Body::new());
        request.extensions_mut().insert(caller);
        let Ok(answer) = RefuseLayer.layer(inner).oneshot(request).await;
        let (code, later) = (
            answer.status().as_u16(),
            answer.headers().get(RETRY_AFTER).cloned(),
        );
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (code, later, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn refusals_are_answered_and_everybody_else_goes_on() {
        // Status of the refusal, status, reason and message of the answer, whether to come back.
        let cases = [
            (401, 401, "Unauthorized", "Unauthorized", false),
            (418, 401, "Unauthorized", "Unauthorized", false),
            (400, 400, "BadRequest", "why", false),
            (429, 429, "TooManyRequests", "why", true),
            (503, 503, "ServiceUnavailable", "why", true),
        ];
        for (status, code, reason, message, comes_back) in cases {
            let message_of_refusal = "why".to_owned();
            let (answered, later, body) = answer(Caller::Refused {
                status,
                message: message_of_refusal,
            })
            .await;
            assert_eq!((answered, later.is_some()), (code, comes_back), "{status}");
            let expected = format!(r#""message":"{message}","reason":"{reason}","code":{code}}}"#);
            assert!(body.trim_end().ends_with(&expected), "{status}: {body}");
        }
        let known = Caller::Known(UserInfo::default());
        assert_eq!(answer(known).await, (418, None, String::new()));
    }
}
