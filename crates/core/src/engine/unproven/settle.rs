//! Settling unproven tokens: a background task asks again what they are.

use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;

use super::{UNANSWERED_LIFETIME, unproven_revocation};
use crate::audit::AuditOrigin;
use crate::clock;
use crate::credential::PresentedToken;
use crate::engine::Engine;
use crate::engine::evidence::TokenEvidence;
use crate::engine::revoke::{RevokeRequest, RevokeTokenFault};
use crate::events::GatewayEvent;
use crate::events::SettleSummary;
use crate::outbox::{RevocationRequest, next_attempt_at};
use crate::revocation::{Revocation, UnprovenToken};
use crate::unavailable::Unavailable;
use crate::verdict::TokenKey;

/// Maximum number of tokens that are settled at the same time.
const SETTLE_BATCH: u32 = 8;
/// Number of times that the pause doubles while only a key is missing. Few, because
/// such an attempt needs no request.
const MAX_KEY_WAIT_DOUBLINGS: u32 = 6;
/// Time between the last check for that key and the end of the journal line.
const LAST_CHECK_BEFORE_EXPIRY: Duration = Duration::from_secs(10);
/// Number of attempts after which a token that no key opens is given up. With
/// the growing pauses, about an hour.
const MAX_UNSEAL_ATTEMPTS: u32 = 20;
/// Time for which a token that is being settled is reserved for this instance.
const SETTLE_LEASE: Duration = Duration::from_secs(120);

impl SettleSummary {
    /// Returns `true` if more tokens may be due now, and the authorization server answers.
    pub fn may_have_more(&self) -> bool {
        // A full batch means that there may be more. The cast is lossless: `SETTLE_BATCH` is 8.
        self.unanswered == 0 && self.proven + self.unknown + self.waiting >= SETTLE_BATCH as usize
    }
}

/// Outcome for one token; see [`SettleSummary`].
enum SettleOutcome {
    Proven,
    Unknown,
    Waiting,
    Unanswered,
}

impl Engine {
    /// Settles the unproven tokens that are due, up to one batch.
    ///
    /// A token that is proven now is revoked like any other. An unknown token is refused until its journal
    /// line expires. An unanswered token stays refused.
    ///
    /// # Errors
    /// Fails if database or journal do not answer. The other tokens are settled in a later round.
    #[tracing::instrument(skip_all)]
    pub async fn settle_unproven(&self) -> Result<SettleSummary, Unavailable> {
        let due = self
            .deps
            .unproven_tokens
            .take_due(self.now(), SETTLE_LEASE, SETTLE_BATCH)
            .await?;
        let mut tasks = JoinSet::new();
        for unproven in due {
            // Separate tasks, so that one token whose layers hang does not delay the others.
            let engine = self.clone();
            tasks.spawn(async move { engine.settle_token(unproven).await });
        }
        let mut summary = SettleSummary::default();
        let mut failure = None;
        while let Some(outcome) = tasks.join_next().await {
            match outcome {
                Ok(Ok(SettleOutcome::Proven)) => summary.proven += 1,
                Ok(Ok(SettleOutcome::Unknown)) => summary.unknown += 1,
                Ok(Ok(SettleOutcome::Waiting)) => summary.waiting += 1,
                Ok(Ok(SettleOutcome::Unanswered)) => summary.unanswered += 1,
                // The rest of the batch is still collected: its places must not
                // stay reserved until the lease ends.
                Ok(Err(fault)) => failure = Some(fault),
                // The panic hook has logged its place. Its text may quote a secret, and is not logged.
                Err(_) => tracing::error!("unproven token not settled, its task panicked"),
            }
        }
        if failure.is_none() {
            self.report(GatewayEvent::UnprovenSettled(&summary));
        }
        failure.map_or(Ok(summary), Err)
    }

    /// Counts the places that unproven tokens take, and reports their number.
    ///
    /// # Errors
    /// Fails if the database does not answer.
    pub async fn count_unproven_places(&self) -> Result<u64, Unavailable> {
        let places = self.deps.unproven_tokens.places_taken(self.now()).await?;
        self.report(GatewayEvent::UnprovenPlaces(places));
        Ok(places)
    }

    /// Settles one token.
    #[tracing::instrument(level = "debug", skip_all, fields(attempts = unproven.attempts))]
    async fn settle_token(&self, unproven: UnprovenToken) -> Result<SettleOutcome, Unavailable> {
        let now = self.now();
        let Some((request, token)) = self.open_request(&unproven, now) else {
            return self.settle_unopened(unproven, now).await;
        };
        match self.evidence_for_settling(&token, now).await {
            Ok(TokenEvidence::Proven(revocations)) => {
                self.settle_proven(&unproven, &token, request, revocations, now)
                    .await
            }
            Ok(
                TokenEvidence::NothingToRevoke
                | TokenEvidence::Unknown {
                    provable_later: false,
                    ..
                },
            ) => self.settle_unknown(&unproven.key).await,
            // Its time in the set is over: no further attempt.
            _ if unproven.keep_until <= now => self.settle_unknown(&unproven.key).await,
            Ok(TokenEvidence::Unknown { .. }) => {
                self.schedule_retry(unproven, now).await?;
                Ok(SettleOutcome::Waiting)
            }
            // An error is no answer either: the layers of a signed token are down, so it is checked again.
            Ok(TokenEvidence::Unanswered) | Err(_) => {
                self.schedule_retry(unproven, now).await?;
                Ok(SettleOutcome::Unanswered)
            }
        }
    }

    /// Opens the sealed request of an unproven token. `None` if no key of this instance opens it.
    fn open_request(
        &self,
        unproven: &UnprovenToken,
        now: Timestamp,
    ) -> Option<(RevocationRequest, PresentedToken)> {
        // A place ends before twice the retention, even if the clocks of two instances differ.
        let max_age = self.deps.revocations.policy().retention * 2;
        let sealed = unproven.sealed.as_ref()?;
        let request = RevocationRequest::open(sealed, &self.deps.sealing_keys, max_age, now)?;
        let token = PresentedToken::parse_parameter(&request.token).ok()?;
        Some((request, token))
    }

    /// Retries a token that could not be opened, and gives it up after [`MAX_UNSEAL_ATTEMPTS`].
    async fn settle_unopened(
        &self,
        unproven: UnprovenToken,
        now: Timestamp,
    ) -> Result<SettleOutcome, Unavailable> {
        // An instance with other keys may open it, or this one after a restart.
        if unproven.attempts < MAX_UNSEAL_ATTEMPTS && unproven.keep_until > now {
            self.schedule_retry(unproven, now).await?;
            return Ok(SettleOutcome::Waiting);
        }
        tracing::error!("unproven token given up, no key opens it");
        self.settle_unknown(&unproven.key).await
    }

    /// Revokes a token that is proven now, and frees its place.
    async fn settle_proven(
        &self,
        unproven: &UnprovenToken,
        token: &PresentedToken,
        request: RevocationRequest,
        revocations: Vec<Revocation>,
        now: Timestamp,
    ) -> Result<SettleOutcome, Unavailable> {
        let origin = AuditOrigin {
            ip_address: unproven.ip_address.clone(),
            ..AuditOrigin::default()
        };
        let request = RevokeRequest {
            hint: Some(&request.hint),
            client: request.client,
            client_is_proven: false,
            origin: &origin,
        };
        // The place is freed last: after a failure of the revocation the token is asked about again. Not
        // reported as a revocation: that was done when the token got its place.
        self.revoke_proven(token, revocations, request, now)
            .await
            .map_err(into_unavailable)?;
        self.deps.unproven_tokens.settle_proven(&unproven.key).await?;
        Ok(SettleOutcome::Proven)
    }

    /// Stops asking about a token. It stays refused until its journal line expires.
    async fn settle_unknown(&self, key: &TokenKey) -> Result<SettleOutcome, Unavailable> {
        self.deps.unproven_tokens.settle_unknown(key).await?;
        Ok(SettleOutcome::Unknown)
    }

    /// Sets the time of the next attempt, and renews the journal line if it ends before half its lifetime.
    async fn schedule_retry(&self, unproven: UnprovenToken, now: Timestamp) -> Result<(), Unavailable> {
        let renewed_until = clock::after(now, UNANSWERED_LIFETIME).min(unproven.keep_until);
        let half_life = clock::after(now, UNANSWERED_LIFETIME / 2);
        let mut expires_at = unproven.expires_at;
        // Only an unanswered token may be renewed. For others `keep_until` is the end of their line, which
        // `renewed_until` does not exceed.
        if expires_at < half_life && expires_at < renewed_until {
            let revocation = unproven_revocation(unproven.key.clone(), renewed_until, now);
            let renewal = self.deps.revocations.revoke(vec![revocation], &[], now).await;
            renewal.map_err(|fault| fault.into_unavailable())?;
            expires_at = renewed_until;
        }
        let next = if unproven.expires_at < unproven.keep_until {
            next_attempt_at(now, unproven.attempts)
        } else {
            // Only a key is missing, and it may come at any time before the line ends.
            let last = clock::before(unproven.expires_at, LAST_CHECK_BEFORE_EXPIRY);
            let next = next_attempt_at(now, unproven.attempts.min(MAX_KEY_WAIT_DOUBLINGS));
            // One check shortly before the end, however long the pause has become.
            if now < last { next.min(last) } else { next }
        };
        let set = &self.deps.unproven_tokens;
        set.retry_at(&unproven.key, next, expires_at).await
    }
}

/// Converts the fault of a background revocation, which has no client to answer.
fn into_unavailable(fault: RevokeTokenFault) -> Unavailable {
    match fault {
        RevokeTokenFault::Termination(fault) => fault.into_unavailable(),
        RevokeTokenFault::TooManyUnproven => {
            Unavailable::database("no place is left for an unproven token (REVOKE_UNPROVEN_MAX)")
        }
    }
}
