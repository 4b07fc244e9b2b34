//! Audit layer and impersonation, around a service that notes what it gets.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use kubevigil_audit::policy::{Policy, PolicyFile};
use kubevigil_gateway::answer::OwnBody;
use kubevigil_gateway::identity::{IdentityMode, Reviewer};
use kubevigil_gateway::impersonate::{ForwardAs, ImpersonateLayer};
use kubevigil_record::auditing::Auditing;
use kubevigil_record::event::{AuditEvent, UserInfo};
use kubevigil_record::layer::{AuditLayer, AuditedRequestBody, Caller};
use kubevigil_record::sink::{Events, Sink, SinkError};
use serde_json::json;
use tower::ServiceExt as _;
use tower_layer::Layer as _;

use crate::upstream::Upstream;

/// Who asks.
pub(crate) fn jane() -> UserInfo {
    UserInfo {
        username: "jane".to_owned(),
        uid: "u-1".to_owned(),
        groups: vec!["developers".to_owned(), "system:authenticated".to_owned()],
        extra: [("scopes".to_owned(), vec!["a".to_owned()])].into(),
    }
}

/// Lets `jane` be whatever `may` names as `RESOURCE NAME`.
pub(crate) async fn allowing(may: &'static [&'static str]) -> Upstream {
    Upstream::answering(move |_, review| {
        let attributes = &review["spec"]["resourceAttributes"];
        let part = |name: &str| attributes[name].as_str().unwrap_or_default().to_owned();
        let resource = match part("subresource").as_str() {
            "" => part("resource"),
            subresource => format!("{}/{subresource}", part("resource")),
        };
        let thing = match part("namespace").as_str() {
            "" => format!("{resource} {}", part("name")),
            namespace => format!("{resource} {namespace}/{}", part("name")),
        };
        let allowed = may.contains(&thing.as_str());
        (201, json!({"status": {"allowed": allowed, "reason": ""}}))
    })
    .await
}

/// What came of a request.
pub(crate) struct Outcome {
    pub(crate) status: u16,
    pub(crate) body: String,
    /// As whom it was forwarded, with which headers.
    pub(crate) forwarded: Option<(Option<UserInfo>, HeaderMap)>,
    pub(crate) impersonated: Option<UserInfo>,
}

/// Keeps events.
#[derive(Default)]
pub(crate) struct Kept(pub(crate) Mutex<Vec<Arc<AuditEvent>>>);

#[async_trait::async_trait]
impl Sink for Kept {
    fn name(&self) -> String {
        "kept".to_owned()
    }

    async fn emit(&self, events: Events<'_>) -> Result<(), SinkError> {
        self.0.lock().unwrap().extend(events.iter().cloned());
        Ok(())
    }
}

/// Everything at level Metadata.
pub(crate) fn metadata() -> Policy {
    let policy = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n";
    PolicyFile::read("policy.yaml", policy).policy.unwrap()
}

/// Sends a request of `caller` through audit layer and impersonation, to a service that answers `answer`.
pub(crate) async fn send(
    layer: &ImpersonateLayer,
    caller: Caller,
    headers: HeaderMap,
    answer: (u16, &'static str),
) -> Outcome {
    let kept = Arc::new(Kept::default());
    let auditing = Auditing::new(metadata(), Arc::clone(&kept) as Arc<dyn Sink>);
    let forwarded = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&forwarded);
    let forward = tower::service_fn(move |request: Request<_>| {
        let user = request
            .extensions()
            .get::<ForwardAs>()
            .map(|to| to.user.clone());
        let _: &AuditedRequestBody<OwnBody> = request.body();
        *seen.lock().unwrap() = Some((user, request.headers().clone()));
        let mut response = Response::new(Full::from(answer.1));
        *response.status_mut() = answer.0.try_into().unwrap();
        async { Ok::<_, Infallible>(response) }
    });
    let service = AuditLayer::new(Arc::clone(&auditing)).layer(layer.layer(forward));
    let mut request = Request::get("/api/v1/namespaces/dev/pods")
        .body(OwnBody::default())
        .unwrap();
    *request.headers_mut() = headers;
    request.extensions_mut().insert(caller);
    let response = service.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    auditing.drain().await;
    let events = kept.0.lock().unwrap();
    let forwarded = forwarded.lock().unwrap().take();
    Outcome {
        status,
        body: String::from_utf8(body.to_vec()).unwrap(),
        forwarded,
        impersonated: events.last().unwrap().impersonated_user.clone(),
    }
}

/// Header lines of any bytes.
pub(crate) type Raw<'l> = &'l [(&'l str, &'l [u8])];

/// Headers of lines.
pub(crate) fn headers(lines: Raw<'_>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(lines.len());
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value).unwrap());
    }
    headers
}

/// Lines of texts as lines of bytes.
pub(crate) fn texts<'l>(lines: &[(&'l str, &'l str)]) -> Vec<(&'l str, &'l [u8])> {
    lines
        .iter()
        .map(|(name, value)| (*name, value.as_bytes()))
        .collect()
}

/// The layer in mode `impersonate`.
pub(crate) fn impersonating(upstream: &Upstream) -> ImpersonateLayer {
    let reviewer: Arc<dyn Reviewer> = upstream.reviewer();
    ImpersonateLayer::new(IdentityMode::Impersonate, Some(&reviewer)).unwrap()
}

/// Sends a request of `jane`.
pub(crate) async fn ask(upstream: &Upstream, lines: &[(&str, &str)]) -> Outcome {
    let caller = Caller::Known(jane());
    send(
        &impersonating(upstream),
        caller,
        headers(&texts(lines)),
        (200, "{}"),
    )
    .await
}

/// A user in one line.
pub(crate) fn said(user: &UserInfo) -> String {
    format!(
        "{}|{}|{}|{:?}",
        user.username,
        user.uid,
        user.groups.join(","),
        user.extra
    )
}
