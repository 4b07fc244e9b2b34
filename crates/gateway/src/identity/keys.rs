//! Public keys that change while the gateway runs.
//!
//! Keys are fetched when the first token needs them, renewed when they are old, and once more when a token names a key that is
//! not among them: issuers publish a key before they use it, but not to us. Because anybody can make up names of keys, there is
//! one fetch at a time and one in ten seconds; who waits for it waits no longer than the fetch may take. When a fetch fails
//! the old keys stay: an issuer that is out of reach for an hour must not lock everybody out.

mod set;
mod source;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::Mutex;

pub use self::set::KeyError;
pub(super) use self::set::{KeySet, Verdict};
pub(super) use self::source::Source;
use super::config::SigningAlgorithm;
use super::jwt::Jwt;

/// After this time keys are fetched again although they suffice: one may have been withdrawn.
const OLD: Duration = Duration::from_secs(600);
/// The shortest time between two fetches.
const PAUSE: Duration = Duration::from_secs(10);

/// The keys of an issuer, now.
pub(super) struct Keys {
    issuer: String,
    source: Source,
    current: ArcSwap<State>,
    /// When keys were last asked for; held while they are.
    asked: Mutex<Option<SystemTime>>,
}

#[derive(Default)]
struct State {
    set: KeySet,
    since: Option<SystemTime>,
}

impl Keys {
    pub(super) fn new(issuer: &str, source: Source) -> Self {
        Self {
            issuer: issuer.to_owned(),
            source,
            current: ArcSwap::default(),
            asked: Mutex::new(None),
        }
    }

    /// Reads keys from files at once, so that a wrong path is an error at the start. Other sources are asked when needed.
    pub(super) fn load_files(&self, now: SystemTime) -> Result<(), KeySourceError> {
        if let Some(set) = self.source.read_files()? {
            self.replace(set, now);
        }
        Ok(())
    }

    /// Whether a key of the issuer made a token's signature.
    pub(super) async fn verify(
        &self,
        jwt: &Jwt<'_>,
        allowed: &[SigningAlgorithm],
        now: SystemTime,
    ) -> Verdict {
        let current = self.current.load_full();
        let verdict = current.set.verify(jwt, allowed);
        let is_old = current.since.is_none_or(|since| age(since, now) >= OLD);
        if verdict != Verdict::NoKey && !is_old {
            return verdict;
        }
        if self.renew(&current, now).await {
            return self.current.load().set.verify(jwt, allowed);
        }
        verdict
    }

    /// Fetches the keys, unless somebody has just done so. Whether they are newer than `seen`.
    async fn renew(&self, seen: &Arc<State>, now: SystemTime) -> bool {
        let mut asked = self.asked.lock().await;
        let is_newer = || !Arc::ptr_eq(seen, &self.current.load());
        if is_newer() || asked.is_some_and(|at| age(at, now) < PAUSE) {
            return is_newer();
        }
        *asked = Some(now);
        match self.source.fetch(&self.issuer).await {
            Ok(set) => self.replace(set, now),
            Err(error) => tracing::warn!(
                issuer = self.issuer,
                %error,
                "keys of a token issuer cannot be read; the old ones stay"
            ),
        }
        is_newer()
    }

    fn replace(&self, set: KeySet, now: SystemTime) {
        let since = Some(now);
        self.current.store(Arc::new(State { set, since }));
    }
}

/// The time since `then`; a clock that was set back has let all the time pass.
fn age(then: SystemTime, now: SystemTime) -> Duration {
    now.duration_since(then).unwrap_or(Duration::MAX)
}

pub use self::source::KeySourceError;
