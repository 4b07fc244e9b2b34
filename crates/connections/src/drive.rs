//! A connection from its first request to its end.
//!
//! Time-outs are one timer a connection, set to the moment at which it will have taken too long. To look at each connection twice a second
//! is simpler; but then ten thousand that do nothing wake up twenty thousand times a second.

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
            overdue = clock.look(activity, patience) => match overdue {
                None if activity.may_break_off(false) => return End::Finished(Ok(())),
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

    /// Ends when something is overdue, as far as is known whenever this is polled; on a connection that is to end, with every look.
    async fn look(&mut self, activity: &Activity, patience: &Patience) -> Option<Overdue> {
        poll_fn(|context| self.poll_look(context, activity, patience)).await
    }

    fn poll_look(
        &mut self,
        context: &mut Context<'_>,
        activity: &Activity,
        patience: &Patience,
    ) -> Poll<Option<Overdue>> {
        loop {
            let due = activity.due(patience).filter(|_| !self.is_closing);
            if let Some(due) = due
                && due < self.timer.deadline()
            {
                self.timer.as_mut().reset(due);
            }
            ready!(self.timer.as_mut().poll(context));
            self.rest();
            let overdue = activity.overdue(patience);
            if overdue.is_some() || self.is_closing {
                return Poll::Ready(overdue);
            }
        }
    }

    fn rest(&mut self) {
        self.timer.as_mut().reset(Instant::now() + self.pause);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const PATIENCE: Patience = Patience {
        header: Duration::from_secs(10),
        idle: Duration::from_secs(120),
        reader: Duration::from_secs(60),
        whole_headers: true,
    };

    /// A connection on which something happens at one time, if at all.
    struct Idle<'t, F> {
        polls: &'t Cell<u32>,
        event: Option<(Pin<Box<Sleep>>, F)>,
        finished: bool,
    }

    impl<F: FnOnce() + Unpin> Future for Idle<'_, F> {
        type Output = Result<(), hyper::Error>;

        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
            self.polls.set(self.polls.get() + 1);
            if let Some((mut sleep, event)) = self.event.take() {
                match sleep.as_mut().poll(context) {
                    Poll::Ready(()) => event(),
                    Poll::Pending => self.event = Some((sleep, event)),
                }
            }
            match self.finished {
                true => Poll::Ready(Ok(())),
                false => Poll::Pending,
            }
        }
    }

    impl<F: FnOnce() + Unpin> Connection for Idle<'_, F> {
        fn finish(mut self: Pin<&mut Self>) {
            self.finished = true;
        }
    }

    /// How a connection ends on which `event` happens after some seconds; after how many, and how often it was woken until then.
    async fn end(
        activity: &Activity,
        after: u64,
        event: impl FnOnce() + Unpin,
    ) -> (String, u64, u32) {
        let (start, polls) = (Instant::now(), Cell::new(0));
        let connection = Idle {
            polls: &polls,
            event: Some((Box::pin(sleep(Duration::from_secs(after))), event)),
            finished: false,
        };
        let end = drive(connection, activity, &PATIENCE, &CancellationToken::new()).await;
        (format!("{end:?}"), start.elapsed().as_secs(), polls.get())
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_comes_nearer_is_kept_to_the_second() {
        let activity = Activity::new();
        let silent = end(&activity, 1000, || ()).await;
        assert_eq!(silent, ("Overdue(Header)".to_owned(), 10, 2));

        let activity = Activity::new();
        drop(activity.begin());
        let slow_header = end(&activity, 47, || activity.read(b"G")).await;
        assert_eq!(
            (slow_header.0.as_str(), slow_header.1),
            ("Overdue(Header)", 57)
        );

        let activity = Activity::new();
        let mut request = activity.begin();
        let hand_out = || request.hand_out();
        let slow_reader = end(&activity, 33, hand_out).await;
        assert_eq!(
            (slow_reader.0.as_str(), slow_reader.1),
            ("Overdue(Reader)", 93)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_nothing_is_seldom_woken_and_ends_in_order() {
        let activity = Activity::new();
        drop(activity.begin());
        let (end, seconds, polls) = end(&activity, 1000, || ()).await;
        assert_eq!((end.as_str(), seconds), ("Finished(Ok(()))", 120));
        assert!(polls <= 14, "woken {polls} times");
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_tells_the_connection_is_seen_before_long() {
        let activity = Activity::new();
        let request = activity.begin();
        let elsewhere = async {
            sleep(Duration::from_secs(500)).await;
            drop(request);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = elsewhere => {}
            (end, seconds, _) = end(&activity, 1000, || ()) => {
                assert_eq!(end, "Finished(Ok(()))");
                assert!((620..=630).contains(&seconds), "after {seconds} s");
            }
        }
    }
}
