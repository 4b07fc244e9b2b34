//! A real HTTP server that behaves as told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;

/// One answer.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Status(u16),
    /// A status with one header and a body.
    With(u16, &'static str, &'static str, &'static str),
    /// None within the client's patience.
    Silence,
}

#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

#[derive(Clone, Default)]
pub(crate) struct Peer {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Peer {
    /// A server that gives these answers, then 200 for ever. Returns it and its URL.
    pub(crate) async fn start(answers: impl IntoIterator<Item = Answer>) -> (Self, String) {
        let peer = Self {
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
            ..Self::default()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "http://{}/alerts?token=in-the-url",
            listener.local_addr().unwrap()
        );
        let router = Router::new().fallback(answer).with_state(peer.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (peer, url)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

async fn answer(State(peer): State<Peer>, headers: HeaderMap, body: Bytes) -> Response {
    let body = String::from_utf8(body.to_vec()).unwrap();
    peer.requests
        .lock()
        .unwrap()
        .push(Request { headers, body });
    let answer = peer
        .answers
        .lock()
        .unwrap()
        .pop_front()
        .unwrap_or(Answer::Status(200));
    match answer {
        Answer::Status(code) => StatusCode::from_u16(code).unwrap().into_response(),
        Answer::With(code, name, value, body) => {
            (StatusCode::from_u16(code).unwrap(), [(name, value)], body).into_response()
        }
        Answer::Silence => {
            tokio::time::sleep(Duration::from_secs(3_600)).await;
            StatusCode::OK.into_response()
        }
    }
}
