//! An upstream that answers reviews and gives keys, over HTTP on loopback.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kubevigil_gateway::identity::{Reviewer, UpstreamReviewer};
use kubevigil_kubeconfig::Access;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::authority::Authority;

type Script = dyn Fn(&str, &Value) -> (u16, Value) + Send + Sync;

/// What came in, and what answers.
pub(crate) struct Upstream {
    pub(crate) address: String,
    authority: Option<PathBuf>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// One question.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) authorization: String,
    pub(crate) body: Value,
}

impl Upstream {
    /// Answers path and body as the script says, after a moment.
    pub(crate) async fn answering(
        script: impl Fn(&str, &Value) -> (u16, Value) + Send + Sync + 'static,
    ) -> Self {
        Self::start(Arc::new(script), None).await
    }

    /// The same over TLS.
    pub(crate) async fn answering_tls(
        authority: &Authority,
        script: impl Fn(&str, &Value) -> (u16, Value) + Send + Sync + 'static,
    ) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(authority.server()));
        Self::start(Arc::new(script), Some((acceptor, authority.file()))).await
    }

    async fn start(script: Arc<Script>, tls: Option<(TlsAcceptor, PathBuf)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let (acceptor, authority) = tls.unzip();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
                let service = service_fn(move |request| {
                    answer(request, Arc::clone(&script), Arc::clone(&seen))
                });
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let http = http1::Builder::new();
                    let _ = match acceptor {
                        None => {
                            http.serve_connection(TokioIo::new(connection), service)
                                .await
                        }
                        Some(acceptor) => match acceptor.accept(connection).await {
                            Ok(connection) => {
                                http.serve_connection(TokioIo::new(connection), service)
                                    .await
                            }
                            Err(_) => Ok(()),
                        },
                    };
                });
            }
        });
        Self {
            address,
            authority,
            asked,
        }
    }

    /// Asks over a kubeconfig with a token of the gateway's own.
    pub(crate) fn reviewer(&self) -> Arc<dyn Reviewer> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubeconfig");
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{"name": "it", "cluster": self.cluster()}],
            "users": [{"name": "it", "user": {"token": "the-gateway"}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        });
        std::fs::write(&path, config.to_string()).unwrap();
        let client = Access::load(&path, None).unwrap().client().unwrap();
        Arc::new(UpstreamReviewer::new(client))
    }

    fn cluster(&self) -> Value {
        match &self.authority {
            None => json!({"server": format!("http://{}", self.address)}),
            Some(authority) => json!({
                "server": format!("https://{}", self.address),
                "certificate-authority": authority,
            }),
        }
    }

    /// Waits until that many questions were asked, and a moment for more.
    pub(crate) async fn wait_for(&self, number: usize) {
        for _ in 0..500 {
            if self.asked().len() >= number {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(self.asked().len(), number);
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(
    request: Request<Incoming>,
    script: Arc<Script>,
    seen: Arc<Mutex<Vec<Asked>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let authorization = request.headers().get("authorization");
    let authorization = authorization
        .map_or("", |value| value.to_str().unwrap())
        .to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    tokio::time::sleep(Duration::from_millis(5)).await;
    let (status, answer) = script(&path, &body);
    seen.lock().unwrap().push(Asked {
        path,
        authorization,
        body,
    });
    let mut response = Response::new(Full::from(answer.to_string()));
    *response.status_mut() = status.try_into().unwrap();
    Ok(response)
}
