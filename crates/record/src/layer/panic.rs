//! Panics of the audited service, which must leave an event before they go on.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

/// What a panic carries.
pub(super) type Panicked = Box<dyn Any + Send>;

/// The text of a panic; panics with anything but a text have none.
pub(super) fn message_of(panicked: &Panicked) -> &str {
    let text = panicked.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panicked.downcast_ref::<&str>().copied());
    text.unwrap_or("unknown")
}

pin_project! {
    /// A future whose panics come out as errors. It must not be polled again after one.
    pub(super) struct Caught<F> {
        #[pin]
        pub(super) inner: F,
    }
}

impl<F: Future> Future for Caught<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let inner = self.project().inner;
        // What the panic left half done is not looked at again: it goes on as soon as its event is kept.
        match catch_unwind(AssertUnwindSafe(|| inner.poll(context))) {
            Ok(polled) => polled.map(Ok),
            Err(panicked) => Poll::Ready(Err(panicked)),
        }
    }
}
