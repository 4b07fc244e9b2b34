//! The threads that serve connections: one for each processor, with a runtime, a stack and upstream connections of its own.
//!
//! A request touches two sockets and little else. On a runtime that shares its tasks between threads, every readable socket may
//! wake another thread than the one that waits for it, and those wake-ups cost more than the work: with two threads the gateway
//! forwarded a quarter less than with one. So a connection stays on the thread that it was given to, together with the
//! upstream connections that its requests use. The price is that one connection never uses two processors.

use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::runtime::{self, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// Threads, each with a `T` of its own. They end when this is dropped.
pub(crate) struct Workers<T> {
    workers: Vec<Worker<T>>,
    _end_when_dropped: DropGuard,
}

/// A thread.
struct Worker<T> {
    runtime: Handle,
    own: T,
    connections: Arc<AtomicUsize>,
}

/// Counts a connection of a worker while it lives.
struct Place(Arc<AtomicUsize>);

impl<T> Workers<T> {
    /// Starts a thread for each processor, and makes what is its own.
    ///
    /// # Errors
    ///
    /// When the system gives no more threads or file descriptors.
    pub(crate) fn start(mut own: impl FnMut() -> T) -> io::Result<Self> {
        let end = CancellationToken::new();
        let workers = (0..count())
            .map(|_| {
                Ok(Worker {
                    runtime: thread_with_runtime(end.clone())?,
                    own: own(),
                    connections: Arc::default(),
                })
            })
            .collect::<io::Result<_>>()?;
        Ok(Self {
            workers,
            _end_when_dropped: end.drop_guard(),
        })
    }

    /// Has the worker with the fewest connections serve one more. `serving` begins on that worker's thread.
    pub(crate) fn spawn<F>(&self, tasks: &TaskTracker, serving: impl FnOnce(&T) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let load = |worker: &&Worker<T>| worker.connections.load(Ordering::Relaxed);
        let Some(worker) = self.workers.iter().min_by_key(load) else {
            return;
        };
        let place = Place::taken(&worker.connections);
        let serving = serving(&worker.own);
        let serving = async move {
            serving.await;
            drop(place);
        };
        tasks.spawn_on(serving, &worker.runtime);
    }
}

/// How many threads there are: as many as processors.
pub(crate) fn count() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

impl Place {
    fn taken(connections: &Arc<AtomicUsize>) -> Self {
        connections.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(connections))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Starts a thread that runs what its runtime is given, until `end`.
fn thread_with_runtime(end: CancellationToken) -> io::Result<Handle> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name("gateway".to_owned())
        .spawn(move || {
            runtime.block_on(end.cancelled());
            // Whoever still looks something up or reads a file is not waited for.
            runtime.shutdown_background();
        })?;
    Ok(handle)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Mutex;

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn connections_are_spread_over_all_threads() {
        let workers = Workers::start(|| ()).unwrap();
        let (tasks, threads) = (TaskTracker::new(), Arc::<Mutex<HashSet<_>>>::default());
        let (begun, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let count = u32::try_from(workers.workers.len()).unwrap();
        for _ in 0..count {
            let (threads, begun, go) = (threads.clone(), begun.clone(), go.clone());
            workers.spawn(&tasks, |()| async move {
                threads.lock().unwrap().insert(thread::current().id());
                begun.add_permits(1);
                drop(go.acquire().await);
            });
        }
        drop(begun.acquire_many(count).await);
        assert_eq!(threads.lock().unwrap().len(), workers.workers.len());
        go.close();
        tasks.close();
        tasks.wait().await;
        let left = |worker: &Worker<()>| worker.connections.load(Ordering::Relaxed);
        assert_eq!(workers.workers.iter().map(left).sum::<usize>(), 0);
    }

    #[tokio::test]
    async fn threads_end_with_their_owner() {
        let (dropped, ended) = tokio::sync::oneshot::channel::<()>();
        let workers = Workers::start(|| ()).unwrap();
        workers.spawn(&TaskTracker::new(), |()| async move {
            let _dropped = dropped;
            std::future::pending().await
        });
        drop(workers);
        assert!(ended.await.is_err());
    }
}
