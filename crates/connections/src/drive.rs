//! A connection from its first request to its end.
//!
//! Time-outs are one timer a connection, set to the moment at which it will have taken too long. To look at each connection twice a second
//! was simpler, and cost a tenth of a processor for ten thousand that do nothing.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::CancellationToken;

use crate::activity::{Activity, Overdue, Patience};
use crate::protocol::Connection;

/// How often a connection that is to end is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// How a connection ended.
#[derive(Debug)]
pub enum End {
    /// By itself, in order or with an error.
    Finished(Result<(), hyper::Error>),
    /// It took too long.
    Overdue(Overdue),
}

/// Runs a connection. When `stop` is cancelled, or when it has been idle for long enough, it takes no more requests and ends with the
/// last answer. A header that is not complete by then is waited for a moment.
pub async fn drive<C: Connection>(
    connection: C,
    activity: &Activity,
    patience: &Patience,
    stop: &CancellationToken,
) -> End {
    let mut connection = pin!(connection);
    let mut clock = Clock::new(patience.shortest());
    loop {
        tokio::select! {
            // The clock behind the connection: it has to see what the connection has just done.
            biased;
            result = connection.as_mut() => return End::Finished(result),
            () = stop.cancelled(), if !clock.is_closing => {
                connection.as_mut().finish();
                if activity.may_break_off(true) {
                    return End::Finished(Ok(()));
                }
                clock.close();
            }
            () = clock.look(activity, patience) => match activity.overdue(patience) {
                None if clock.is_closing && activity.may_break_off(false) => {
                    return End::Finished(Ok(()));
                }
                None => {}
                Some(Overdue::Idle) if !clock.is_closing => {
                    connection.as_mut().finish();
                    clock.close();
                }
                Some(overdue) => return End::Overdue(overdue),
            },
        }
    }
}

/// Says when a connection has to be looked at.
struct Clock {
    timer: Pin<Box<Sleep>>,
    /// The longest pause. The requests of HTTP/2 are tasks of their own, and nobody is woken when one of them ends.
    pause: Duration,
    is_closing: bool,
}

impl Clock {
    fn new(pause: Duration) -> Self {
        Self {
            timer: Box::pin(sleep(pause)),
            pause,
            is_closing: false,
        }
    }

    /// The connection is to end: from now on it is looked at often, whatever is due.
    fn close(&mut self) {
        self.is_closing = true;
        self.pause = LOOK;
        self.rest();
    }

    /// Ends when the next look is due, as far as is known whenever this is polled.
    async fn look(&mut self, activity: &Activity, patience: &Patience) {
        poll_fn(|context| self.poll_look(context, activity, patience)).await;
    }

    fn poll_look(
        &mut self,
        context: &mut Context<'_>,
        activity: &Activity,
        patience: &Patience,
    ) -> Poll<()> {
        let due = activity.due(patience).filter(|_| !self.is_closing);
        if let Some(due) = due
            && due < self.timer.deadline()
        {
            self.timer.as_mut().reset(due);
        }
        ready!(self.timer.as_mut().poll(context));
        self.rest();
        Poll::Ready(())
    }

    fn rest(&mut self) {
        self.timer.as_mut().reset(Instant::now() + self.pause);
    }
}
