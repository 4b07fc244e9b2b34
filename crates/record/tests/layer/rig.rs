//! A sink that remembers and can be told to wait or to fail, bodies that follow a script, and short words for both.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use kubevigil_audit::policy::{Policy, PolicyFile};
use kubevigil_record::auditing::{Auditing, Limits, wall_clock};
use kubevigil_record::event::{AuditEvent, UserInfo};
use kubevigil_record::layer::{AuditLayer, AuditService, AuditedRequestBody, Caller};
use kubevigil_record::sink::{Events, Sink, SinkError};
use tokio::sync::watch;
use tower::Layer as _;

pub(crate) const POD: &str = "/api/v1/namespaces/dev/pods/web";
pub(crate) const PODS: &str = "/api/v1/namespaces/dev/pods";
pub(crate) const EXEC: &str = "/api/v1/namespaces/dev/pods/web/exec?command=id";
pub(crate) const WATCH: &str = "/api/v1/pods?watch=1";
pub(crate) const METADATA: &str = "rules: [{level: Metadata}]";
pub(crate) const BODIES: &str = "rules: [{level: RequestResponse}]";

/// A sink that remembers.
pub(crate) struct Notes {
    events: Mutex<Vec<Arc<AuditEvent>>>,
    /// Stages whose events wait until [`Self::open`].
    holds: &'static str,
    /// Stages whose events are lost.
    refuses: &'static str,
    must_keep: bool,
    is_open: watch::Sender<bool>,
    waiting: watch::Sender<usize>,
    pub(crate) is_shut: watch::Sender<bool>,
}

impl Notes {
    pub(crate) fn new() -> Self {
        Self {
            events: Mutex::default(),
            holds: "",
            refuses: "",
            must_keep: false,
            is_open: watch::Sender::new(false),
            waiting: watch::Sender::new(0),
            is_shut: watch::Sender::new(false),
        }
    }

    pub(crate) fn holding(stages: &'static str) -> Self {
        Self {
            holds: stages,
            ..Self::new()
        }
    }

    pub(crate) fn refusing(stages: &'static str, must_keep: bool) -> Self {
        Self {
            refuses: stages,
            must_keep,
            ..Self::new()
        }
    }

    /// Lets everything through that waits, and everything to come.
    pub(crate) fn open(&self) {
        self.is_open.send_replace(true);
    }

    /// Returns when an event waits.
    pub(crate) async fn somebody_waits(&self) {
        let mut waiting = self.waiting.subscribe();
        waiting.wait_for(|waiting| *waiting > 0).await.unwrap();
    }

    pub(crate) fn events(&self) -> Vec<Arc<AuditEvent>> {
        self.events.lock().unwrap().clone()
    }

    pub(crate) fn forget(&self) {
        self.events.lock().unwrap().clear();
    }

    /// `RR RS(200) RC(200)`.
    pub(crate) fn summary(&self) -> String {
        let events = self.events();
        let words: Vec<String> = events.iter().map(|event| word(event)).collect();
        words.join(" ")
    }
}

fn word(event: &AuditEvent) -> String {
    let short = match event.stage.as_str() {
        "RequestReceived" => "RR",
        "ResponseStarted" => "RS",
        "ResponseComplete" => "RC",
        other => &other[..1],
    };
    let status = event.response_status.as_ref();
    status.map_or(short.to_owned(), |status| {
        format!("{short}({})", status.code)
    })
}

#[async_trait]
impl Sink for Notes {
    fn name(&self) -> String {
        "notes".to_owned()
    }

    async fn emit(&self, events: Events<'_>) -> Result<(), SinkError> {
        for event in events {
            let stage = event.stage.as_str();
            if self.holds.contains(stage) {
                self.waiting.send_modify(|waiting| *waiting += 1);
                let mut is_open = self.is_open.subscribe();
                is_open.wait_for(|is_open| *is_open).await.unwrap();
            }
            if self.refuses.contains(stage) {
                return Err(SinkError::new("log", "the disk is full"));
            }
            self.events.lock().unwrap().push(Arc::clone(event));
        }
        Ok(())
    }

    fn must_keep(&self) -> bool {
        self.must_keep
    }

    async fn shutdown(&self) {
        self.is_shut.send_replace(true);
    }
}

pub(crate) fn policy(rules: &str) -> Policy {
    let text = format!("apiVersion: audit.k8s.io/v1\nkind: Policy\n{rules}\n");
    let file = PolicyFile::read("policy.yaml", &text);
    assert!(file.diagnostics.is_empty(), "{:?}", file.diagnostics);
    file.policy.unwrap()
}

pub(crate) fn auditing(rules: &str, notes: &Arc<Notes>) -> Arc<Auditing> {
    limited(rules, notes, Limits::default())
}

pub(crate) fn limited(rules: &str, notes: &Arc<Notes>, limits: Limits) -> Arc<Auditing> {
    let sink: Arc<dyn Sink> = Arc::<Notes>::clone(notes);
    Auditing::with(policy(rules), sink, limits, Arc::new(wall_clock))
}

pub(crate) fn audited<S>(auditing: &Arc<Auditing>, service: S) -> AuditService<S> {
    AuditLayer::new(Arc::clone(auditing)).layer(service)
}

/// One step of a body.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Data(Bytes),
    Trailers(HeaderMap),
    Fail,
    Panic,
    /// Nothing comes any more.
    Hang,
}

pub(crate) fn data(text: &'static str) -> Step {
    Step::Data(Bytes::from_static(text.as_bytes()))
}

/// A body that does one step after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    pub(crate) steps: VecDeque<Step>,
    /// It says before its end that it is there, and how long it is.
    pub(crate) knows_its_end: bool,
}

impl Script {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            steps: steps.into_iter().collect(),
            knows_its_end: false,
        }
    }

    pub(crate) fn knowing(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            knows_its_end: true,
            ..Self::new(steps)
        }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.steps.pop_front() {
            Some(Step::Data(data)) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Some(Step::Trailers(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Some(Step::Fail) => Poll::Ready(Some(Err(io::Error::other("the body broke off")))),
            Some(Step::Panic) => panic!("in the body"),
            Some(Step::Hang) => {
                self.steps.push_front(Step::Hang);
                Poll::Pending
            }
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.knows_its_end && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let length = |step: &Step| match step {
            Step::Data(data) => data.len() as u64,
            _ => 0,
        };
        if self.knows_its_end {
            SizeHint::with_exact(self.steps.iter().map(length).sum())
        } else {
            SizeHint::default()
        }
    }
}

pub(crate) fn request(method: &str, target: &str, body: Script) -> Request<Script> {
    let user = UserInfo {
        username: "jane".to_owned(),
        ..UserInfo::default()
    };
    Request::builder()
        .method(method)
        .uri(target)
        .extension(Caller::Known(user))
        .body(body)
        .unwrap()
}

pub(crate) fn answer(code: u16, body: Script) -> Response<Script> {
    Response::builder().status(code).body(body).unwrap()
}

/// Reads a request's body to its end.
pub(crate) async fn read(request: Request<AuditedRequestBody<Script>>) -> io::Result<Bytes> {
    Ok(request.into_body().collect().await?.to_bytes())
}
