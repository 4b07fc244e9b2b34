//! What waits to be written.

use crate::hold::{hold, wait};
use crate::{AppendError, Appended, NewRecord, Ticket, WriteError};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// A group is closed at this size: enough to make the cost of a sync small, little enough that
/// the first in it does not wait long for the last.
const GROUP_BYTES: usize = 8 << 20;

/// How long a group may gather company.
///
/// After a sync everybody who waited for it appends again, within microseconds but not at once.
/// A writer that left with the first of them would sync twice for what fits in one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Company {
    /// Appends in the last group: as many are likely to come again.
    pub(crate) expected: usize,
    /// The longest wait for them, far shorter than the sync that it saves.
    pub(crate) patience: Duration,
}

/// One append on its way to the disk.
pub(crate) struct Request {
    pub(crate) records: Vec<Checked>,
    /// Payload and header bytes.
    pub(crate) bytes: usize,
    pub(crate) answer: oneshot::Sender<Result<Appended, WriteError>>,
}

/// A record whose payload checksum is known. Callers compute it, so that it does not take the time
/// of the one writer.
pub(crate) struct Checked {
    pub(crate) record: NewRecord,
    pub(crate) checksum: u32,
}

/// What the writer finds.
pub(crate) enum Taken {
    Group(Vec<Request>),
    /// Nothing came in time.
    Idle,
    /// Closed, and nothing waits any more.
    Stopped,
}

/// Appends in order of arrival, bounded by bytes. What is being written still counts as waiting,
/// until it is answered.
pub(crate) struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
    limit: usize,
}

#[derive(Default)]
struct State {
    requests: VecDeque<Request>,
    bytes: usize,
    stopped: bool,
}

impl Queue {
    pub(crate) fn new(limit: usize) -> Self {
        Queue {
            state: Mutex::default(),
            arrived: Condvar::new(),
            limit,
        }
    }

    pub(crate) fn push(&self, records: Vec<Checked>, bytes: usize) -> Result<Ticket, AppendError> {
        let mut state = hold(&self.state);
        if state.stopped {
            return Err(AppendError::Stopped);
        }
        let after = state.bytes.saturating_add(bytes);
        if state.bytes > 0 && after > self.limit {
            return Err(AppendError::Full {
                waiting: state.bytes,
                limit: self.limit,
            });
        }
        let (answer, ticket) = Ticket::new();
        state.bytes = after;
        state.requests.push_back(Request {
            records,
            bytes,
            answer,
        });
        drop(state);
        self.arrived.notify_one();
        Ok(ticket)
    }

    /// The next group, or the news that there is none within `patience`.
    pub(crate) fn take(&self, patience: Duration, company: Company) -> Taken {
        let started = Instant::now();
        let mut state = hold(&self.state);
        while state.requests.is_empty() {
            let left = patience.saturating_sub(started.elapsed());
            if state.stopped {
                return Taken::Stopped;
            }
            if left.is_zero() {
                return Taken::Idle;
            }
            state = wait(&self.arrived, state, left);
        }
        let started = Instant::now();
        while state.wants(company.expected) {
            let left = company.patience.saturating_sub(started.elapsed());
            if left.is_zero() {
                break;
            }
            state = wait(&self.arrived, state, left);
        }
        Taken::Group(state.group())
    }

    /// The bytes of a group no longer wait.
    pub(crate) fn done(&self, bytes: usize) {
        let mut state = hold(&self.state);
        state.bytes = state.bytes.saturating_sub(bytes);
    }

    /// Takes no more; what waits is still written.
    pub(crate) fn stop(&self) {
        hold(&self.state).stopped = true;
        self.arrived.notify_all();
    }

    /// Stops, and resolves what still waits as not written: for a writer that ended early.
    pub(crate) fn abandon(&self) {
        self.stop();
        let mut state = hold(&self.state);
        state.bytes = 0;
        state.requests.clear();
    }

    /// Appends and bytes that wait for a group of theirs.
    pub(crate) fn depth(&self) -> (usize, usize) {
        let state = hold(&self.state);
        (state.requests.len(), state.bytes)
    }

    pub(crate) fn is_stopped(&self) -> bool {
        hold(&self.state).stopped
    }
}

impl State {
    /// Whether a group should wait for company.
    fn wants(&self, expected: usize) -> bool {
        self.requests.len() < expected && self.bytes < GROUP_BYTES && !self.stopped
    }

    fn group(&mut self) -> Vec<Request> {
        let mut bytes = 0_usize;
        let full = self.requests.iter().position(|request| {
            bytes = bytes.saturating_add(request.bytes);
            bytes > GROUP_BYTES
        });
        let count = full.unwrap_or(self.requests.len()).max(1);
        self.requests
            .drain(..count.min(self.requests.len()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(queue: &Queue, bytes: usize) -> Result<(), AppendError> {
        queue.push(Vec::new(), bytes).map(drop)
    }

    #[test]
    fn a_full_queue_pushes_back_until_its_bytes_are_done() {
        let queue = Queue::new(100);
        push(&queue, 60).unwrap();
        assert_eq!(
            push(&queue, 60),
            Err(AppendError::Full {
                waiting: 60,
                limit: 100
            })
        );
        assert!(
            matches!(queue.take(Duration::ZERO, Company::default()), Taken::Group(group) if group.len() == 1)
        );
        assert!(
            push(&queue, 60).is_err(),
            "what is being written still counts"
        );
        queue.done(60);
        push(&queue, 60).unwrap();
    }

    #[test]
    fn an_append_larger_than_the_limit_is_taken_when_nothing_waits() {
        let queue = Queue::new(100);
        push(&queue, 1000).unwrap();
        assert!(push(&queue, 1).is_err());
    }

    #[test]
    fn a_group_is_bounded_but_never_empty() {
        let queue = Queue::new(usize::MAX);
        for bytes in [GROUP_BYTES + 1, GROUP_BYTES / 2, GROUP_BYTES / 2, 1] {
            push(&queue, bytes).unwrap();
        }
        let mut sizes = Vec::new();
        while let Taken::Group(group) = queue.take(Duration::ZERO, Company::default()) {
            sizes.push(group.len());
        }
        assert_eq!(sizes, [1, 2, 1]);
    }

    #[test]
    fn a_group_waits_for_company_but_not_for_long() {
        let queue = Queue::new(usize::MAX);
        push(&queue, 1).unwrap();
        let started = Instant::now();
        let company = Company {
            expected: 2,
            patience: Duration::from_millis(5),
        };
        assert!(matches!(
            queue.take(Duration::ZERO, company),
            Taken::Group(_)
        ));
        assert!(started.elapsed() >= company.patience);

        let queue = std::sync::Arc::new(queue);
        push(&queue, 1).unwrap();
        let late = queue.clone();
        let late = std::thread::spawn(move || push(&late, 1));
        let company = Company {
            expected: 2,
            patience: Duration::from_secs(20),
        };
        let taken = queue.take(Duration::ZERO, company);
        assert!(matches!(taken, Taken::Group(group) if group.len() == 2));
        late.join().unwrap().unwrap();
    }

    #[test]
    fn a_stopped_queue_gives_what_it_holds_and_takes_no_more() {
        let queue = Queue::new(100);
        push(&queue, 1).unwrap();
        queue.stop();
        assert_eq!(push(&queue, 1), Err(AppendError::Stopped));
        assert!(matches!(
            queue.take(Duration::ZERO, Company::default()),
            Taken::Group(_)
        ));
        assert!(matches!(
            queue.take(Duration::ZERO, Company::default()),
            Taken::Stopped
        ));
    }
}
