//! The whole stack, on real connections, around a service that panics: nothing that a client sends makes the gateway's own do so.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use kubevigil_audit::policy::PolicyFile;
use kubevigil_connections::{Throttle, Watched};
use kubevigil_record::event::AuditEvent;
use kubevigil_record::layer::AuditedRequestBody;
use kubevigil_record::sink::{Events, Sink, SinkError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use super::*;
use crate::arrival::ArrivingBody;
use crate::connection::{self, Server};

const POLICY: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n";

/// `stage code message` of every event.
#[derive(Default)]
struct Log(Mutex<Vec<String>>);

#[async_trait]
impl Sink for Log {
    fn name(&self) -> String {
        "log".to_owned()
    }

    async fn emit(&self, events: Events<'_>) -> Result<(), SinkError> {
        let line = |event: &Arc<AuditEvent>| match &event.response_status {
            Some(status) => format!(
                "{} {} {}",
                event.stage.as_str(),
                status.code,
                status.message
            ),
            None => event.stage.as_str().to_owned(),
        };
        self.0.lock().unwrap().extend(events.iter().map(line));
        Ok(())
    }
}

/// A body that begins well, and takes its time.
#[derive(Default)]
struct Beginning {
    polls: u8,
    panics: bool,
}

impl Body for Beginning {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.polls += 1;
        match self.polls {
            1 => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"{}"))))),
            2 => {
                // What is there so far is sent meanwhile.
                context.waker().wake_by_ref();
                Poll::Pending
            }
            _ => {
                assert!(!self.panics, "in the body");
                Poll::Ready(None)
            }
        }
    }
}

type Asked = Request<AuditedRequestBody<ArrivingBody<Incoming>>>;

/// Panics where the query says so: in the call, in the future, in the body.
fn panics(request: &Asked, place: &str) -> bool {
    let query = request.uri().query().unwrap_or_default();
    query.split('&').any(|part| part == place)
}

async fn innermost(request: Asked) -> Result<Response<Beginning>, Infallible> {
    tokio::task::yield_now().await;
    assert!(!panics(&request, "future"), "in the future");
    let body = Beginning {
        polls: 0,
        panics: panics(&request, "body"),
    };
    Ok(Response::new(body))
}

/// A gateway around that service: where it listens, what it counts, and its events.
async fn gateway() -> (SocketAddr, Arc<GatewayCounters>, Arc<Log>) {
    let mut config = GatewayConfig::default();
    // Nobody goes there.
    config.upstream.server = Some("http://127.0.0.1:9".parse().unwrap());
    let (counters, log) = (Arc::<GatewayCounters>::default(), Arc::<Log>::default());
    let policy = PolicyFile::read("policy.yaml", POLICY).policy.unwrap();
    let auditing = Auditing::new(policy, Arc::clone(&log) as Arc<dyn Sink>);
    let cut = CancellationToken::new();
    let parts = Parts::new(&config, auditing, &counters, cut.clone()).unwrap();
    let stack = parts.around(tower::service_fn(|request: Asked| {
        assert!(!panics(&request, "call"), "in the call");
        innermost(request)
    }));
    let server = Arc::new(Server {
        config: Arc::new(config),
        tls: None,
        counters: Arc::clone(&counters),
        throttle: Throttle::new(Duration::from_secs(1)),
        tasks: TaskTracker::new(),
        stop: CancellationToken::new(),
        cut,
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            let stop = server.stop.child_token();
            let stream = Watched::new(stream);
            let serving = connection::serve(Arc::clone(&server), stack.clone(), stream, peer, stop);
            tokio::spawn(serving);
        }
    });
    (address, counters, log)
}

/// What comes back for requests on one connection, until it ends.
async fn ask(address: SocketAddr, targets: &[&str]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let asking = targets
        .iter()
        .map(|target| format!("GET {target} HTTP/1.1\r\nHost: a\r\n"));
    let requests = asking.collect::<Vec<_>>().join("\r\n") + "Connection: close\r\n\r\n";
    stream.write_all(requests.as_bytes()).await.unwrap();
    let mut answers = String::new();
    // A connection that breaks off may do so with a reset.
    let _ = stream.read_to_string(&mut answers).await;
    answers
}

#[tokio::test]
async fn a_panic_is_recorded_as_the_stage_table_says() {
    let failed = |place: &str| format!("Panic 500 APIServer panic'd: in the {place}");
    let received = || "RequestReceived".to_owned();
    let (pods, watch) = ("/api/v1/pods", "/api/v1/pods?watch=1");
    let cases = [
        (format!("{pods}?call"), vec![received(), failed("call")]),
        (format!("{pods}?future"), vec![received(), failed("future")]),
        (format!("{pods}?body"), vec![received(), failed("body")]),
        (format!("{watch}&call"), vec![received(), failed("call")]),
        (
            format!("{watch}&future"),
            vec![received(), failed("future")],
        ),
        (
            format!("{watch}&body"),
            vec![
                received(),
                "ResponseStarted 200 ".to_owned(),
                failed("body"),
            ],
        ),
    ];
    for (target, expected) in cases {
        let (address, counters, log) = gateway().await;
        let answer = ask(address, &[&target]).await;
        assert_eq!(*log.0.lock().unwrap(), expected, "{target}");
        if target.ends_with("body") {
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            assert!(!answer.ends_with("0\r\n\r\n"), "broken off: {answer}");
            continue;
        }
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        assert!(answer.contains("\r\naudit-id: "), "{answer}");
        let text = "This request caused apiserver to panic. Look in the logs for details.\n";
        assert!(answer.ends_with(text), "{answer}");
        assert_eq!(counters.panics.get(), 1, "{target}");
    }
}

#[tokio::test]
async fn a_panic_harms_no_other_request() {
    let (address, counters, log) = gateway().await;
    let targets = ["/api/v1/pods?future", "/api/v1/pods?call", "/api/v1/pods"];
    let answers = ask(address, &targets).await;
    let codes: Vec<&str> = answers
        .split("HTTP/1.1 ")
        .filter_map(|answer| answer.split(' ').next())
        .filter(|code| !code.is_empty())
        .collect();
    assert_eq!(codes, ["500", "500", "200"], "{answers}");
    assert_eq!(counters.panics.get(), 2);
    assert!(
        ask(address, &["/api/v1/pods"])
            .await
            .starts_with("HTTP/1.1 200 ")
    );
    let lines = log.0.lock().unwrap();
    let stages = lines
        .iter()
        .filter(|line| line.starts_with("Panic"))
        .count();
    assert_eq!((lines.len(), stages), (8, 2), "{lines:?}");
}
