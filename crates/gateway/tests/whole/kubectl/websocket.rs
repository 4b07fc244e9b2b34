//! `cat` in a container, behind a WebSocket as newer kubectls open it (v5.channel.k8s.io).

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::Response;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

use crate::upstream::{self, Body, Received};

/// The first byte of a message says which stream it is of.
const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const ERROR: u8 = 3;
/// The client closes the stream that the next byte names.
const CLOSE: u8 = 255;

/// Accepts the upgrade.
pub(super) fn cat(request: &Received, upgrade: OnUpgrade) -> Response<Body> {
    let key = derive_accept_key(request.header("sec-websocket-key").as_bytes());
    let mut answer = upstream::switching("websocket");
    let headers = answer.headers_mut();
    headers.insert("sec-websocket-accept", key.parse().unwrap());
    headers.insert(
        "sec-websocket-protocol",
        "v5.channel.k8s.io".parse().unwrap(),
    );
    tokio::spawn(run(upgrade));
    answer
}

async fn run(upgrade: OnUpgrade) {
    let stream = TokioIo::new(upgrade.await.unwrap());
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    while let Some(Ok(message)) = socket.next().await {
        let message = message.into_data();
        match message.split_first() {
            Some((&STDIN, input)) => send(&mut socket, STDOUT, input).await,
            Some((&CLOSE, _)) | None => break,
            Some(_) => {}
        }
    }
    send(&mut socket, ERROR, br#"{"metadata":{},"status":"Success"}"#).await;
    let frame = CloseFrame {
        code: CloseCode::Normal,
        reason: "".into(),
    };
    let _ = socket.close(Some(frame)).await;
}

async fn send<S>(socket: &mut WebSocketStream<S>, stream: u8, data: &[u8])
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let message = Bytes::from([&[stream], data].concat());
    let _ = socket.send(Message::Binary(message)).await;
}
