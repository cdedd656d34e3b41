//! Unproven tokens: refused although nothing proves them, in a bounded set and
//! for a limited time (decision 10).

mod settle;

use std::time::Duration;

use jiff::Timestamp;

use super::Engine;
use super::revoke::{RevokeRequest, RevokeTokenFault};
use crate::clock;
use crate::credential::PresentedToken;
use crate::events::GatewayEvent;
use crate::outbox::RevocationRequest;
use crate::revocation::{PlaceReservation, Revocation, RevocationReason, UnprovenToken};
use crate::seal::SealedValue;
use crate::unavailable::Unavailable;
use crate::verdict::{RevocationKey, TokenKey};
use maxlab_auth_jose::shape_of;

/// Lifetime of the journal line of a token about which the authorization server has not answered yet.
///
/// The line is renewed after half of it. So the token is refused until there is an answer, and at most this
/// long if the answer is that the token is unknown: no journal line can be shortened.
const UNANSWERED_LIFETIME: Duration = Duration::from_secs(6 * 60 * 60);
/// Share of the limit (one in this many) that is reserved for authenticated clients, so
/// that strangers cannot lock them out.
const RESERVED_SHARE: u32 = 4;
/// Maximum number of journal lines that are renewed in one transaction.
const RENEWAL_PAGE_SIZE: u32 = 500;

/// Limits of the set of unproven tokens.
#[derive(Clone, Copy, Debug)]
pub struct UnprovenPolicy {
    /// Time for which a token is refused that the authorization server does not
    /// know (`REVOKE_UNPROVEN_SECONDS`).
    pub refused_for: Duration,
    /// Number of places in the set (`REVOKE_UNPROVEN_MAX`).
    pub max_tokens: u32,
}

impl Engine {
    /// Refuses a token that nothing proves, for a short time.
    ///
    /// No audit event and no message to the authorization server: until the token is proven
    /// they would be a stranger's text.
    pub(super) async fn refuse_unknown(
        &self,
        token: &PresentedToken,
        key: TokenKey,
        provable_later: bool,
        request: RevokeRequest<'_>,
        now: Timestamp,
    ) -> Result<(), RevokeTokenFault> {
        let until = clock::after(now, self.deps.unproven_policy.refused_for);
        // Only a token that may be proven later is kept, to ask about it again. Otherwise its key is enough.
        let sealed = if provable_later {
            Some(self.seal_request(token, &request, now)?)
        } else {
            None
        };
        self.refuse_unproven(token, key, sealed, [until, until], &request, now)
            .await
    }

    /// Refuses an opaque token about which the authorization server does not answer, until it answers.
    pub(super) async fn refuse_until_answered(
        &self,
        token: &PresentedToken,
        request: RevokeRequest<'_>,
        now: Timestamp,
    ) -> Result<(), RevokeTokenFault> {
        let keep_until = self.deps.revocations.keep_until(None, now);
        // A short line that is renewed: a long one could not be dropped when
        // the token turns out to be unknown.
        let until = clock::after(now, UNANSWERED_LIFETIME).min(keep_until);
        let sealed = Some(self.seal_request(token, &request, now)?);
        let key = TokenKey::from_presented(token);
        self.refuse_unproven(token, key, sealed, [until, keep_until], &request, now)
            .await
    }

    /// Reserves a place for the token and records its journal line. The array holds the line's expiry, and
    /// the time until which the line may be renewed.
    async fn refuse_unproven(
        &self,
        token: &PresentedToken,
        key: TokenKey,
        sealed: Option<SealedValue>,
        [expires_at, keep_until]: [Timestamp; 2],
        request: &RevokeRequest<'_>,
        now: Timestamp,
    ) -> Result<(), RevokeTokenFault> {
        let max_tokens = self.deps.unproven_policy.max_tokens;
        let limit = if request.client_is_proven {
            // At least one, also for a very small limit.
            max_tokens.saturating_add((max_tokens / RESERVED_SHARE).max(1))
        } else {
            max_tokens
        };
        let unproven = UnprovenToken {
            key,
            places: UnprovenToken::places_of(token.expose(), sealed.is_some()),
            sealed,
            ip_address: request.origin.ip_address.clone(),
            recorded_at: now,
            expires_at,
            keep_until,
            attempts: 0,
        };
        // The place comes before the line: every line has a place, and a place
        // without a line expires by itself.
        let reservation = self.deps.unproven_tokens.reserve(&unproven, limit, now).await?;
        let expires_at = match reservation {
            PlaceReservation::Reserved => expires_at,
            // A repeat does not extend the refusal: otherwise anyone could refuse a string for ever.
            PlaceReservation::AlreadyReserved(until) => until,
            PlaceReservation::Full => {
                self.report(GatewayEvent::UnprovenLimitReached);
                return Err(RevokeTokenFault::TooManyUnproven);
            }
        };
        let revocation = unproven_revocation(unproven.key, expires_at, now);
        let reason = revocation.reason;
        self.deps.revocations.revoke(vec![revocation], &[], now).await?;
        if matches!(reservation, PlaceReservation::Reserved) {
            self.report(GatewayEvent::Revoked { reason });
        }
        Ok(())
    }

    /// Seals the text of the token with its request, to ask about it again later.
    fn seal_request(
        &self,
        token: &PresentedToken,
        request: &RevokeRequest<'_>,
        now: Timestamp,
    ) -> Result<SealedValue, Unavailable> {
        let revocation_request = RevocationRequest {
            issuer: self.deps.chain.issuer_of(&shape_of(token.expose())),
            token: token.expose().to_owned(),
            hint: request.token_use().as_str().to_owned(),
            client: request.client.clone(),
        };
        revocation_request.seal(&self.deps.sealing_keys, now)
    }

    /// Renews the journal lines of unanswered tokens that expire soon, or that
    /// expired while no instance was running.
    ///
    /// Must run before an instance accepts requests.
    ///
    /// # Errors
    /// Fails if database or journal do not answer.
    #[tracing::instrument(skip_all)]
    pub async fn renew_unanswered(&self) -> Result<(), Unavailable> {
        let now = self.now();
        let half_life = clock::after(now, UNANSWERED_LIFETIME / 2);
        let mut last: Option<TokenKey> = None;
        loop {
            let set = &self.deps.unproven_tokens;
            let due = set
                .due_for_line_renewal(last.as_ref(), half_life, now, RENEWAL_PAGE_SIZE)
                .await?;
            let renewed_line = |unproven: &UnprovenToken| {
                let renewed = clock::after(now, UNANSWERED_LIFETIME).min(unproven.keep_until);
                unproven_revocation(unproven.key.clone(), renewed, now)
            };
            let lines: Vec<_> = due.iter().map(renewed_line).collect();
            // The next page begins after the last key of this one, since renewed rows leave the result set.
            let Some(unproven) = due.into_iter().next_back() else {
                return Ok(());
            };
            last = Some(unproven.key);
            let renewal = self.deps.revocations.revoke(lines, &[], now).await;
            renewal.map_err(|fault| fault.into_unavailable())?;
        }
    }
}

/// Returns the journal line of an unproven token. It names no user, because none is proven.
fn unproven_revocation(key: TokenKey, expires_at: Timestamp, now: Timestamp) -> Revocation {
    Revocation {
        key: RevocationKey::Token(key),
        cutoff: None,
        reason: RevocationReason::Revoked,
        revoked_at: now,
        expires_at,
        token_expires_at: None,
        subject: None,
    }
}
