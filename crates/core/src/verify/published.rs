//! The issuer's published keys: fetched when needed, renewed in time, believed for a while when their place is down.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::Mutex;

use super::jwt::{KeySource, KeysInForce};
use crate::clock;
use crate::token::KeySet;
use crate::unavailable::Unavailable;

/// Keys older than this are renewed in the background.
const RENEW: Duration = Duration::from_secs(25);
/// Keys older than this are renewed before they are used: with the time for which verdicts are remembered, a removed
/// key is dead within a minute.
const STALE: Duration = Duration::from_secs(40);
/// While their place is down, the last good keys are believed for so long.
const LAST_GOOD: Duration = Duration::from_secs(15 * 60);
/// Where no keys are published, they are looked for again after this long.
const LOOK_AGAIN: Duration = Duration::from_secs(5 * 60);
/// There is at most one fetch in so long.
const COOLDOWN: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
struct State {
    keys: Option<(Arc<KeySet>, Timestamp)>,
    asked_at: Option<Timestamp>,
    /// The last fetch found that there are no keys to be had, rather than none that can be had now.
    none_published: bool,
}

/// Where a fetch ended.
#[derive(Debug)]
pub enum Fetched {
    /// At these keys.
    Keys(KeySet),
    /// The issuer answers, and publishes none.
    NonePublished,
}

/// The place where an issuer publishes its keys.
#[async_trait]
pub trait KeyPlace: Send + Sync {
    /// Fetches them now.
    ///
    /// # Errors
    /// The place does not answer, or not with a key set.
    async fn fetch(&self) -> Result<Fetched, Unavailable>;
    /// The issuer whose keys they are, if the place says so.
    fn issuer(&self) -> Option<String>;
}

/// The keys of one place, and the rules by which they are fetched and believed.
#[derive(Debug)]
pub struct PublishedKeys<P> {
    place: P,
    state: RwLock<State>,
    in_force: InForce,
    fetching: Mutex<()>,
}

/// What of the state is looked at with every remembered verdict, and written after it.
#[derive(Debug, Default)]
struct InForce {
    /// How many key sets there were; zero while there is none.
    edition: AtomicU32,
    /// In milliseconds since 1970.
    fresh_until: AtomicI64,
}

impl<P: KeyPlace> PublishedKeys<P> {
    /// The keys of a place; nothing is fetched yet.
    pub fn at(place: P) -> Self {
        Self {
            place,
            state: RwLock::default(),
            in_force: InForce::default(),
            fetching: Mutex::new(()),
        }
    }

    /// Fetches the keys if none are known, so that an outage finds them here, and renews them when they grow old; to be
    /// called every few seconds.
    pub async fn renew(&self, now: Timestamp) {
        let due = self.with(|state| match (&state.keys, state.asked_at) {
            (Some((_, at)), _) => clock::after(*at, RENEW) <= now,
            (None, Some(asked)) if state.none_published => clock::after(asked, LOOK_AGAIN) <= now,
            (None, _) => true,
        });
        if due && let Err(fault) = self.fetch(now).await {
            tracing::warn!(%fault, "the issuer's keys could not be fetched");
        }
    }

    fn put(&self, state: &mut State, keys: KeySet, now: Timestamp) {
        let (known, is_another) = match state.keys.take() {
            Some((known, _)) if known.is_same(&keys) => (known, false),
            _ => (Arc::new(keys), true),
        };
        state.keys = Some((known, now));
        let fresh_until = clock::after(now, STALE).as_millisecond();
        self.in_force.fresh_until.store(fresh_until, Ordering::Release);
        if is_another {
            self.in_force.edition.fetch_add(1, Ordering::Release);
        }
    }

    fn with<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(
            &self
                .state
                .read()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        )
    }

    fn may_fetch(&self, now: Timestamp) -> bool {
        self.with(|state| {
            state
                .asked_at
                .is_none_or(|at| clock::after(at, COOLDOWN) <= now || at > now)
        })
    }

    /// Fetches, unless somebody else just did.
    async fn fetch(&self, now: Timestamp) -> Result<(), Unavailable> {
        let _one_at_a_time = self.fetching.lock().await;
        if !self.may_fetch(now) {
            return Ok(());
        }
        let fetched = self.place.fetch().await;
        let mut state = self
            .state
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        state.asked_at = Some(now);
        match fetched {
            Ok(Fetched::Keys(keys)) => {
                if keys.exposed_private_keys() > 0 {
                    tracing::error!(
                        "the issuer publishes PRIVATE keys in its key set: anybody can sign tokens in its name"
                    );
                }
                state.none_published = false;
                self.put(&mut state, keys, now);
                Ok(())
            }
            Ok(Fetched::NonePublished) => {
                state.none_published = true;
                Ok(())
            }
            Err(fault) => {
                state.none_published = false;
                Err(fault)
            }
        }
    }
}

#[async_trait]
impl<P: KeyPlace> KeySource for PublishedKeys<P> {
    fn known(&self, now: Timestamp) -> Option<Arc<KeySet>> {
        self.with(|state| {
            let (keys, at) = state.keys.as_ref()?;
            (clock::after(*at, LAST_GOOD) > now).then(|| Arc::clone(keys))
        })
    }

    fn fresh(&self, kid: Option<&str>, now: Timestamp) -> Option<Arc<KeySet>> {
        self.with(|state| {
            let (keys, at) = state.keys.as_ref()?;
            let fresh = clock::after(*at, STALE) > now;
            (fresh && kid.is_none_or(|kid| keys.contains_kid(kid))).then(|| Arc::clone(keys))
        })
    }

    async fn keys_for(&self, kid: Option<&str>, now: Timestamp) -> Result<Option<Arc<KeySet>>, Unavailable> {
        if let Some(keys) = self.fresh(kid, now) {
            return Ok(Some(keys));
        }
        let fault = if self.may_fetch(now) {
            self.fetch(now).await.err()
        } else {
            None
        };
        if let Some(keys) = self.known(now) {
            return Ok(Some(keys));
        }
        match fault {
            Some(fault) => Err(fault),
            None if self.with(|state| state.none_published) => Ok(None),
            None => Err(Unavailable::upstream(
                "its keys could not be fetched a moment ago",
            )),
        }
    }

    fn issuer(&self, _: Timestamp) -> Option<String> {
        self.place.issuer()
    }

    fn in_force(&self) -> Option<KeysInForce> {
        let edition = self.in_force.edition.load(Ordering::Acquire);
        let fresh_until = self.in_force.fresh_until.load(Ordering::Acquire);
        let fresh_until = Timestamp::from_millisecond(fresh_until).ok()?;
        (edition > 0).then_some(KeysInForce { edition, fresh_until })
    }
}
