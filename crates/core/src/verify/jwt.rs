//! Layer `local_jwt`, which checks signatures here, and the precheck that rejects
//! forged tokens before a layer is asked.

mod issuer_signature;
mod keyless;
mod signature_finding;
mod signed_answer;

pub use issuer_signature::IssuerSignatureFault;
pub(in crate::verify) use signature_finding::SignatureFinding;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::explain;
use super::key_provider::{KeySetProvider, KeySetVersion};
use super::layer::{LayerClaims, SignatureProof, TokenRejection, TokenVerifier, Verdict, VerifyInput};
use crate::clock;
use crate::identity::VerificationSource;
use crate::unavailable::Unavailable;
use maxlab_auth_jose::{
    Algorithm, AuthenticClaims, ClaimFault, ClaimsPolicy, CompactJws, KeySet, SignatureFault, TokenShape,
};

/// Result of the precheck, which makes no request.
#[derive(Debug)]
pub enum PrecheckResult {
    /// Token that is certainly not valid, by the cached keys.
    Rejected(TokenRejection),
    /// Token that is authentic and valid, by the cached keys.
    Proven(Box<SignatureProof>),
    /// Token about which nothing is proven.
    Undecided,
}

/// Signature check: keys of each class, which are never mixed, and the rules for claims.
pub struct JwtCheck {
    /// Published keys of the issuer, for the asymmetric algorithms.
    pub published_keys: Option<Arc<dyn KeySetProvider>>,
    /// Shared secret with its only algorithm (`JWT_SECRET_KEY`).
    pub shared_secret: Option<(Algorithm, Arc<KeySet>)>,
    /// Asymmetric algorithms that are allowed.
    pub allowed_algorithms: Vec<Algorithm>,
    /// Rules for claims.
    pub claims_policy: ClaimsPolicy,
}

impl fmt::Debug for JwtCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtCheck")
            .field("allowed", &self.allowed_algorithms)
            .field("policy", &self.claims_policy)
            .finish_non_exhaustive()
    }
}

impl JwtCheck {
    /// Returns the version of the keys that signatures are checked with now.
    ///
    /// `None` if something else than the keys may change the result.
    pub(super) fn key_set_version(&self) -> Option<KeySetVersion> {
        match &self.published_keys {
            // The issuer comes from the metadata of the key source, and may
            // become known or change at any time.
            Some(_) if self.claims_policy.issuer.is_none() => None,
            Some(source) => source.current_version(),
            // A shared secret does not change while the process runs.
            None => Some(KeySetVersion {
                number: 0,
                fresh_until: Timestamp::MAX,
            }),
        }
    }

    /// Checks a token with the cached keys. If nothing is proven, the result
    /// is [`PrecheckResult::Undecided`].
    pub fn precheck(self: &Arc<Self>, jws: &CompactJws<'_>, now: Timestamp) -> PrecheckResult {
        let Some(algorithm) = jws.header().algorithm() else {
            explain::note(|| explain::algorithm_step(jws, "is not supported"));
            return PrecheckResult::Rejected(TokenRejection::Signature);
        };
        let issuer = self.issuer(now);
        if self.is_algorithm_confusion(jws, algorithm, issuer.as_deref(), now) {
            explain::note(|| explain::algorithm_step(jws, "needs a secret, and kid names a published key"));
            return PrecheckResult::Rejected(TokenRejection::Signature);
        }
        let Some(keys) = self.cached_keys(algorithm, |published| published.cached(now)) else {
            return PrecheckResult::Undecided;
        };
        if self.lacks_issuer(algorithm, issuer.as_deref()) {
            return PrecheckResult::Undecided;
        }
        match self.check_token(jws, &keys, issuer.as_deref(), now) {
            Ok(claims) => PrecheckResult::Proven(Box::new(SignatureProof {
                check: Arc::clone(self) as _,
                issuer: issuer.map(Cow::into_owned),
                keys,
                claims,
            })),
            Err(CheckFault::NoMatchingKey | CheckFault::UndeclaredKind) => PrecheckResult::Undecided,
            // A key of another issuer may have the same name as one of ours. And a token that names no key
            // may be signed with a key that was published a moment ago.
            Err(CheckFault::Rejected(TokenRejection::Signature))
                if is_from_other_issuer(jws, issuer.as_deref()) || names_no_key(jws) =>
            {
                PrecheckResult::Undecided
            }
            Err(CheckFault::Rejected(rejection)) => PrecheckResult::Rejected(rejection),
        }
    }

    /// Returns the claims of a token whose signature a cached key proves, and a
    /// time at which the token is valid.
    ///
    /// The time may be in the past or in the future.
    pub(super) fn authentic_claims(
        &self,
        jws: &CompactJws<'_>,
        now: Timestamp,
    ) -> Option<(LayerClaims, Timestamp)> {
        let SignatureFinding::Authentic(claims) = self.signature_finding(jws, now) else {
            return None;
        };
        let issuer = self.issuer(now);
        if self.lacks_issuer(jws.header().algorithm()?, issuer.as_deref()) {
            return None;
        }
        let valid_from = claims.not_before().ok()?.max(claims.issued_at().ok()?);
        let expires_at = claims.expires_at().ok()?;
        // One second before the expiry, if nothing says when the token begins to be valid.
        let valid_at = valid_from.or_else(|| Some(clock::before(expires_at?, Duration::from_secs(1))))?;
        let times = self
            .claims_policy
            .check_with_issuer(issuer.as_deref(), &claims, valid_at)
            .ok()?;
        let layer_claims = LayerClaims {
            claims: claims.to_shared_map(),
            expires_at: Some(times.expires_at),
            key_id: claims.key_id().map(str::to_owned),
        };
        Some((layer_claims, valid_at))
    }

    /// Returns the claims of a proof, if fresh keys are cached and the proof still holds for them.
    fn try_accept<'p>(
        &self,
        jws: &CompactJws<'_>,
        proof: &'p SignatureProof,
        now: Timestamp,
    ) -> Option<&'p LayerClaims> {
        let header = jws.header();
        let fresh = self.cached_keys(header.algorithm()?, |published| {
            published.fresh(header.kid(), now)
        })?;
        proof
            .holds_for(self, &fresh, self.issuer(now).as_deref())
            .then(|| proof.claims())
    }

    /// Returns the keys for an algorithm: the shared secret, or the published keys that `of` selects.
    pub(super) fn cached_keys(
        &self,
        algorithm: Algorithm,
        of: impl FnOnce(&dyn KeySetProvider) -> Option<Arc<KeySet>>,
    ) -> Option<Arc<KeySet>> {
        if algorithm.is_symmetric() {
            return self.shared_secret.as_ref().map(|(_, keys)| Arc::clone(keys));
        }
        of(self.published_keys.as_deref()?)
    }

    /// Verifies a token with fresh keys. May fetch them.
    async fn verify(&self, jws: &CompactJws<'_>, proof: Option<&SignatureProof>, now: Timestamp) -> Verdict {
        let Some(algorithm) = jws.header().algorithm() else {
            return Verdict::Rejected(TokenRejection::Signature);
        };
        let keys = match (&self.shared_secret, &self.published_keys) {
            (Some((_, keys)), _) if algorithm.is_symmetric() => Arc::clone(keys),
            (_, None) => return Verdict::NotApplicable,
            (_, Some(source)) => match source.keys_for(jws.header().kid(), now).await {
                // Only after the fetch: the verdict depends on whether the issuer publishes keys.
                _ if algorithm.is_symmetric() => return self.verdict_without_secret(jws, now),
                Ok(Some(keys)) => keys,
                Ok(None) => return Verdict::NotApplicable,
                Err(fault) => return Verdict::Unavailable(fault),
            },
        };
        // The precheck has verified this signature with the same keys.
        if let Some(proof) = proof.filter(|proof| proof.holds_for(self, &keys, self.issuer(now).as_deref())) {
            return Verdict::Verified(Box::new(proof.claims.clone()));
        }
        let issuer = self.issuer(now);
        if self.lacks_issuer(algorithm, issuer.as_deref()) {
            return Verdict::Unavailable(Unavailable::upstream(
                "the issuer is unknown; set JWT_ISSUER if the authorization server publishes no metadata",
            ));
        }
        match self.check_token(jws, &keys, issuer.as_deref(), now) {
            Ok(claims) => Verdict::Verified(Box::new(claims)),
            // A token of another issuer is for other layers: no key of ours can prove it false.
            Err(_) if is_from_other_issuer(jws, issuer.as_deref()) => Verdict::NotApplicable,
            // Only the authorization server knows which kind it is. Without another layer the token is refused.
            Err(CheckFault::UndeclaredKind) => Verdict::NotApplicable,
            Err(CheckFault::NoMatchingKey) => self.verdict_without_key(jws, &keys, issuer.as_deref(), now),
            // Not refuted: it may be signed with a key that was published a moment ago.
            Err(CheckFault::Rejected(TokenRejection::Signature)) if names_no_key(jws) => {
                Verdict::Rejected(TokenRejection::Signature)
            }
            Err(CheckFault::Rejected(rejection)) => Verdict::Refuted(rejection),
        }
    }

    /// Checks signature and claims of a token.
    fn check_token(
        &self,
        jws: &CompactJws<'_>,
        keys: &KeySet,
        issuer: Option<&str>,
        now: Timestamp,
    ) -> Result<LayerClaims, CheckFault> {
        // The tests count signature checks: there must be one per token.
        #[cfg(test)]
        tests::CHECKS.with(|checks| checks.set(checks.get() + 1));
        let claims = self.signed_claims(jws, keys).map_err(|fault| {
            explain::note(|| explain::signature_step(fault, jws, keys, self.allowed_for_header(jws)));
            match fault {
                SignatureFault::UnknownKey => CheckFault::NoMatchingKey,
                _ => CheckFault::Rejected(TokenRejection::Signature),
            }
        })?;
        let times = self
            .claims_policy
            .check_with_issuer(issuer, &claims, now)
            .map_err(|fault| {
                explain::note(|| explain::claims_step(fault, &claims, &self.claims_policy, issuer, now));
                CheckFault::of_claims(fault)
            })?;
        Ok(LayerClaims {
            claims: claims.to_shared_map(),
            expires_at: Some(times.expires_at),
            key_id: claims.key_id().map(str::to_owned),
        })
    }

    /// Returns the claims of a token with a valid signature.
    fn signed_claims(&self, jws: &CompactJws<'_>, keys: &KeySet) -> Result<AuthenticClaims, SignatureFault> {
        jws.verify(keys, self.allowed_for_header(jws))
    }

    /// Returns the expected issuer: the configured one, or the one that the key source names.
    pub(super) fn issuer(&self, now: Timestamp) -> Option<Cow<'_, str>> {
        match &self.claims_policy.issuer {
            Some(issuer) => Some(Cow::Borrowed(issuer)),
            None => self.published_keys.as_ref()?.issuer(now).map(Cow::Owned),
        }
    }
}

/// Returns `true` if a token names another issuer than the expected one.
pub(super) fn is_from_other_issuer(jws: &CompactJws<'_>, own: Option<&str>) -> bool {
    match (own, jws.unverified_issuer()) {
        (Some(own), Some(named)) => own != named,
        _ => false,
    }
}

/// Returns `true` if an asymmetrically signed token names no key.
fn names_no_key(jws: &CompactJws<'_>) -> bool {
    jws.header().kid().is_none() && !jws.header().algorithm().is_some_and(Algorithm::is_symmetric)
}

/// Reason for which a check fails.
enum CheckFault {
    /// Token that no known key fits.
    NoMatchingKey,
    /// Authentic token that has the claims of an ID token, and declares no kind.
    UndeclaredKind,
    /// Token with a wrong signature or unacceptable claims.
    Rejected(TokenRejection),
}

impl CheckFault {
    fn of_claims(fault: ClaimFault) -> Self {
        Self::Rejected(match fault {
            ClaimFault::ResemblesIdToken => return Self::UndeclaredKind,
            ClaimFault::Expired | ClaimFault::TooOld => TokenRejection::Expired,
            ClaimFault::Malformed(_) => TokenRejection::Malformed,
            ClaimFault::WrongType => TokenRejection::NotAccessToken,
            ClaimFault::ForeignIssuer
            | ClaimFault::WrongAudience
            | ClaimFault::NotYetValid
            | ClaimFault::MissingExpiry => TokenRejection::Claims,
        })
    }
}

/// Layer `local_jwt`. It always checks the signature; there is no way to read claims without that.
#[derive(Debug)]
pub struct JwtVerifier {
    check: Arc<JwtCheck>,
}

impl JwtVerifier {
    /// Creates the layer.
    pub fn new(check: Arc<JwtCheck>) -> Self {
        Self { check }
    }
}

#[async_trait]
impl TokenVerifier for JwtVerifier {
    fn source(&self) -> VerificationSource {
        VerificationSource::LocalJwt
    }

    async fn verify(&self, input: &VerifyInput<'_>, now: Timestamp) -> Verdict {
        match input.parsed.shape() {
            TokenShape::Jws(jws) => self.check.verify(jws, input.proof, now).await,
            TokenShape::Opaque => Verdict::NotApplicable,
            TokenShape::Malformed(_) => Verdict::Rejected(TokenRejection::Malformed),
        }
    }

    fn try_accept<'a>(&self, input: &VerifyInput<'a>, now: Timestamp) -> Option<&'a LayerClaims> {
        match input.parsed.shape() {
            TokenShape::Jws(jws) => self.check.try_accept(jws, input.proof?, now),
            TokenShape::Opaque | TokenShape::Malformed(_) => None,
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
