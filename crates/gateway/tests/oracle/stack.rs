//! Any request through the gateway's services, without sockets: what the upstream would see is what the events say.
//!
//! Shared by the property test and the fuzz target.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use kubevigil_audit::event::EventView;
use kubevigil_audit::policy::PolicyFile;
use kubevigil_gateway::arrival::{ArrivalLayer, ArrivalLimits};
use kubevigil_gateway::identity::{
    AuthenticateLayer, Authenticator, IdentityConfig, IdentityMode, ReviewError, Reviewer,
    TokenReviewConfig,
};
use kubevigil_gateway::impersonate::{ForwardAs, ImpersonateLayer};
use kubevigil_gateway::refuse::RefuseLayer;
use kubevigil_gateway::{GatewayCounters, Peer};
use kubevigil_record::auditing::Auditing;
use kubevigil_record::encode::json_line;
use kubevigil_record::layer::AuditLayer;
use kubevigil_record::sink::{Events, Sink, SinkError};
use tower_layer::Layer;
use tower_service::Service;

/// A request as a client might send it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) impersonate: bool,
}

/// What came through to the upstream.
#[derive(Clone, Debug)]
struct Seen {
    target: String,
    audit_id: Vec<u8>,
    /// The user whom the upstream takes the request for; `None` when the gateway would refuse at the last moment.
    user: Option<Vec<u8>>,
    impersonates: bool,
}

impl Sent {
    /// Reads lines: method and target, behind `!` in mode `impersonate`; then headers.
    pub(crate) fn read(text: &[u8]) -> Self {
        let mut lines = text.split(|byte| *byte == b'\n');
        let first = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
        let impersonate = first.starts_with('!');
        let first = first.trim_start_matches('!');
        let (method, target) = first.split_once(' ').unwrap_or(("GET", first));
        let headers = lines.map(|line| {
            let mut parts = line.splitn(2, |byte| *byte == b':');
            let name = String::from_utf8_lossy(parts.next().unwrap_or_default());
            (name.into_owned(), parts.next().unwrap_or_default().to_vec())
        });
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: headers.collect(),
            impersonate,
        }
    }

    /// The request, if the HTTP library takes it at all.
    fn request(&self) -> Option<Request<Full<Bytes>>> {
        let request = Request::builder().method(self.method.as_str());
        let mut request = request
            .uri(self.target.as_str())
            .body(Full::default())
            .ok()?;
        request
            .headers_mut()
            .insert("host", HeaderValue::from_static("gateway"));
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
                request.headers_mut().append(name, value);
            }
        }
        request.extensions_mut().insert(Peer {
            address: SocketAddr::from(([10, 0, 0, 1], 4711)),
            certificates: Arc::new([]),
        });
        Some(request)
    }

    /// Panics unless what came through is what was recorded. Whether something did.
    pub(crate) async fn check(&self) -> bool {
        let Some(request) = self.request() else {
            return false;
        };
        let (log, seen) = (Arc::new(Log::default()), Arc::new(Mutex::new(Vec::new())));
        let code = through(request, self.impersonate, log.clone(), seen.clone()).await;
        let lines = log.lines.lock().expect("not poisoned").clone();
        let events: Vec<_> = lines
            .iter()
            .map(|line| EventView::read(line.trim_ascii_end()).expect("a good event"))
            .collect();
        let seen = seen.lock().expect("not poisoned").clone();
        let [seen] = seen.as_slice() else {
            assert!(seen.is_empty() && code >= 200, "sent on twice");
            return false;
        };
        assert!(
            code == 200 && events.len() >= 2,
            "sent on, and not recorded"
        );
        let last = events.last().expect("events");
        assert_eq!(
            last.request_uri().as_deref(),
            Some(seen.target.as_str()),
            "another target"
        );
        let id = kubevigil_record::request::text(&seen.audit_id);
        assert_eq!(last.audit_id().as_deref(), Some(id.as_str()), "another id");
        if self.impersonate {
            assert!(!seen.impersonates, "the client's own headers are sent on");
            let named = last
                .impersonated_user()
                .or(last.user())
                .and_then(|user| user.name());
            if let Some(user) = &seen.user {
                assert_eq!(
                    named.as_deref().map(str::as_bytes),
                    Some(user.as_slice()),
                    "another user"
                );
            }
        }
        true
    }
}

/// Puts a request through all services; the code of its answer.
async fn through(
    request: Request<Full<Bytes>>,
    impersonate: bool,
    log: Arc<Log>,
    seen: Arc<Mutex<Vec<Seen>>>,
) -> u16 {
    let upstream: Arc<dyn Reviewer> = Arc::new(Willing);
    let identity = IdentityConfig {
        mode: match impersonate {
            true => IdentityMode::Impersonate,
            false => IdentityMode::Passthrough,
        },
        token_review: Some(TokenReviewConfig::default()),
        ..IdentityConfig::default()
    };
    let authenticator =
        Authenticator::new(&identity, Some(&upstream)).expect("a good configuration");
    let rules = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: RequestResponse}]\n";
    let policy = PolicyFile::read("policy.yaml", rules)
        .policy
        .expect("a good policy");
    let limits = ArrivalLimits {
        request_timeout: Duration::from_secs(60),
        stall_timeout: Duration::from_secs(60),
        max_headers: 256,
    };
    let inner = tower::service_fn(move |request: Request<_>| {
        seen.lock().expect("not poisoned").push(look(&request));
        async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"{}")))) }
    });
    let inner = ImpersonateLayer::new(identity.mode, Some(&upstream))
        .expect("an upstream")
        .layer(inner);
    let auditing = Auditing::new(policy, log);
    let audited = AuditLayer::new(auditing).layer(RefuseLayer.layer(inner));
    let known = AuthenticateLayer::new(Arc::new(authenticator)).layer(audited);
    let mut stack = ArrivalLayer::new(limits, Arc::new(GatewayCounters::default())).layer(known);
    std::future::poll_fn(|context| {
        Service::<Request<Full<Bytes>>>::poll_ready(&mut stack, context)
    })
    .await
    .expect("infallible");
    let answer = stack.call(request).await.expect("infallible");
    let code = answer.status().as_u16();
    let _ = answer.into_body().collect().await;
    code
}

fn look<B>(request: &Request<B>) -> Seen {
    let bytes =
        |headers: &HeaderMap, name: &str| headers.get(name).map(|value| value.as_bytes().to_vec());
    let mut headers = HeaderMap::new();
    let forward_as = request.extensions().get::<ForwardAs>();
    let written = forward_as.is_some_and(|user| user.write(&mut headers).is_ok());
    let names = request.headers().keys();
    let target = request.uri().path_and_query();
    Seen {
        target: target.map_or(String::new(), |target| target.as_str().to_owned()),
        audit_id: bytes(request.headers(), "audit-id").unwrap_or_default(),
        user: bytes(&headers, "impersonate-user").filter(|_| written),
        impersonates: names
            .into_iter()
            .any(|name| name.as_str().starts_with("impersonate-")),
    }
}

/// An upstream that says yes to everything.
struct Willing;

#[async_trait]
impl Reviewer for Willing {
    async fn review(&self, path: &str, _: Bytes) -> Result<Bytes, ReviewError> {
        let status = r#""status":{"allowed":true,"authenticated":true,"user":{"username":"jane"}}"#;
        let kind = match path.ends_with("tokenreviews") {
            true => r#""kind":"TokenReview","apiVersion":"authentication.k8s.io/v1""#,
            false => r#""kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1""#,
        };
        Ok(format!("{{{kind},{status}}}").into())
    }

    async fn read(&self, path: &str) -> Result<Bytes, ReviewError> {
        Err(ReviewError::Unreachable(path.to_owned()))
    }
}

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<Vec<u8>>>,
}

#[async_trait]
impl Sink for Log {
    fn name(&self) -> String {
        "log".to_owned()
    }

    async fn emit(&self, events: Events<'_>) -> Result<(), SinkError> {
        let lines = events
            .iter()
            .map(|event| json_line(event).expect("an event that can be written"));
        self.lines.lock().expect("not poisoned").extend(lines);
        Ok(())
    }
}
