//! The promise that an append is on disk.

use crate::{Place, WriteError};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use tokio::sync::oneshot;

/// What became of an append that is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The first and last place written; `None` when every record was a duplicate. Places between
    /// them all belong to this append.
    pub places: Option<(Place, Place)>,
    /// Records written.
    pub written: u64,
    /// Records not written because their key is known. Their twins are on disk too.
    pub duplicates: u64,
}

/// Resolves when the records of an append are on disk, or when they cannot be.
///
/// Await it, or [`wait`](Ticket::wait) for it on a plain thread; no runtime is needed. Dropping it
/// does not take the append back.
#[derive(Debug)]
#[must_use = "records count only once the ticket resolves to Ok"]
pub struct Ticket(oneshot::Receiver<Result<Appended, WriteError>>);

impl Ticket {
    pub(crate) fn new() -> (oneshot::Sender<Result<Appended, WriteError>>, Ticket) {
        let (sender, receiver) = oneshot::channel();
        (sender, Ticket(receiver))
    }

    /// Blocks this thread until the ticket resolves. In async code, await the ticket instead.
    ///
    /// # Errors
    /// When the records are not on disk; nothing of the append counts then.
    pub fn wait(self) -> Result<Appended, WriteError> {
        let mut ticket = pin!(self);
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            match ticket.as_mut().poll(&mut context) {
                Poll::Ready(outcome) => return outcome,
                Poll::Pending => thread::park(),
            }
        }
    }
}

impl Future for Ticket {
    type Output = Result<Appended, WriteError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|answer| answer.unwrap_or_else(|_| Err(WriteError::stopped())))
    }
}

/// Wakes a parked thread. The channel's own blocking wait panics inside a runtime; parking there
/// is merely slow.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
