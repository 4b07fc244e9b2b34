//! What a connection is doing, so that slow and idle ones can be told apart.
//!
//! Hyper's own header time-out runs while a kept-alive connection waits for its next request, too. With it, 10 seconds for a
//! header would mean 10 seconds between requests, and an API server sends its batches every 30 when little happens, its
//! clients keep connections for 90. So the time of a header is counted here, from its first byte.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

/// The first byte of a TLS handshake (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// Follows one connection. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Activity {
    state: Arc<Mutex<State>>,
}

struct State {
    in_flight: usize,
    served: bool,
    /// Since when no request is in flight.
    idle_since: Instant,
    /// When the first bytes of a header came, while no request is in flight.
    header_since: Option<Instant>,
    /// Answers of which something is there that the client does not take, and since when.
    held_up: Vec<(u64, Instant)>,
    requests: u64,
    first_byte: Option<u8>,
    severed: bool,
    handed_over: bool,
    turned_out: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// Why a connection must be closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Overdue {
    /// A header took too long, or the first one never came.
    Header,
    /// No request came for a long time.
    Idle,
    /// The client takes nothing of what is there for it.
    Reader,
}

/// How long a connection may take for what.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a header, from its first byte, and for the first byte of the first one.
    pub header: Duration,
    /// Without a request.
    pub idle: Duration,
    /// Without taking any of what is there of an answer.
    pub reader: Duration,
    /// Bytes between requests belong to a header. That is so in HTTP/1.1; in HTTP/2 they may be pings and window updates.
    pub whole_headers: bool,
}

impl Patience {
    /// The shortest of the limits.
    pub(crate) fn shortest(&self) -> Duration {
        self.header.min(self.idle).min(self.reader)
    }
}

impl Activity {
    /// A connection that has just come in.
    pub(crate) fn new() -> Self {
        let state = State {
            in_flight: 0,
            served: false,
            idle_since: Instant::now(),
            header_since: None,
            held_up: Vec::new(),
            requests: 0,
            first_byte: None,
            severed: false,
            handed_over: false,
            turned_out: false,
            reader: None,
            writer: None,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// A request has arrived; it is in flight until the guard is dropped.
    pub fn begin(&self) -> InFlight {
        let mut state = self.lock();
        state.in_flight += 1;
        state.served = true;
        state.header_since = None;
        state.requests += 1;
        let number = state.requests;
        drop(state);
        InFlight {
            activity: self.clone(),
            number,
            is_held_up: false,
        }
    }

    /// Whether the connection has outstayed its welcome.
    pub(crate) fn overdue(&self, patience: &Patience) -> Option<Overdue> {
        let (due, overdue) = self.lock().first_due(patience)?;
        (due <= Instant::now()).then_some(overdue)
    }

    /// When it will have, if nothing happens until then.
    pub(crate) fn due(&self, patience: &Patience) -> Option<Instant> {
        self.lock().first_due(patience).map(|(due, _)| due)
    }

    /// Whether the first byte that the client sent is that of a TLS handshake; `None` when none came.
    pub fn speaks_tls(&self) -> Option<bool> {
        self.lock().first_byte.map(|byte| byte == TLS_HANDSHAKE)
    }

    /// For how long the connection has done nothing; `None` while a request is in flight, and after [`hand_over`](Self::hand_over).
    pub fn idle_for(&self) -> Option<Duration> {
        let state = self.lock();
        let is_busy = state.in_flight > 0 || state.handed_over;
        (!is_busy).then(|| state.idle_since.elapsed())
    }

    /// The connection was upgraded: it is in use until it ends, whatever passes.
    pub fn hand_over(&self) {
        self.lock().handed_over = true;
    }

    /// The place is needed for somebody else: not even the rest of a header is waited for.
    pub(crate) fn turn_out(&self) {
        self.lock().turned_out = true;
    }

    /// Whether a connection that is to end waits for nothing but the rest of a header: one that was turned out (`at_once`), or any.
    pub(crate) fn may_break_off(&self, at_once: bool) -> bool {
        let state = self.lock();
        let in_header = state.in_flight == 0 && state.header_since.is_some();
        in_header && (state.turned_out || !at_once)
    }

    /// Ends reading and writing with an error, now and from now on.
    pub fn sever(&self) {
        let mut state = self.lock();
        state.severed = true;
        let wakers = [state.reader.take(), state.writer.take()];
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Bytes came in.
    pub(crate) fn read(&self, bytes: &[u8]) {
        let Some(first) = bytes.first() else { return };
        let mut state = self.lock();
        if state.first_byte.is_none() {
            state.first_byte = Some(*first);
        }
        if state.in_flight == 0 && state.header_since.is_none() {
            state.header_since = Some(Instant::now());
        }
    }

    /// There is nothing to read at present. Whether there never will be, because the connection is severed.
    pub(crate) fn waits_to_read(&self, waker: &Waker) -> bool {
        let mut state = self.lock();
        remember(&mut state.reader, waker);
        state.severed
    }

    /// Nothing can be written at present. Whether that stays so, because the connection is severed.
    pub(crate) fn waits_to_write(&self, waker: &Waker) -> bool {
        let mut state = self.lock();
        remember(&mut state.writer, waker);
        state.severed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remember(place: &mut Option<Waker>, waker: &Waker) {
    match place {
        Some(known) => known.clone_from(waker),
        None => *place = Some(waker.clone()),
    }
}

/// A request in flight.
pub struct InFlight {
    activity: Activity,
    number: u64,
    is_held_up: bool,
}

impl InFlight {
    /// A part of the answer is there; from now on the client is waited for.
    pub fn hand_out(&mut self) {
        if !self.is_held_up {
            self.is_held_up = true;
            let entry = (self.number, Instant::now());
            self.activity.lock().held_up.push(entry);
        }
    }

    /// There is room for more of the answer: the client takes it.
    pub fn ask(&mut self) {
        if self.is_held_up {
            self.is_held_up = false;
            self.activity.lock().forget(self.number);
        }
    }
}

impl State {
    /// What is due first, and when.
    fn first_due(&self, patience: &Patience) -> Option<(Instant, Overdue)> {
        let held_up = self.held_up.iter().map(|(_, since)| *since).min();
        let is_free = self.in_flight == 0;
        let header = self
            .header_since
            .filter(|_| is_free && patience.whole_headers);
        let silent_start = (is_free && !self.served).then_some(self.idle_since);
        let idle = is_free.then_some(self.idle_since);
        let limits = [
            (held_up, patience.reader, Overdue::Reader),
            (header, patience.header, Overdue::Header),
            (silent_start, patience.header, Overdue::Header),
            (idle, patience.idle, Overdue::Idle),
        ];
        let due = limits
            .into_iter()
            .filter_map(|(since, limit, overdue)| Some((since?.checked_add(limit)?, overdue)));
        due.min_by_key(|(due, _)| *due)
    }

    fn forget(&mut self, number: u64) {
        self.held_up.retain(|(held_up, _)| *held_up != number);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.activity.lock();
        state.forget(self.number);
        state.in_flight = state.in_flight.saturating_sub(1);
        state.idle_since = Instant::now();
        state.header_since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTTP1: Patience = Patience {
        header: Duration::from_secs(10),
        idle: Duration::from_secs(120),
        reader: Duration::from_secs(60),
        whole_headers: true,
    };
    const HTTP2: Patience = Patience {
        whole_headers: false,
        ..HTTP1
    };

    async fn pass(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_is_overdue_like_a_slow_header() {
        let activity = Activity::new();
        pass(9).await;
        assert_eq!(activity.overdue(&HTTP1), None);
        pass(1).await;
        assert_eq!(activity.overdue(&HTTP1), Some(Overdue::Header));
    }

    #[tokio::test(start_paused = true)]
    async fn between_requests_a_connection_may_rest_longer_than_a_header_may_take() {
        let activity = Activity::new();
        drop(activity.begin());
        pass(60).await;
        assert_eq!(activity.overdue(&HTTP1), None);
        activity.read(b"P");
        pass(10).await;
        assert_eq!(activity.overdue(&HTTP1), Some(Overdue::Header));
        assert_eq!(activity.overdue(&HTTP2), None, "a ping of HTTP/2");
        pass(50).await;
        assert_eq!(activity.overdue(&HTTP2), Some(Overdue::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_in_flight_is_never_overdue_while_its_answer_is_read() {
        let activity = Activity::new();
        let mut request = activity.begin();
        pass(100_000).await;
        assert_eq!(activity.overdue(&HTTP1), None, "a silent watch");

        request.hand_out();
        pass(59).await;
        assert_eq!(activity.overdue(&HTTP1), None);
        request.ask();
        request.hand_out();
        pass(59).await;
        assert_eq!(activity.overdue(&HTTP1), None, "slow, but it reads");
        pass(1).await;
        assert_eq!(activity.overdue(&HTTP1), Some(Overdue::Reader));
        drop(request);
        assert_eq!(activity.overdue(&HTTP1), None);
    }

    #[test]
    fn a_severed_connection_says_so_to_whoever_waits() {
        let activity = Activity::new();
        assert!(!activity.waits_to_read(Waker::noop()));
        activity.sever();
        assert!(activity.waits_to_read(Waker::noop()));
        assert!(activity.waits_to_write(Waker::noop()));
    }
}
