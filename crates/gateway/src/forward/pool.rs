//! Connections to the upstream that wait for their next request.
//!
//! The one used last is used next, so that what a burst needed ages and is closed. A connection is looked at before it is used:
//! one that the upstream closed meanwhile is thrown away without costing a request.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::link::{Link, Version};

/// Idle connections, oldest first.
pub(super) struct Pool {
    idle: Mutex<Vec<(Box<Link>, Instant)>>,
    limits: PoolLimits,
    is_swept: AtomicBool,
}

/// How many connections wait, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct PoolLimits {
    pub(super) connections: usize,
    pub(super) age: Duration,
}

impl Pool {
    /// An empty pool.
    pub(super) fn new(limits: PoolLimits) -> Arc<Self> {
        Arc::new(Self {
            idle: Mutex::default(),
            limits,
            is_swept: AtomicBool::new(false),
        })
    }

    /// A connection that was alive a moment ago and was made for this.
    pub(super) async fn take(&self, version: Version) -> Option<Box<Link>> {
        poll_fn(|context| Poll::Ready(self.usable(version, context))).await
    }

    fn usable(&self, version: Version, context: &mut Context<'_>) -> Option<Box<Link>> {
        loop {
            // The lock is not held while a connection is looked at.
            let (mut link, since) = self.idle().pop()?;
            if link.version() != version {
                continue;
            }
            link.drive(context);
            if link.is_free() && since.elapsed() < self.limits.age {
                return Some(link);
            }
        }
    }

    /// Keeps a connection for the next request, if it is free.
    pub(super) fn put(self: &Arc<Self>, link: Box<Link>) {
        if !link.is_free() {
            return;
        }
        let mut idle = self.idle();
        if idle.len() >= self.limits.connections {
            return;
        }
        idle.push((link, Instant::now()));
        drop(idle);
        if !self.is_swept.swap(true, Ordering::Relaxed) {
            tokio::spawn(sweep(Arc::downgrade(self), self.limits.age / 4));
        }
    }

    /// Closes what waited too long or was closed by the upstream.
    fn discard_stale(&self) {
        let mut context = Context::from_waker(Waker::noop());
        self.idle().retain_mut(|(link, since)| {
            link.drive(&mut context);
            link.is_free() && since.elapsed() < self.limits.age
        });
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Box<Link>, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks after a pool until nobody has it any more.
async fn sweep(pool: Weak<Pool>, pause: Duration) {
    loop {
        sleep(pause).await;
        match pool.upgrade() {
            Some(pool) => pool.discard_stale(),
            None => return,
        }
    }
}
