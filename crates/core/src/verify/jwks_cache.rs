//! JWKS cache: fetches the published keys of an issuer, refreshes them in time, and
//! keeps the last good ones for a while.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::Mutex;

use super::key_provider::{KeySetProvider, KeySetVersion};
use crate::clock;
use crate::unavailable::Unavailable;
use maxlab_auth_jose::KeySet;

/// Age from which the keys are refreshed in the background.
const RENEW_AFTER: Duration = Duration::from_secs(25);
/// Age from which the keys are fetched again before they are used. Together with the cache time of verdicts,
/// a removed key is refused within a minute.
const STALE_AFTER: Duration = Duration::from_secs(40);
/// Age up to which the last good keys are used while their source is down.
const KEEP_LAST_GOOD_FOR: Duration = Duration::from_secs(15 * 60);
/// Time until the next attempt, if the issuer publishes no keys.
const RETRY_UNPUBLISHED_AFTER: Duration = Duration::from_secs(5 * 60);
/// Minimum time between two fetches. Without it, invented key ids could cause any
/// number of requests (decision 19).
const FETCH_COOLDOWN: Duration = Duration::from_secs(10);
/// Minimum time between two fetches for tokens that the issuer itself sent.
const ISSUED_COOLDOWN: Duration = Duration::from_secs(1);

/// State of the last fetches.
#[derive(Debug, Default)]
struct FetchState {
    /// Current keys, and the time of their fetch.
    keys: Option<(Arc<KeySet>, Timestamp)>,
    /// Time of the last attempt, successful or not.
    attempted_at: Option<Timestamp>,
    /// `true` if the last fetch found that the issuer publishes no keys.
    none_published: bool,
    /// `true` if the last fetch failed.
    failed: bool,
}

/// Result of a fetch.
#[derive(Debug)]
pub enum FetchedJwks {
    /// Published keys.
    Keys(KeySet),
    /// No keys: the issuer answers, and publishes none.
    NonePublished,
}

/// Source of an issuer's published keys.
#[async_trait]
pub trait JwksSource: Send + Sync {
    /// Fetches the keys now.
    ///
    /// # Errors
    /// Fails if the source does not answer, or if its answer is not a key set.
    async fn fetch(&self) -> Result<FetchedJwks, Unavailable>;
    /// Returns the issuer of the keys, if the source names it.
    fn issuer(&self) -> Option<String>;
}

/// Cache of the keys of one source, with the rules by which they are fetched and used.
#[derive(Debug)]
pub struct JwksCache<P> {
    source: P,
    // A lock of std: it is read on every verification, and never held across an await.
    state: RwLock<FetchState>,
    version: AtomicKeySetVersion,
    // A lock of tokio: it is held during a fetch.
    fetch_lock: Mutex<()>,
}

/// Version of the current keys, readable without a lock: every use of a cached verdict reads it.
#[derive(Debug, Default)]
struct AtomicKeySetVersion {
    /// Number of different key sets so far. Zero while there is none.
    number: AtomicU32,
    /// Time until which the keys are fresh, in milliseconds since 1970.
    fresh_until: AtomicI64,
}

impl<P: JwksSource> JwksCache<P> {
    /// Creates the cache of a source. Nothing is fetched yet.
    pub fn new(source: P) -> Self {
        Self {
            source,
            state: RwLock::default(),
            version: AtomicKeySetVersion::default(),
            fetch_lock: Mutex::new(()),
        }
    }

    /// Fetches the keys if there are none or if they grow old. To be called every few seconds.
    ///
    /// So the keys are already here when the source fails.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn renew(&self, now: Timestamp) {
        let is_due = self.read_state(|state| match (&state.keys, state.attempted_at) {
            (Some((_, at)), _) => clock::after(*at, RENEW_AFTER) <= now || is_in_future(*at, now),
            (None, Some(attempted_at)) if state.none_published => {
                clock::after(attempted_at, RETRY_UNPUBLISHED_AFTER) <= now
            }
            (None, _) => true,
        });
        if is_due && let Err(fault) = self.fetch(FETCH_COOLDOWN, now).await {
            tracing::warn!(%fault, "key set not fetched, retrying");
        }
    }

    /// Replaces the current keys. The version changes only if the keys are different.
    fn store_keys(&self, state: &mut FetchState, keys: KeySet, now: Timestamp) {
        let (current, is_new) = match state.keys.take() {
            // The same `Arc` is kept: proofs of the precheck compare key sets by address.
            Some((current, _)) if current.is_equivalent(&keys) => (current, false),
            _ => (Arc::new(keys), true),
        };
        state.keys = Some((current, now));
        let fresh_until = clock::after(now, STALE_AFTER).as_millisecond();
        self.version.fresh_until.store(fresh_until, Ordering::Release);
        if is_new {
            // The write lock is still held: a reader that sees this number gets these keys or later ones.
            self.version.number.fetch_add(1, Ordering::Release);
        }
    }

    /// Reads the state. A poisoned lock is used: each write sets whole values.
    fn read_state<T>(&self, read: impl FnOnce(&FetchState) -> T) -> T {
        read(
            &self
                .state
                .read()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        )
    }

    /// Returns `true` if the last attempt is at least `pause` ago.
    fn may_fetch(&self, pause: Duration, now: Timestamp) -> bool {
        self.read_state(|state| {
            state
                .attempted_at
                .is_none_or(|at| clock::after(at, pause) <= now || is_in_future(at, now))
        })
    }

    /// Fetches the keys, unless another task has done so within `pause`.
    #[tracing::instrument(level = "debug", skip_all)]
    async fn fetch(&self, pause: Duration, now: Timestamp) -> Result<(), Unavailable> {
        let _one_at_a_time = self.fetch_lock.lock().await;
        // Checked again under the lock: the task that held it may have fetched the keys.
        if !self.may_fetch(pause, now) {
            return Ok(());
        }
        let fetched = self.source.fetch().await;
        let mut state = self
            .state
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        state.attempted_at = Some(now);
        match fetched {
            Ok(FetchedJwks::Keys(keys)) => {
                if keys.exposed_private_keys() > 0 {
                    tracing::error!("PRIVATE keys published in the issuer's key set, anyone can sign tokens");
                }
                if keys.is_empty() {
                    tracing::warn!(
                        unusable = keys.skipped().len(),
                        "key set without a usable key fetched, signatures cannot be checked"
                    );
                }
                (state.none_published, state.failed) = (false, false);
                self.store_keys(&mut state, keys, now);
                Ok(())
            }
            Ok(FetchedJwks::NonePublished) => {
                (state.none_published, state.failed) = (true, false);
                Ok(())
            }
            // The old keys stay: `cached` uses them for a while.
            Err(fault) => {
                (state.none_published, state.failed) = (false, true);
                Err(fault)
            }
        }
    }
}

/// Returns `true` if a recorded time is in the future, because the clock was set back since. Concurrent
/// requests differ by less than the cool-down.
fn is_in_future(at: Timestamp, now: Timestamp) -> bool {
    at > clock::after(now, FETCH_COOLDOWN)
}

#[async_trait]
impl<P: JwksSource> KeySetProvider for JwksCache<P> {
    fn cached(&self, now: Timestamp) -> Option<Arc<KeySet>> {
        self.read_state(|state| {
            let (keys, at) = state.keys.as_ref()?;
            (clock::after(*at, KEEP_LAST_GOOD_FOR) > now).then(|| Arc::clone(keys))
        })
    }

    fn fresh(&self, kid: Option<&str>, now: Timestamp) -> Option<Arc<KeySet>> {
        self.read_state(|state| {
            let (keys, at) = state.keys.as_ref()?;
            let fresh = clock::after(*at, STALE_AFTER) > now && !is_in_future(*at, now);
            (fresh && kid.is_none_or(|kid| keys.contains_kid(kid))).then(|| Arc::clone(keys))
        })
    }

    async fn keys_for(&self, kid: Option<&str>, now: Timestamp) -> Result<Option<Arc<KeySet>>, Unavailable> {
        if let Some(keys) = self.fresh(kid, now) {
            return Ok(Some(keys));
        }
        // Within the cool-down the cached keys are the answer, even without the named key.
        let fault = if self.may_fetch(FETCH_COOLDOWN, now) {
            self.fetch(FETCH_COOLDOWN, now).await.err()
        } else {
            None
        };
        if let Some(keys) = self.cached(now) {
            return Ok(Some(keys));
        }
        match fault {
            Some(fault) => Err(fault),
            None if self.read_state(|state| state.none_published) => Ok(None),
            None => Err(Unavailable::upstream(
                "the last attempt to fetch its keys failed a moment ago",
            )),
        }
    }

    async fn fetch_key_of_issued(&self, kid: &str, now: Timestamp) {
        if self.fresh(Some(kid), now).is_none()
            && let Err(fault) = self.fetch(ISSUED_COOLDOWN, now).await
        {
            tracing::debug!(%fault, "key of a new token not fetched");
        }
    }

    fn is_unpublished(&self, kid: &str, now: Timestamp) -> bool {
        self.read_state(|state| {
            let Some((keys, at)) = state.keys.as_ref().filter(|_| !state.failed) else {
                return false;
            };
            // Fetched within the cool-down: no newer keys can be had now.
            let is_newest = clock::after(*at, FETCH_COOLDOWN) > now && !is_in_future(*at, now);
            // A published key of a form that cannot be used is still published.
            is_newest && !keys.contains_kid(kid) && !keys.lacks_usable_key(Some(kid))
        })
    }

    fn issuer(&self, _: Timestamp) -> Option<String> {
        self.source.issuer()
    }

    fn current_version(&self) -> Option<KeySetVersion> {
        // Two loads without a lock. A mix of two versions is possible for an instant,
        // which counts as the one before it.
        let number = self.version.number.load(Ordering::Acquire);
        let fresh_until = self.version.fresh_until.load(Ordering::Acquire);
        let fresh_until = Timestamp::from_millisecond(fresh_until).ok()?;
        (number > 0).then_some(KeySetVersion { number, fresh_until })
    }
}
