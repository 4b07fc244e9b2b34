//! What follows an answer with 101: bytes both ways until both sides have ended (exec, attach, port-forward).
//!
//! The end of one direction is passed on while the other goes on, so that a command can read its input to the end and answer
//! then. A tunnel may be silent for as long as it likes; what ends it is one of its ends, an error, or the gateway's drain.

use std::io;

use hyper::client::conn::http1::Parts;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt as _, copy_bidirectional_with_sizes};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::upstream::Stream;

/// Bytes in flight each way.
const BUFFER: usize = 32 * 1024;

/// Joins a client, as soon as it has its 101, with the upstream, until both have ended or `drain` is cancelled. `held` is
/// dropped at the end.
pub(super) fn join<H: Send + 'static>(
    client: OnUpgrade,
    upstream: Parts<TokioIo<Stream>>,
    drain: CancellationToken,
    held: H,
) {
    tokio::spawn(async move {
        let run = async {
            match client.await {
                Ok(client) => run(client, upstream).await,
                Err(error) => Err(io::Error::other(error)),
            }
        };
        if let Some(Err(error)) = drain.run_until_cancelled(run).await {
            debug!(%error, "a tunnel broke");
        }
        drop(held);
    });
}

async fn run(client: Upgraded, upstream: Parts<TokioIo<Stream>>) -> io::Result<()> {
    let mut client = TokioIo::new(client);
    let mut server = upstream.io.into_inner();
    client.write_all(&upstream.read_buf).await?;
    client.flush().await?;
    copy_bidirectional_with_sizes(&mut client, &mut server, BUFFER, BUFFER).await?;
    Ok(())
}
