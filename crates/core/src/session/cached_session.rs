//! Cached verdicts of sessions: after the first request of an instance, a cookie is verified from memory.
//!
//! What ends a session or one of its ids is a revocation, and the gate checks those on every request. So a
//! cached verdict only has to end with the session's own limits (decision 38).

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::loaded_session::LoadedSession;
use super::policy::SessionPolicy;
use crate::clock;
use crate::credential::SessionKeyDigest;
use crate::verdict::{ClaimsInterner, CompactVerdict, CredentialInfo, CredentialRepr, Verified};

/// Memory per entry of the cache itself: key and value in tables that double when they are full, and an index
/// slot.
const ENTRY_OVERHEAD_BYTES: usize = 128;

/// Limits of the cache of sessions.
#[derive(Clone, Copy, Debug)]
pub struct SessionCacheLimits {
    /// Maximum cache time (`VERIFY_CACHE_SECONDS`). Zero caches nothing.
    pub verdict_ttl: Duration,
    /// Approximate memory of all cached sessions, in bytes.
    pub cache_bytes: u64,
}

/// Verdict in the cache.
#[derive(Clone)]
struct CachedSession {
    verdict: Arc<CompactVerdict>,
    /// Expiry, in milliseconds since 1970.
    expires_at_ms: i64,
}

/// Cached verdicts, by the hash of the cookie. The cookie itself is not kept.
pub(super) struct SessionVerdicts {
    cache: Cache<SessionKeyDigest, CachedSession, SessionWeighter>,
    interner: ClaimsInterner,
    ttl: Duration,
}

impl SessionVerdicts {
    /// Creates an empty cache. `None` if the limits permit none.
    pub(super) fn new(limits: SessionCacheLimits) -> Option<Self> {
        // An estimate for the tables: an entry takes about half a KiB. The weight is the limit that counts.
        let estimated_items = usize::try_from(limits.cache_bytes / 512)
            .unwrap_or(usize::MAX)
            .max(16);
        (!limits.verdict_ttl.is_zero()).then(|| Self {
            cache: Cache::with_weighter(estimated_items, limits.cache_bytes, SessionWeighter),
            interner: ClaimsInterner::default(),
            ttl: limits.verdict_ttl,
        })
    }

    /// Returns the verdict of this cookie, if it is cached and still valid.
    pub(super) fn lookup(&self, key: &SessionKeyDigest, now: Timestamp) -> Option<Verified> {
        let cached = self.cache.get(key)?;
        let remaining_ms = cached.expires_at_ms - now.as_millisecond();
        // More time left than it was given: the clock was set back since, so the age of the verdict is
        // unknown. One more, because both times are cut to whole milliseconds.
        let max_ms = i64::try_from(self.ttl.as_millis()).map_or(i64::MAX, |ttl| ttl.saturating_add(1));
        (remaining_ms > 0 && remaining_ms <= max_ms)
            .then(|| Verified::new(CredentialRepr::Compact(cached.verdict)))
    }

    /// Caches a session that was loaded at `now` and passed the gate. `last_used` is its last use as it is
    /// stored.
    pub(super) fn insert(
        &self,
        loaded: &LoadedSession,
        info: &CredentialInfo,
        policy: &SessionPolicy,
        last_used: Timestamp,
        now: Timestamp,
    ) {
        let Some(key) = loaded.presented_key.digest() else {
            return;
        };
        let touch_due = clock::after(last_used, policy.touch_interval());
        // A use is due to be recorded at `touch_due`. The cached verdict ends by then, so that a request from
        // memory never has anything to record. If recording is overdue, the session's idle limit bounds it.
        let bound = if touch_due > now {
            touch_due
        } else {
            clock::after(last_used, policy.idle_timeout)
        };
        let expires_at = clock::after(now, self.ttl)
            .min(bound)
            .min(info.expires_at.unwrap_or(Timestamp::MAX));
        if expires_at > now {
            // The cookie is no part of the verdict: the key of the cache is its hash.
            let verdict = Arc::new(CompactVerdict::new("", info, &self.interner));
            let cached = CachedSession {
                verdict,
                // Rounded down: not a moment longer than the session.
                expires_at_ms: expires_at.as_millisecond(),
            };
            self.cache.insert(key, cached);
        }
    }

    /// Removes the verdict of a session whose contents were changed here.
    pub(super) fn remove(&self, key: &SessionKeyDigest) {
        self.cache.remove(key);
    }

    /// Removes all verdicts.
    pub(super) fn clear(&self) {
        self.cache.clear();
    }
}

/// Weighs a cache entry by the memory that it takes.
#[derive(Clone)]
struct SessionWeighter;

impl Weighter<SessionKeyDigest, CachedSession> for SessionWeighter {
    fn weight(&self, _: &SessionKeyDigest, cached: &CachedSession) -> u64 {
        // Widens: `usize` is at most 64 bits.
        (cached.verdict.memory_bytes() + ENTRY_OVERHEAD_BYTES) as u64
    }
}

#[cfg(test)]
mod tests;
