//! Taking locks without a panic.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Locks. A poisoned lock is taken all the same: every critical section of this crate leaves its
/// data whole at each step, and a journal that stops for a panic elsewhere would lose events.
pub(crate) fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits to be notified, at most `time`. May wake early.
pub(crate) fn wait<'a, T>(
    bell: &Condvar,
    guard: MutexGuard<'a, T>,
    time: Duration,
) -> MutexGuard<'a, T> {
    bell.wait_timeout(guard, time)
        .unwrap_or_else(PoisonError::into_inner)
        .0
}
