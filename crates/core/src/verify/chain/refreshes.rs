//! Refreshes of cached verdicts, before they expire.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use quick_cache::sync::{EntryAction, EntryResult};

use super::{VerifyChain, into_verified};
use crate::credential::PresentedToken;
use crate::events::RefreshAheadOutcome;
use crate::identity::VerificationSource;
use crate::verdict::Verified;
use crate::verify::budget::UnlimitedBudget;
use crate::verify::cache_key::{CacheKey, CacheKeyRef};
use crate::verify::cached_verdict::CachedVerdict;
use crate::verify::fault::VerifyFault;
use crate::verify::parsed_token::ParsedToken;
use crate::verify::refresh_ahead::DueRefreshes;

impl VerifyChain {
    /// Returns the queue of tokens that are due for a refresh, for a task that
    /// calls [`refresh_verdict`](Self::refresh_verdict). Nothing is refreshed
    /// before. `None` from the second call on.
    pub fn due_refreshes(&self) -> Option<DueRefreshes> {
        self.refresh_ahead.take_receiver()
    }

    /// Returns the cached verdict of this token, if its refresh is claimed and still pending.
    pub fn awaiting_refresh(&self, token: &PresentedToken, now: Timestamp) -> Option<Verified> {
        // `peek` and not `get`: the background task's look is no use of the token.
        let cached = self.cache.peek(&CacheKeyRef(token.expose()))?;
        into_verified(cached.outcome.clone())
            .ok()
            .filter(|_| cached.is_refreshing(now, self.limits.verdict_ttl))
    }

    /// Asks the layers again about a token whose refresh is pending.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn refresh_verdict(&self, token: &PresentedToken, now: Timestamp) -> RefreshAheadOutcome {
        // Announced before the verdict is checked: a request that finds the verdict expired must find this
        // refresh, so that it does not ask the layers too.
        let Some(in_flight) = self.refresh_ahead.try_begin(token.expose()) else {
            return RefreshAheadOutcome::Skipped;
        };
        if self.awaiting_refresh(token, now).is_none() {
            return RefreshAheadOutcome::Skipped;
        }
        // Without the register, which was asked for the first verdict: an access token
        // does not become a refresh token.
        let generation = self.others.generation();
        let fetched = self
            .fetch_verdict(&ParsedToken::parse(token), None, &UnlimitedBudget, now)
            .await;
        // Other issuers are trusted now than when the layers were asked: the next request asks again.
        if generation != self.others.generation() {
            return RefreshAheadOutcome::Skipped;
        }
        let (key, outcome) = match &fetched.outcome {
            // Only the fallback for outages accepted. That must not replace a verdict of the remote layers.
            Ok(verdict) if verdict.source() == VerificationSource::LocalJwt => {
                (None, RefreshAheadOutcome::Unavailable)
            }
            Ok(verdict) => (
                Some(CacheKey::InVerdict(Arc::clone(verdict))),
                RefreshAheadOutcome::Verified,
            ),
            Err(fault) => match fault.as_ref() {
                VerifyFault::Rejected(_) => (
                    Some(CacheKey::Text(token.expose().into())),
                    RefreshAheadOutcome::Rejected,
                ),
                VerifyFault::Unavailable(_) => (None, RefreshAheadOutcome::Unavailable),
            },
        };
        if let Some(key) = key {
            self.cache.insert(key, fetched.clone());
            if self.forget_if_replaced(token.expose(), generation) {
                return RefreshAheadOutcome::Skipped;
            }
        }
        // After the insertion: a request that finds no refresh in progress then finds the new verdict.
        in_flight.finish(fetched);
        outcome
    }

    /// Puts a token whose verdict expires soon into the queue, once.
    // Cold: most lookups are not near an expiry, and this must not be inlined into them.
    #[cold]
    pub(super) fn enqueue_refresh(&self, token: &str, now: Timestamp) {
        let Some(permit) = self.refresh_ahead.try_reserve() else {
            return;
        };
        let Ok(token) = PresentedToken::parse(token) else {
            return;
        };
        // The claim is made in the cache's entry, under its lock, so that only one of many
        // concurrent uses queues the token.
        let key = CacheKey::Text(token.expose().into());
        let claim = self.cache.entry(&key, Some(Duration::ZERO), |_, cached| {
            EntryAction::Retain(cached.claim_refresh(now, self.limits.verdict_ttl))
        });
        if matches!(claim, EntryResult::Retained(true)) {
            permit.send(token);
        }
    }

    /// Returns the verdict of a refresh that is in progress, or that ended since the cache was read.
    pub(super) async fn refreshed_meanwhile(&self, token: &str, now: Timestamp) -> Option<CachedVerdict> {
        if let Some(refreshed) = self.refresh_ahead.wait_for(token).await {
            return Some(refreshed);
        }
        self.cache
            .peek(&CacheKeyRef(token))
            .filter(|cached| self.is_current(cached, now))
    }
}
