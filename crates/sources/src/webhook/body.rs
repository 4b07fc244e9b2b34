//! Reads a body within limits: bytes on the wire, bytes after decompression, time, and bytes of all bodies together.
//!
//! Memory is reserved as bytes arrive, not as `Content-Length` announces them: a sender that announces much and sends nothing
//! holds nothing. What is announced and does not fit is refused at once.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::Refusal;

/// Memory is reserved in steps of so many bytes.
const UNIT: u64 = 1024;

/// Decompressed bytes are taken in steps of so many bytes.
const STEP: usize = 256 * 1024;

/// The bytes that bodies may hold together.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    units: Arc<Semaphore>,
}

/// A part of the budget; given back when dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    budget: Budget,
    permit: Option<OwnedSemaphorePermit>,
}

/// How a body is limited.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) bytes: u64,
    pub(super) time: Duration,
}

/// A body as it came over the wire, and the memory that it holds.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) bytes: Bytes,
    pub(super) reservation: Reservation,
}

impl Budget {
    pub(super) fn new(bytes: u64) -> Self {
        let units = usize::try_from(bytes / UNIT).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            units: Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS))),
        }
    }

    fn fits(&self, bytes: u64) -> bool {
        self.units.available_permits() as u64 >= bytes.div_ceil(UNIT)
    }

    fn reserve_nothing(&self) -> Reservation {
        Reservation {
            budget: self.clone(),
            permit: None,
        }
    }
}

impl Reservation {
    /// Makes the reservation cover `bytes`.
    pub(super) fn grow(&mut self, bytes: u64) -> Result<(), Refusal> {
        let held = self
            .permit
            .as_ref()
            .map_or(0, OwnedSemaphorePermit::num_permits) as u64;
        let more = bytes.div_ceil(UNIT).saturating_sub(held);
        if more == 0 {
            return Ok(());
        }
        let more = u32::try_from(more).map_err(|_| Refusal::Memory)?;
        let units = Arc::clone(&self.budget.units);
        let permit = units
            .try_acquire_many_owned(more)
            .map_err(|_| Refusal::Memory)?;
        match &mut self.permit {
            Some(held) => held.merge(permit),
            none => *none = Some(permit),
        }
        Ok(())
    }
}

/// Reads a body as it is on the wire.
pub(super) async fn receive<B>(
    body: &mut B,
    announced: Option<u64>,
    limits: Limits,
    budget: &Budget,
) -> Result<Received, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    if announced.is_some_and(|length| length > limits.bytes) {
        return Err(Refusal::TooLarge(limits.bytes));
    }
    if !budget.fits(announced.unwrap_or(0)) {
        return Err(Refusal::Memory);
    }
    let reading = collect(body, announced, limits.bytes, budget);
    tokio::time::timeout(limits.time, reading)
        .await
        .unwrap_or(Err(Refusal::SlowBody(limits.time)))
}

async fn collect<B>(
    body: &mut B,
    announced: Option<u64>,
    limit: u64,
    budget: &Budget,
) -> Result<Received, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut reservation = budget.reserve_nothing();
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Refusal::BrokenBody)?.into_data() else {
            continue;
        };
        let total = (bytes.len() + data.len()) as u64;
        if total > limit {
            return Err(Refusal::TooLarge(limit));
        }
        reservation.grow(total)?;
        if Some(total) == announced && bytes.is_empty() {
            return Ok(Received {
                bytes: data,
                reservation,
            });
        }
        make_room(&mut bytes, announced, data.len());
        bytes.extend_from_slice(&data);
    }
    Ok(Received {
        bytes: bytes.freeze(),
        reservation,
    })
}

/// The announced length is believed only up to four times what has come: a false one costs little memory, a true one little
/// copying.
fn make_room(bytes: &mut BytesMut, announced: Option<u64>, next: usize) {
    if bytes.capacity() - bytes.len() >= next {
        return;
    }
    let rest = announced.unwrap_or(0).saturating_sub(bytes.len() as u64);
    let credit = (bytes.len() + next).saturating_mul(4);
    let wish = usize::try_from(rest).unwrap_or(usize::MAX).min(credit);
    bytes.reserve(wish.max(next));
}

/// Decompresses a gzip body. The result is limited like a body on the wire, so a small bomb stays small.
pub(super) async fn decompress(received: Received, limit: u64) -> Result<Received, Refusal> {
    let working = tokio::task::spawn_blocking(move || decompress_now(received, limit));
    working.await.unwrap_or(Err(Refusal::NotGzip))
}

fn decompress_now(received: Received, limit: u64) -> Result<Received, Refusal> {
    let Received {
        bytes: compressed,
        mut reservation,
    } = received;
    let held = compressed.len() as u64;
    let mut reader = flate2::read::MultiGzDecoder::new(compressed.reader());
    let mut text = Vec::new();
    loop {
        // One step beyond the limit is refused right after, so it needs no place: the largest body fits into the budget twice.
        let next = (text.len() + STEP) as u64;
        reservation.grow(held + next.min(limit))?;
        let step = reader.by_ref().take(STEP as u64).read_to_end(&mut text);
        if step.map_err(|_| Refusal::NotGzip)? == 0 {
            return Ok(Received {
                bytes: Bytes::from(text),
                reservation,
            });
        }
        if text.len() as u64 > limit {
            return Err(Refusal::TooLarge(limit));
        }
    }
}

/// Reads and forgets what remains of a refused body, so that the sender reads the answer instead of a reset connection.
pub(super) async fn discard<B>(body: &mut B, limits: Limits)
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut rest = limits.bytes;
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len) as u64;
            if length > rest {
                return;
            }
            rest -= length;
        }
    };
    // The answer goes out in any case.
    let _ = tokio::time::timeout(limits.time, reading).await;
}
