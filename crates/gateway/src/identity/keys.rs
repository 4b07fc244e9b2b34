//! Public keys that change while the gateway runs.
//!
//! Keys are fetched when the first token needs them, renewed aside when they are old, and once more when a token names a key
//! that is not among them: issuers publish a key before they use it, but not to us. Because anybody can make up names of keys,
//! there is one fetch at a time and one in ten seconds; only tokens of unknown keys wait for it. When a fetch fails the old
//! keys stay: an issuer that is out of reach for an hour must not lock everybody out.

mod set;
mod source;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::Mutex;

pub use self::set::KeyError;
pub(super) use self::set::{KeySet, Verdict};
pub use self::source::KeySourceError;
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
        self: &Arc<Self>,
        jwt: &Jwt<'_>,
        allowed: &[SigningAlgorithm],
        now: SystemTime,
    ) -> Verdict {
        let seen = self.current.load_full();
        let verdict = seen.set.verify(jwt, allowed);
        if verdict == Verdict::NoKey {
            self.renew(&seen, now).await;
            return self.current.load().set.verify(jwt, allowed);
        }
        if seen.since.is_none_or(|since| distance(since, now) >= OLD) {
            self.renew_aside(seen, now);
        }
        verdict
    }

    /// Renews keys that suffice: nobody waits for it, so an issuer that hangs makes no request hang.
    fn renew_aside(self: &Arc<Self>, seen: Arc<State>, now: SystemTime) {
        if self.asked.try_lock().is_ok_and(|asked| is_due(*asked, now)) {
            let keys = Arc::clone(self);
            tokio::spawn(async move { keys.renew(&seen, now).await });
        }
    }

    /// Fetches the keys, unless somebody has just done so.
    async fn renew(&self, seen: &Arc<State>, now: SystemTime) {
        let mut asked = self.asked.lock().await;
        let is_newer = !Arc::ptr_eq(seen, &self.current.load());
        if is_newer || !is_due(*asked, now) {
            return;
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
    }

    fn replace(&self, set: KeySet, now: SystemTime) {
        let since = Some(now);
        self.current.store(Arc::new(State { set, since }));
    }
}

fn is_due(asked: Option<SystemTime>, now: SystemTime) -> bool {
    asked.is_none_or(|at| distance(at, now) >= PAUSE)
}

/// How far two times are from each other: requests that wait for a fetch came before it ended, and clocks are set back.
fn distance(one: SystemTime, other: SystemTime) -> Duration {
    let passed = other.duration_since(one);
    passed.unwrap_or_else(|error| error.duration())
}
