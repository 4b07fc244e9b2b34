//! `cat` in a container, behind SPDY/3.1 as older kubectls open it: as much of the protocol as one command needs.
//!
//! kubectl opens the streams for the outcome, input, output and complaints in this order, so that the headers that name them need not be read.

use flate2::{Compress, Compression, FlushCompress};
use http::Response;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::upstream::{self, Body};

const SYN_STREAM: u8 = 1;
const SYN_REPLY: u8 = 2;
const PING: u8 = 6;
const FIN: u8 = 1;
const OUTCOME: u32 = 1;
const INPUT: u32 = 3;
const OUTPUT: u32 = 5;
const COMPLAINTS: u32 = 7;

/// Accepts the upgrade.
pub(super) fn cat(upgrade: OnUpgrade) -> Response<Body> {
    let mut answer = upstream::switching("SPDY/3.1");
    let protocol = "v4.channel.k8s.io".parse().unwrap();
    answer
        .headers_mut()
        .insert("x-stream-protocol-version", protocol);
    tokio::spawn(async move {
        let mut stream = TokioIo::new(upgrade.await.unwrap());
        // Ends when kubectl closes the connection.
        let _ = run(&mut stream).await;
    });
    answer
}

async fn run<S>(stream: &mut S) -> std::io::Result<()>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut headers = Compress::new(Compression::fast(), true);
    loop {
        let mut head = [0; 8];
        stream.read_exact(&mut head).await?;
        let [first, _, _, kind, flags, a, b, c] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        stream.read_exact(&mut payload).await?;
        let number = u32::from_be_bytes(head[..4].try_into().unwrap());
        match (first & 0x80 != 0, kind) {
            (true, SYN_STREAM) => {
                let reply = [&payload[..4], &no_headers(&mut headers)].concat();
                control(stream, SYN_REPLY, &reply).await?;
            }
            (true, PING) => control(stream, PING, &payload).await?,
            (true, _) => {}
            (false, _) if number == INPUT => {
                data(stream, OUTPUT, flags & FIN, &payload).await?;
                if flags & FIN != 0 {
                    data(stream, COMPLAINTS, FIN, &[]).await?;
                    data(
                        stream,
                        OUTCOME,
                        FIN,
                        br#"{"metadata":{},"status":"Success"}"#,
                    )
                    .await?;
                }
            }
            (false, _) => {}
        }
    }
}

/// A block of no headers; all blocks of a connection are one compressed stream.
fn no_headers(compress: &mut Compress) -> Vec<u8> {
    let mut block = Vec::with_capacity(64);
    compress
        .compress_vec(&[0; 4], &mut block, FlushCompress::Sync)
        .unwrap();
    block
}

async fn control<S: AsyncWriteExt + Unpin>(
    stream: &mut S,
    kind: u8,
    payload: &[u8],
) -> std::io::Result<()> {
    let length = (payload.len() as u32).to_be_bytes();
    let head = [0x80, 3, 0, kind, 0, length[1], length[2], length[3]];
    stream.write_all(&[&head, payload].concat()).await?;
    stream.flush().await
}

async fn data<S: AsyncWriteExt + Unpin>(
    stream: &mut S,
    number: u32,
    flags: u8,
    payload: &[u8],
) -> std::io::Result<()> {
    let mut length = (payload.len() as u32).to_be_bytes();
    length[0] = flags;
    let head = [number.to_be_bytes(), length].concat();
    stream.write_all(&[&head, payload].concat()).await?;
    stream.flush().await
}
