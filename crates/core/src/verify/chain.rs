//! Verification chain: the order of the layers, the result of their verdicts, and the verdict cache.

mod ask_layers;
mod authentic_info;
mod fast_path;
mod issued_id_token;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use quick_cache::sync::{Cache, EntryAction, EntryResult};
use tokio::time::Instant;

pub use issued_id_token::{IdTokenProof, IssuedJwtFault, PersonFault};

use super::budget::{UnlimitedBudget, UpstreamBudget};
use super::cache_key::{CacheKey, CacheKeyRef};
use super::cached_verdict::{CachedVerdict, VerdictWeighter};
use super::fault::VerifyFault;
use super::issuers::DefaultIssuers;
use super::jwt::JwtCheck;
use super::key_provider::KeySetVersion;
use super::layer::TokenVerifier;
use super::parsed_token::ParsedToken;
use super::refresh_ahead::{DueRefreshes, RefreshAhead};
use crate::credential::PresentedToken;
use crate::events::RefreshAheadOutcome;
use crate::identity::{ClaimPaths, Issuer, VerificationSource};
use crate::issued_tokens::IssuedTokens;
use crate::verdict::{ClaimsInterner, CompactVerdict, CredentialInfo, CredentialRepr, Verified};

/// Limits of the verdict cache, and the time-out of a layer.
#[derive(Clone, Copy, Debug)]
pub struct ChainLimits {
    /// Maximum cache time of a verdict, which never exceeds the token's expiry (`VERIFY_CACHE_SECONDS`).
    pub verdict_ttl: Duration,
    /// Approximate memory of all cached verdicts, in bytes.
    pub cache_bytes: u64,
    /// Time-out of one remote layer (`UPSTREAM_TIMEOUT_SECONDS`). Each layer has its own, so that a silent
    /// layer does not use up the time of the next one.
    pub layer_timeout: Duration,
}

/// Minimum time-out of the local layer, which may have to fetch keys.
pub(super) const MIN_LOCAL_TIMEOUT: Duration = Duration::from_secs(1);

/// Verifies tokens by a list of layers.
///
/// * The first layer that accepts a token wins, unless an earlier layer has refuted the token.
/// * Otherwise, if any layer has rejected it, the token is rejected.
/// * Otherwise, if any layer could not decide, the result is [`VerifyFault::Unavailable`].
/// * Otherwise the token is rejected.
///
/// The layer `local_jwt` behind remote layers is a fallback for outages. It is asked only if none of them has
/// rejected the token. As the first layer it decides by itself.
pub struct VerifyChain {
    layers: Vec<Arc<dyn TokenVerifier>>,
    pub(super) jwt: Option<Arc<JwtCheck>>,
    pub(super) claim_paths: ClaimPaths,
    pub(super) issuer: Issuer,
    issuers: DefaultIssuers,
    limits: ChainLimits,
    cache: Cache<CacheKey, CachedVerdict, VerdictWeighter>,
    interner: ClaimsInterner,
    refresh_ahead: RefreshAhead,
    register: Option<Arc<dyn IssuedTokens>>,
}

impl std::fmt::Debug for VerifyChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let layers: Vec<_> = self.layers.iter().map(|layer| layer.source().as_str()).collect();
        f.debug_struct("VerifyChain")
            .field("layers", &layers)
            .finish_non_exhaustive()
    }
}

impl VerifyChain {
    /// Creates a chain of layers in this order. `jwt` is the signature check that rejects forgeries early.
    pub fn new(
        layers: Vec<Arc<dyn TokenVerifier>>,
        jwt: Option<Arc<JwtCheck>>,
        claim_paths: ClaimPaths,
        limits: ChainLimits,
    ) -> Self {
        // An estimate for the cache's tables: an entry takes about 2 KiB. The
        // weight is the limit that counts.
        let estimated_items = usize::try_from(limits.cache_bytes / 2_048)
            .unwrap_or(usize::MAX)
            .max(16);
        Self {
            layers,
            issuer: Issuer::DEFAULT,
            issuers: DefaultIssuers::new(jwt.clone()),
            jwt,
            claim_paths,
            limits,
            cache: Cache::with_weighter(estimated_items, limits.cache_bytes, VerdictWeighter),
            interner: ClaimsInterner::default(),
            refresh_ahead: RefreshAhead::default(),
            register: None,
        }
    }

    /// Adds the register of issued tokens, to reject its refresh tokens before
    /// a layer is asked (RFC 6749 §1.5).
    #[must_use]
    pub fn with_register(mut self, register: Arc<dyn IssuedTokens>) -> Self {
        self.register = Some(register);
        self
    }

    /// Sets the names of the authorization server that are used while no issuer is configured or discovered.
    #[must_use]
    pub fn with_server_names(self, names: Vec<String>) -> Self {
        Self {
            issuers: self.issuers.with_fallback(names),
            ..self
        }
    }

    /// Sets the issuer of every person and token that this chain accepts.
    #[must_use]
    pub fn with_issuer(self, issuer: Issuer) -> Self {
        Self { issuer, ..self }
    }

    /// Returns the issuer of every person and token that this chain accepts.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Returns the issuers of tokens that name none.
    pub fn issuers(&self) -> &DefaultIssuers {
        &self.issuers
    }

    /// Returns the cached verdict of this token, if there is one. The token is compared in full.
    pub fn lookup_cached(&self, token: &str, now: Timestamp) -> Option<Result<Verified, VerifyFault>> {
        let cached = self.current_entry(token, now)?;
        if cached.is_refresh_due(now) {
            self.enqueue_refresh(token, now);
        }
        Some(into_verified(cached.outcome))
    }

    /// Verifies a token. Concurrent calls for one token ask the layers once.
    ///
    /// # Errors
    /// Fails if the token is rejected, or if no layer could decide.
    pub async fn verify(&self, token: &PresentedToken, now: Timestamp) -> Result<Verified, VerifyFault> {
        match self.lookup_cached(token.expose(), now) {
            Some(verdict) => verdict,
            None => {
                self.verify_parsed(&ParsedToken::parse(token), now, &UnlimitedBudget)
                    .await
            }
        }
    }

    /// Verifies a parsed token. A request to the authorization server is charged to `budget`.
    ///
    /// # Errors
    /// Fails like [`verify`](Self::verify), or if the budget is spent.
    pub async fn verify_parsed(
        &self,
        parsed: &ParsedToken<'_>,
        now: Timestamp,
        budget: &dyn UpstreamBudget,
    ) -> Result<Verified, VerifyFault> {
        let token = parsed.token().expose();
        // An expired entry would otherwise be returned below instead of the guard.
        self.cache
            .remove_if(&CacheKeyRef(token), |cached| !self.is_current(cached, now));
        let text_key = CacheKey::Text(token.into());
        // The guard makes concurrent requests for this token wait for one result.
        let guard = match self.cache.get_value_or_guard_async(&text_key).await {
            Ok(cached) => return into_verified(cached.outcome),
            Err(guard) => guard,
        };
        let fetched = match self.refreshed_meanwhile(token, now).await {
            Some(fetched) => fetched,
            None => {
                self.fetch_verdict(parsed, self.register.as_deref(), budget, now)
                    .await
            }
        };
        // Not cached: the requests that wait for this result have budgets of their own. The guard is
        // dropped, and the next one of them asks.
        if fetched.is_throttled() {
            return into_verified(fetched.outcome);
        }
        if guard.insert(fetched.clone()).is_ok()
            && let Ok(verdict) = &fetched.outcome
        {
            // The verdict contains the token. With it as the key, the text is stored only once.
            let key = CacheKey::InVerdict(Arc::clone(verdict));
            // An error means that the entry was evicted meanwhile, which is fine.
            let _ = self.cache.replace(key, fetched.clone(), true);
        }
        into_verified(fetched.outcome)
    }

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
        let fetched = self
            .fetch_verdict(&ParsedToken::parse(token), None, &UnlimitedBudget, now)
            .await;
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
        }
        // After the insertion: a request that finds no refresh in progress then finds the new verdict.
        in_flight.finish(fetched);
        outcome
    }

    /// Returns the cached verdict of a token, if it is still valid.
    fn current_entry(&self, token: &str, now: Timestamp) -> Option<CachedVerdict> {
        self.cache
            .get(&CacheKeyRef(token))
            .filter(|cached| self.is_current(cached, now))
    }

    /// Returns `true` if a cached verdict is still valid.
    fn is_current(&self, cached: &CachedVerdict, now: Timestamp) -> bool {
        cached.is_current(now, self.limits.verdict_ttl, || self.key_set_version())
    }

    /// Returns the version of the keys that signatures are checked with now, if known.
    fn key_set_version(&self) -> Option<KeySetVersion> {
        self.jwt.as_ref()?.key_set_version()
    }

    /// Puts a token whose verdict expires soon into the queue, once.
    // Cold: most lookups are not near an expiry, and this must not be inlined into them.
    #[cold]
    fn enqueue_refresh(&self, token: &str, now: Timestamp) {
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
    async fn refreshed_meanwhile(&self, token: &str, now: Timestamp) -> Option<CachedVerdict> {
        if let Some(refreshed) = self.refresh_ahead.wait_for(token).await {
            return Some(refreshed);
        }
        self.cache
            .peek(&CacheKeyRef(token))
            .filter(|cached| self.is_current(cached, now))
    }

    /// Asks the layers, and turns their result into a cache entry.
    #[tracing::instrument(level = "debug", skip_all)]
    async fn fetch_verdict(
        &self,
        parsed: &ParsedToken<'_>,
        register: Option<&dyn IssuedTokens>,
        budget: &dyn UpstreamBudget,
        now: Timestamp,
    ) -> CachedVerdict {
        let (started_at, ttl) = (Instant::now(), self.limits.verdict_ttl);
        // Read before the check: if the keys change meanwhile, the verdict belongs to
        // the older set and expires with it.
        let key_set_version = self.key_set_version().map(|keys| keys.number);
        match self.ask_layers(parsed, register, budget, now).await {
            Ok(info) => {
                let verdict = self.compact_verdict(parsed.token(), &info);
                CachedVerdict::accepted(verdict, now, ttl, started_at.elapsed(), key_set_version)
            }
            Err(fault) => CachedVerdict::rejected(fault, now, ttl),
        }
    }

    /// Packs the info of a token for the cache.
    fn compact_verdict(&self, token: &PresentedToken, info: &CredentialInfo) -> Arc<CompactVerdict> {
        Arc::new(CompactVerdict::new(token.expose(), info, &self.interner))
    }
}

/// Converts a cached outcome into a result.
fn into_verified(outcome: Result<Arc<CompactVerdict>, Arc<VerifyFault>>) -> Result<Verified, VerifyFault> {
    match outcome {
        Ok(verdict) => Ok(Verified::new(CredentialRepr::Compact(verdict))),
        Err(fault) => Err(Arc::unwrap_or_clone(fault)),
    }
}

#[cfg(test)]
mod tests;
