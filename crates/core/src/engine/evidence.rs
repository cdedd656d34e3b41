//! Evidence about a token that is to be revoked, and the time that finding it may take (decision 10).

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use super::Engine;
use crate::credential::PresentedToken;
use crate::revocation::{Revocation, RevocationReason};
use crate::unavailable::Unavailable;
use crate::verdict::{RevocationKey, TokenKey, Verified};
use crate::verify::{
    ParsedToken, SignedToken, TokenAuthenticity, TokenRejection, UnlimitedBudget, VerifyFault,
};
use maxlab_auth_jose::TokenShape;

/// Time for which a revocation waits for the layers if the bytes of the token suffice to record it.
const LAYER_TIMEOUT: Duration = Duration::from_secs(2);

/// Time limit of one background attempt to find out what an unproven token is.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(15);

/// Evidence about a token that is to be revoked.
pub(super) enum TokenEvidence {
    /// Authentic token, with the revocations that end it.
    Proven(Vec<Revocation>),
    /// Token that can never be accepted.
    NothingToRevoke,
    /// Token that neither the authorization server nor a key here knows.
    Unknown {
        /// Name under which it can be refused without refusing another token.
        key: TokenKey,
        /// `true` if a key that becomes known later may prove it.
        provable_later: bool,
    },
    /// Token about which the authorization server does not answer.
    Unanswered,
}

impl Engine {
    /// Returns the evidence that can be found while the client waits.
    ///
    /// # Errors
    /// Fails if nothing can be found out about a signed token. No name of it is safe to refuse then: by its
    /// signing input, a copy with another signature would revoke the good token; by its bytes, another
    /// spelling of the signature would still be accepted.
    #[tracing::instrument(level = "debug", skip_all)]
    pub(super) async fn evidence_for_revoking(
        &self,
        token: &PresentedToken,
        now: Timestamp,
    ) -> Result<TokenEvidence, Unavailable> {
        let parsed = ParsedToken::parse(token);
        if let Ok(evidence) = self.evidence_of_signature(&parsed, now).await {
            return Ok(evidence);
        }
        // No short time-out for a signed token: its bytes are not enough to record it (see the errors above).
        if !matches!(parsed.shape(), TokenShape::Opaque) {
            let verdict = self
                .deps
                .chain
                .verify_parsed(&parsed, now, &UnlimitedBudget)
                .await;
            return self.evidence_of_verdict(&parsed, verdict, now);
        }
        // The bytes of an opaque token suffice to record it, so the client does
        // not wait for a layer that hangs.
        self.evidence_of_layers(&parsed, LAYER_TIMEOUT, now).await
    }

    /// Returns the evidence that a background task can find, with more time.
    ///
    /// # Errors
    /// Fails if nothing can be found out about a signed token now.
    #[tracing::instrument(level = "debug", skip_all)]
    pub(super) async fn evidence_for_settling(
        &self,
        token: &PresentedToken,
        now: Timestamp,
    ) -> Result<TokenEvidence, Unavailable> {
        let parsed = ParsedToken::parse(token);
        match self.evidence_of_signature(&parsed, now).await {
            Ok(evidence) => Ok(evidence),
            // Only a key can prove it: the layers said no when the token was recorded.
            Err(TokenAuthenticity::KeyUnknown { is_missing }) => {
                Ok(evidence_of_unknown_key(&parsed, is_missing))
            }
            Err(_) => self.evidence_of_layers(&parsed, SETTLE_TIMEOUT, now).await,
        }
    }

    /// Returns the evidence of the signature.
    ///
    /// # Errors
    /// Returns what the check found if the signature decides nothing.
    async fn evidence_of_signature(
        &self,
        parsed: &ParsedToken<'_>,
        now: Timestamp,
    ) -> Result<TokenEvidence, TokenAuthenticity> {
        match self.deps.chain.authenticity(parsed, now).await {
            TokenAuthenticity::Signed(signed) => Ok(self.evidence_of_signed(&signed, now)),
            TokenAuthenticity::NeverValid => Ok(TokenEvidence::NothingToRevoke),
            undecided @ (TokenAuthenticity::KeyUnknown { .. } | TokenAuthenticity::Undecided { .. }) => {
                Err(undecided)
            }
        }
    }

    /// Asks the layers, for at most `limit`.
    async fn evidence_of_layers(
        &self,
        parsed: &ParsedToken<'_>,
        limit: Duration,
        now: Timestamp,
    ) -> Result<TokenEvidence, Unavailable> {
        match timeout(limit, self.deps.chain.verify(parsed.token(), now)).await {
            Ok(verdict) => self.evidence_of_verdict(parsed, verdict, now),
            Err(_) => Ok(TokenEvidence::Unanswered),
        }
    }

    /// Returns the evidence for a token whose signature is valid.
    fn evidence_of_signed(&self, signed: &SignedToken, now: Timestamp) -> TokenEvidence {
        let (gate, reason) = (&self.deps.revocations, RevocationReason::Revoked);
        let revocation = Revocation {
            subject: signed.subject.clone(),
            ..gate.revocation_by_name(signed.key.clone(), reason, signed.expires_at, now)
        };
        // Expired by more than the allowed skew: no instance accepts it, so there is nothing to record.
        if revocation.expires_at <= now {
            return TokenEvidence::NothingToRevoke;
        }
        TokenEvidence::Proven(vec![revocation])
    }

    /// Returns the evidence that follows from the answer of the verification layers.
    fn evidence_of_verdict(
        &self,
        parsed: &ParsedToken<'_>,
        verdict: Result<Verified, VerifyFault>,
        now: Timestamp,
    ) -> Result<TokenEvidence, Unavailable> {
        let is_opaque = matches!(parsed.shape(), TokenShape::Opaque);
        match verdict {
            Ok(verified) => Ok(TokenEvidence::Proven(self.revocations_of(
                &verified.into_info(),
                RevocationReason::Revoked,
                now,
            ))),
            // "Unprocessable" (400, 413, 414, 431) is an answer: the authorization server has no such token.
            Err(VerifyFault::Unavailable(fault)) if !fault.is_unprocessable() => {
                if is_opaque {
                    return Ok(TokenEvidence::Unanswered);
                }
                Err(fault)
            }
            Err(VerifyFault::Rejected(TokenRejection::Expired)) => Ok(TokenEvidence::NothingToRevoke),
            // A layer knows it as a token of another kind, for example a
            // refresh token: that can be revoked too.
            Err(VerifyFault::Rejected(TokenRejection::NotAccessToken)) => {
                let key = parsed.signing_input_key().unwrap_or(parsed.bytes_key());
                let (gate, reason) = (&self.deps.revocations, RevocationReason::Revoked);
                let revocation = gate.revocation_by_name(key.clone(), reason, None, now);
                Ok(TokenEvidence::Proven(vec![revocation]))
            }
            Err(VerifyFault::Rejected(_) | VerifyFault::Unavailable(_)) => {
                // The layers may have fetched the key meanwhile.
                match self.deps.chain.authenticity_from_cached_keys(parsed, now) {
                    TokenAuthenticity::Signed(signed) => Ok(self.evidence_of_signed(&signed, now)),
                    TokenAuthenticity::NeverValid => Ok(TokenEvidence::NothingToRevoke),
                    TokenAuthenticity::KeyUnknown { is_missing } => {
                        Ok(evidence_of_unknown_key(parsed, is_missing))
                    }
                    // The refusal may be due to its times. The same token may be
                    // accepted later, so this is no "unknown".
                    TokenAuthenticity::Undecided { not_yet_valid: true } => Err(Unavailable::upstream(
                        "the token is not valid yet and cannot be proven before that; retry when it is valid",
                    )),
                    TokenAuthenticity::Undecided { not_yet_valid: false } => Ok(TokenEvidence::Unknown {
                        key: token_key(parsed.bytes_key()),
                        provable_later: false,
                    }),
                }
            }
        }
    }
}

/// Returns the evidence for a token that a key may prove later.
fn evidence_of_unknown_key(parsed: &ParsedToken<'_>, is_missing: bool) -> TokenEvidence {
    // If the named key is missing from the known ones, no good token has this signing input. Otherwise it may
    // be copied from a good token, and only the bytes are the token's own.
    let key = parsed.signing_input_key().filter(|_| is_missing);
    TokenEvidence::Unknown {
        key: token_key(key.unwrap_or(parsed.bytes_key())),
        provable_later: true,
    }
}

/// Returns the token key in a revocation key.
fn token_key(key: &RevocationKey) -> TokenKey {
    match key {
        RevocationKey::Token(key) => key.clone(),
        // Cannot happen: a parsed token has token keys only. The name is the safe answer without a panic.
        RevocationKey::Session(_) | RevocationKey::Cutoff(_) => TokenKey::from_stored(key.name()),
    }
}
