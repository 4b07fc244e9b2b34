//! Handing batches to the intake, for the sources that can wait: they hold their place and try again.

use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::counters::SourceCounters;
use crate::{Batch, Intake, Refused};

/// Hands a batch to the intake until it is durable. False when the process stops first.
pub(crate) async fn hand_over(
    batch: Batch,
    intake: &dyn Intake,
    counters: &SourceCounters,
    shutdown: &CancellationToken,
) -> bool {
    let mut wait = Duration::from_millis(50);
    loop {
        let reason = match intake.accept(batch.clone()).await {
            Ok(()) => return true,
            Err(Refused::Stopping) => return false,
            Err(reason) => reason,
        };
        counters.refused.add(1);
        let milliseconds = wait.as_millis() as u64;
        warn!(%reason, milliseconds, "events cannot be stored, holding the place and trying again");
        let slept = shutdown.run_until_cancelled(tokio::time::sleep(wait)).await;
        if slept.is_none() {
            return false;
        }
        wait = (wait * 2).min(Duration::from_secs(5));
    }
}

/// The time of day in nanoseconds since the Unix epoch.
pub(crate) fn wall_clock() -> i128 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    i128::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(i128::MAX)
}
