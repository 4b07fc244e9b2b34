//! How many questions the upstream is asked, and by whom.
//!
//! Anybody can make up tokens, and each is a question. So there are limits of questions at once and a second, and whoever asks
//! too many must not take the others' share: while more than half of the budget is left anybody may ask, and below that an asker
//! has a quarter. A flood from one asker therefore leaves three quarters to the others, and one asker alone has nearly all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::cache::Key;

/// How long a question waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many seconds' worth of questions may come at once after a quiet time.
const BURST_SECONDS: f64 = 2.0;
/// What one asker may take of what is scarce.
const SHARE: f64 = 0.25;
/// Most askers that are told apart.
const MOST_ASKERS: usize = 10_000;

/// A limit of questions, in all and for each asker.
#[derive(Debug)]
pub(crate) struct Budget {
    turns: Arc<Semaphore>,
    turns_each: usize,
    levels: Mutex<Levels>,
}

/// Leave to ask one question, to be kept while it is asked.
#[derive(Debug)]
pub(crate) struct Turn {
    _own: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Levels {
    all: Level,
    askers: HashMap<Key, Asker>,
}

#[derive(Debug)]
struct Asker {
    level: Level,
    turns: Arc<Semaphore>,
}

/// How many questions are left.
#[derive(Debug)]
struct Level {
    left: f64,
    a_second: f64,
    at: Option<SystemTime>,
}

impl Budget {
    pub(crate) fn new(at_once: usize, a_second: u32) -> Self {
        let at_once = at_once.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            turns: Arc::new(Semaphore::new(at_once)),
            turns_each: at_once.div_ceil(4),
            levels: Mutex::new(Levels {
                all: Level::full(f64::from(a_second.max(1))),
                askers: HashMap::new(),
            }),
        }
    }

    /// Leave for `asker`; `None` when there were too many questions, or the turn did not come.
    pub(crate) async fn leave(&self, asker: Key, now: SystemTime) -> Option<Turn> {
        let own = self.levels().take(asker, self.turns_each, now)?;
        let turn = timeout(PATIENCE, async {
            Some(Turn {
                _own: own.acquire_owned().await.ok()?,
                _of_all: Arc::clone(&self.turns).acquire_owned().await.ok()?,
            })
        });
        turn.await.ok()?
    }

    /// No invariant spans a panic in here, so a poisoned lock is as good as any.
    fn levels(&self) -> MutexGuard<'_, Levels> {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Levels {
    /// Takes a question out of the budget; hands out the asker's turns.
    fn take(&mut self, asker: Key, turns: usize, now: SystemTime) -> Option<Arc<Semaphore>> {
        self.all.rise(now);
        if self.askers.len() >= MOST_ASKERS && !self.askers.contains_key(&asker) {
            self.forget(now);
        }
        let share = self.all.a_second * SHARE;
        let asker = self.askers.entry(asker).or_insert_with(|| Asker {
            level: Level::full(share),
            turns: Arc::new(Semaphore::new(turns)),
        });
        asker.level.rise(now);
        let is_scarce = self.all.left <= self.all.most() / 2.0;
        if self.all.left < 1.0 || (is_scarce && asker.level.left < 1.0) {
            return None;
        }
        self.all.left -= 1.0;
        asker.level.left = (asker.level.left - 1.0).max(0.0);
        Some(Arc::clone(&asker.turns))
    }

    /// Forgets askers that were quiet: who has a whole share is like a new one. When all are busy, all are forgotten.
    fn forget(&mut self, now: SystemTime) {
        self.askers.retain(|_, asker| {
            asker.level.rise(now);
            asker.level.left < asker.level.most()
        });
        if self.askers.len() >= MOST_ASKERS {
            self.askers.clear();
        }
    }
}

impl Level {
    fn full(a_second: f64) -> Self {
        let mut level = Self {
            left: 0.0,
            a_second,
            at: None,
        };
        level.left = level.most();
        level
    }

    /// At least one, or a small share would never be enough for a question.
    fn most(&self) -> f64 {
        (self.a_second * BURST_SECONDS).max(1.0)
    }

    /// Adds what time has brought. A clock that is set back brings nothing.
    fn rise(&mut self, now: SystemTime) {
        let passed = self.at.and_then(|at| now.duration_since(at).ok());
        let gained = passed.unwrap_or_default().as_secs_f64() * self.a_second;
        self.left = (self.left + gained).min(self.most());
        self.at = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: SystemTime = SystemTime::UNIX_EPOCH;

    fn asker(number: usize) -> Key {
        let mut key = Key::default();
        key[..8].copy_from_slice(&number.to_le_bytes());
        key
    }

    /// How many of a hundred questions of an asker are let through.
    fn asked(budget: &Budget, number: usize, now: SystemTime) -> usize {
        let take = |_: &usize| budget.levels().take(asker(number), 4, now).is_some();
        (0..100).filter(take).count()
    }

    #[test]
    fn who_floods_leaves_most_to_the_others() {
        let budget = Budget::new(16, 20);
        // Of a burst of 40, half is anybody's; of it the flood has paid its own share already.
        assert_eq!(asked(&budget, 1, START), 20);
        assert_eq!(asked(&budget, 1, START), 0);
        assert_eq!(asked(&budget, 2, START), 10);
        assert_eq!(asked(&budget, 3, START), 10);
        assert_eq!(asked(&budget, 4, START), 0);
        // A second brings 20: a quarter of it for each while it is scarce.
        let second = START + Duration::from_secs(1);
        assert_eq!(asked(&budget, 1, second), 5);
        assert_eq!(asked(&budget, 2, second), 5);
        // A clock that is set back gives nothing.
        assert_eq!(asked(&budget, 1, START), 0);
    }

    #[test]
    fn one_asker_alone_has_nearly_all() {
        let budget = Budget::new(16, 20);
        let mut all = 0;
        for second in 0..100 {
            all += asked(&budget, 1, START + Duration::from_secs(second));
        }
        assert!(all >= 20 * 99, "{all}");
    }

    #[test]
    fn askers_are_bounded() {
        let budget = Budget::new(16, 1000);
        for number in 0..3 * MOST_ASKERS {
            budget.levels().take(asker(number), 4, START);
            assert!(budget.levels().askers.len() <= MOST_ASKERS);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_asker_has_a_quarter_of_the_turns_and_waits_in_vain_for_more() {
        let budget = Budget::new(4, 100);
        let first = budget.leave(asker(1), START).await;
        assert!(first.is_some());
        assert!(budget.leave(asker(1), START).await.is_none());
        assert!(budget.leave(asker(2), START).await.is_some());
        drop(first);
        assert!(budget.leave(asker(1), START).await.is_some());
    }
}
