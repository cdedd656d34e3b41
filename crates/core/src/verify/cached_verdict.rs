//! Cached verdict: the result of one verification, its expiry, and the time from which it is refreshed ahead.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use quick_cache::Weighter;

use super::cache_key::CacheKey;
use super::fault::VerifyFault;
use super::key_provider::KeySetVersion;
use crate::clock;
use crate::identity::VerificationSource;
use crate::verdict::CompactVerdict;

/// Time for which a rejection is cached. Short, because a rejected token may be accepted a moment later.
const REJECTION_TTL: Duration = Duration::from_secs(1);
/// Maximum cache time of a local verdict whose key set cannot be identified, or must be fetched again.
///
/// Otherwise a local verdict is valid while its key set is current, so that a removed key is refused
/// as soon as the removal is known.
const LOCAL_TTL: Duration = Duration::from_secs(15);
/// Maximum cache time of a local verdict. With the same keys the result would be the same until the token
/// expires, and one check an hour costs next to nothing.
const MAX_LOCAL_TTL: Duration = Duration::from_secs(3_600);

/// Memory per entry of the cache itself: 64 bytes in tables that double when
/// they are full, and an index slot.
const ENTRY_OVERHEAD_BYTES: usize = 128;

/// Time that may pass between a request's reading of the clock and its look at the cache.
///
/// Requests that arrive together may look in another order than they read the clock. A verdict that seems to
/// be from the future by no more than this is current, and is not asked for again. If the clock was set back
/// by no more than this, a verdict counts that much longer.
const READING_TO_LOOK: Duration = Duration::from_secs(1);

/// Verdict in the cache.
#[derive(Clone)]
pub(super) struct CachedVerdict {
    pub(super) outcome: Result<Arc<CompactVerdict>, Arc<VerifyFault>>,
    /// Latest expiry, in milliseconds since 1970.
    // Not a `Timestamp`, which takes twice as much: there may be millions of entries.
    expires_at_ms: i64,
    expiry: VerdictExpiry,
}

/// Rules for the expiry and refresh of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum VerdictExpiry {
    /// No refresh, because asking again would not extend it.
    Fixed,
    /// Refresh if the token is used within this number of milliseconds before the expiry.
    RefreshAhead(u32),
    /// Refresh that a background task has taken over.
    Refreshing,
    /// Verified locally. Valid while this version of the key set is current. If the current version is
    /// unknown or stale, it expires `stale_margin_ms` earlier.
    WhileKeysValid {
        key_set_version: u32,
        stale_margin_ms: u32,
    },
}

impl CachedVerdict {
    /// Creates the entry of an accepted token.
    ///
    /// `ttl` is the cache time for remote layers, and `elapsed` the time that the layers took.
    /// `key_set_version` is the version that was current before the token was checked, if known.
    pub(super) fn accepted(
        verdict: Arc<CompactVerdict>,
        now: Timestamp,
        ttl: Duration,
        elapsed: Duration,
        key_set_version: Option<u32>,
    ) -> Self {
        let expires_at = verdict.expires_at().unwrap_or(Timestamp::MAX);
        let limit_ms = |ttl| clock::after(now, ttl).min(expires_at).as_millisecond();
        let without_keys_ms = limit_ms(ttl.min(LOCAL_TTL));
        let (expires_at_ms, expiry) = match (verdict.source(), key_set_version) {
            (VerificationSource::LocalJwt, Some(key_set_version)) if !ttl.is_zero() => {
                let expires_at_ms = limit_ms(MAX_LOCAL_TTL);
                // Fits: at most an hour in milliseconds.
                let stale_margin_ms = u32::try_from(expires_at_ms - without_keys_ms).unwrap_or(0);
                (
                    expires_at_ms,
                    VerdictExpiry::WhileKeysValid {
                        key_set_version,
                        stale_margin_ms,
                    },
                )
            }
            (VerificationSource::LocalJwt, _) => (without_keys_ms, VerdictExpiry::Fixed),
            // The token itself ends first, and a new verdict would end with it.
            _ if clock::after(now, ttl) > expires_at => (limit_ms(ttl), VerdictExpiry::Fixed),
            _ => (
                limit_ms(ttl),
                VerdictExpiry::RefreshAhead(refresh_margin_ms(ttl, elapsed)),
            ),
        };
        Self {
            outcome: Ok(verdict),
            expires_at_ms,
            expiry,
        }
    }

    /// Creates the entry of a token that was not accepted.
    pub(super) fn rejected(fault: VerifyFault, now: Timestamp, ttl: Duration) -> Self {
        let expires_at = match fault {
            VerifyFault::Rejected(_) => clock::after(now, ttl.min(REJECTION_TTL)),
            // Shared only with the requests that wait for this result: otherwise each would wait for a
            // time-out of its own, one after the other. Later requests ask again.
            VerifyFault::Unavailable(_) => now,
        };
        Self {
            outcome: Err(Arc::new(fault)),
            expires_at_ms: expires_at.as_millisecond(),
            expiry: VerdictExpiry::Fixed,
        }
    }

    /// Returns `true` if no layer was asked because the caller's budget is spent.
    pub(super) fn is_throttled(&self) -> bool {
        match &self.outcome {
            Err(fault) => matches!(fault.as_ref(), VerifyFault::Unavailable(cause) if cause.is_throttled()),
            Ok(_) => false,
        }
    }

    /// Returns `true` if the verdict is still valid. `ttl` is the cache time, and `keys`
    /// returns the current key set version.
    pub(super) fn is_current(
        &self,
        now: Timestamp,
        ttl: Duration,
        keys: impl FnOnce() -> Option<KeySetVersion>,
    ) -> bool {
        let remaining_ms = self.expires_at_ms - now.as_millisecond();
        let VerdictExpiry::WhileKeysValid {
            key_set_version,
            stale_margin_ms,
        } = self.expiry
        else {
            // More time left than it was given: the clock was set back since, so
            // the age of the verdict is unknown.
            return remaining_ms > 0 && remaining_ms <= self.max_lifetime_ms(ttl);
        };
        // `keys` is a closure, so that only local verdicts read the version.
        match keys() {
            Some(keys) if keys.number != key_set_version => false,
            Some(keys) if keys.fresh_until > now => remaining_ms > 0,
            _ => remaining_ms > i64::from(stale_margin_ms),
        }
    }

    /// Returns the longest time that a verdict can have left, in milliseconds.
    fn max_lifetime_ms(&self, ttl: Duration) -> i64 {
        let ttl = match self.outcome {
            Ok(_) => ttl,
            Err(_) => ttl.min(REJECTION_TTL),
        };
        let longest = ttl.saturating_add(READING_TO_LOOK.min(ttl));
        // One more, because both times are cut to whole milliseconds.
        i64::try_from(longest.as_millis()).map_or(i64::MAX, |millis| millis.saturating_add(1))
    }

    /// Returns `true` if a use of the token now must start a refresh.
    pub(super) fn is_refresh_due(&self, now: Timestamp) -> bool {
        match self.expiry {
            VerdictExpiry::RefreshAhead(margin_ms) => {
                self.expires_at_ms - now.as_millisecond() <= i64::from(margin_ms)
            }
            VerdictExpiry::Fixed | VerdictExpiry::Refreshing | VerdictExpiry::WhileKeysValid { .. } => false,
        }
    }

    /// Claims the refresh for the caller. Returns `false` if it is no longer due.
    pub(super) fn claim_refresh(&mut self, now: Timestamp, ttl: Duration) -> bool {
        let is_due = self.is_current(now, ttl, || None) && self.is_refresh_due(now);
        if is_due {
            self.expiry = VerdictExpiry::Refreshing;
        }
        is_due
    }

    /// Returns `true` if the refresh is claimed and the verdict is still valid.
    pub(super) fn is_refreshing(&self, now: Timestamp, ttl: Duration) -> bool {
        self.expiry == VerdictExpiry::Refreshing && self.is_current(now, ttl, || None)
    }
}

/// Returns the time before the expiry at which a refresh starts, in milliseconds.
///
/// Twice the time that the layers took, so that the new verdict is there in time. At least a quarter of
/// the cache time, at most half of it.
fn refresh_margin_ms(ttl: Duration, elapsed: Duration) -> u32 {
    let margin = (elapsed * 2).clamp(ttl / 4, ttl / 2);
    u32::try_from(margin.as_millis()).unwrap_or(u32::MAX)
}

/// Weighs a cache entry by the memory that it takes.
#[derive(Clone)]
pub(super) struct VerdictWeighter;

impl Weighter<CacheKey, CachedVerdict> for VerdictWeighter {
    fn weight(&self, key: &CacheKey, cached: &CachedVerdict) -> u64 {
        let outcome_bytes = match &cached.outcome {
            Ok(verdict) => verdict.memory_bytes(),
            Err(_) => size_of::<VerifyFault>(),
        };
        // Widens: `usize` is at most 64 bits.
        (key.memory_bytes() + outcome_bytes + ENTRY_OVERHEAD_BYTES) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::layer::TokenRejection;

    #[test]
    fn an_entry_of_the_cache_takes_no_more_than_is_counted() {
        assert!(size_of::<(CacheKey, CachedVerdict)>() <= 64);
    }

    #[test]
    fn a_request_that_read_the_clock_before_the_verdict_was_made_finds_it() {
        let (now, keep) = (Timestamp::UNIX_EPOCH, Duration::from_secs(30));
        let fault = || VerifyFault::Rejected(TokenRejection::Malformed);
        let cached = CachedVerdict::rejected(fault(), now, keep);
        let is_current = |read_before| {
            let read_at = clock::before(now, Duration::from_millis(read_before));
            cached.is_current(read_at, keep, || None)
        };
        assert!(is_current(0) && is_current(999));
        // By more than that the clock was set back, and the age of the verdict is unknown.
        assert!(!is_current(1_500));
        let uncached = CachedVerdict::rejected(fault(), now, Duration::ZERO);
        assert!(!uncached.is_current(
            clock::before(now, Duration::from_millis(2)),
            Duration::ZERO,
            || None
        ));
    }

    #[test]
    fn it_begins_early_enough_for_a_slow_layer_and_never_before_half_the_time() {
        let keep = Duration::from_secs(8);
        for (took, millis) in [
            (0, 2_000),
            (999, 2_000),
            (1_500, 3_000),
            (2_001, 4_000),
            (60_000, 4_000),
        ] {
            assert_eq!(
                refresh_margin_ms(keep, Duration::from_millis(took)),
                millis,
                "{took}"
            );
        }
        assert_eq!(refresh_margin_ms(Duration::ZERO, Duration::from_secs(1)), 0);
    }
}
