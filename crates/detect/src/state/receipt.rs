//! What the caller wants to know again of an event, kept once however many groups remember the event.

use std::sync::Arc;

/// A caller's description of an event. The outer [`Arc`] never leaves the state, so its count says when the last group forgot it.
pub(crate) type Kept = Arc<Receipt>;

/// See [`Kept`].
#[derive(Debug)]
pub(crate) struct Receipt {
    pub(crate) text: Arc<[u8]>,
}

/// The bytes of all receipts that are kept.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    bytes: usize,
}

/// Two allocations: the counters and the pointer of one, the counters of the other, and what the allocator adds.
const OVERHEAD: usize = 80;

impl Ledger {
    /// Begins to keep a receipt.
    pub(crate) fn keep(&mut self, text: Arc<[u8]>) -> Kept {
        self.bytes += text.len() + OVERHEAD;
        Arc::new(Receipt { text })
    }

    /// Gives one use of a receipt up.
    pub(crate) fn release(&mut self, receipt: Kept) {
        if let Some(receipt) = Arc::into_inner(receipt) {
            self.bytes -= receipt.text.len() + OVERHEAD;
        }
    }

    /// The bytes of all that is kept.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}
