//! A connection from its first request to its end.

use std::pin::pin;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::activity::{Activity, Overdue, Patience};
use crate::protocol::Connection;

/// How often a connection is looked at for being slow or idle.
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
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut closing = false;
    loop {
        tokio::select! {
            result = connection.as_mut() => return End::Finished(result),
            () = stop.cancelled(), if !closing => {
                closing = true;
                connection.as_mut().finish();
                if activity.may_break_off(true) {
                    return End::Finished(Ok(()));
                }
            }
            _ = look.tick() => match activity.overdue(patience) {
                None if closing && activity.may_break_off(false) => {
                    return End::Finished(Ok(()));
                }
                None => {}
                Some(Overdue::Idle) if !closing => {
                    closing = true;
                    connection.as_mut().finish();
                }
                Some(overdue) => return End::Overdue(overdue),
            },
        }
    }
}
