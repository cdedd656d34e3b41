//! Signature check with the cached keys: every proof that does not depend on the token's times.

use jiff::Timestamp;
use maxlab_auth_jose::{Algorithm, AuthenticClaims, CompactJws, SignatureFault};

use super::{JwtCheck, is_from_other_issuer, names_no_key};

/// Result of a signature check with the cached keys.
pub(in crate::verify) enum SignatureFinding {
    Authentic(AuthenticClaims),
    Forged,
    KeyUnknown { is_missing: bool },
    Undecided,
}

impl JwtCheck {
    /// Checks a signature with the cached keys. Every proof that does not depend on the token's times is made
    /// here.
    pub(in crate::verify) fn signature_finding(
        &self,
        jws: &CompactJws<'_>,
        now: Timestamp,
    ) -> SignatureFinding {
        let Some(algorithm) = jws.header().algorithm() else {
            return SignatureFinding::Forged;
        };
        let issuer = self.issuer(now);
        let is_foreign = is_from_other_issuer(jws, issuer.as_deref());
        // A shared secret is configured and does not change; other issuers' keys are never fetched.
        let key_may_come = !is_foreign && !algorithm.is_symmetric() && self.published_keys.is_some();
        let without_key = |is_missing| {
            if key_may_come {
                SignatureFinding::KeyUnknown { is_missing }
            } else {
                SignatureFinding::Undecided
            }
        };
        let Some(keys) = self.cached_keys(algorithm, |published| published.cached(now)) else {
            return without_key(false);
        };
        match jws.verify(&keys, self.allowed_for(algorithm)) {
            Ok(claims) => SignatureFinding::Authentic(claims),
            Err(SignatureFault::UnknownKey) => {
                let kid = jws.header().kid();
                without_key(kid.is_some() && !keys.lacks_usable_key(kid))
            }
            // A key of another issuer may share a name with one of ours.
            Err(_) if is_foreign || names_no_key(jws) => without_key(false),
            Err(_) => SignatureFinding::Forged,
        }
    }

    /// Returns `true` if authentic claims are those of an access token for this
    /// service. Its times do not matter.
    pub(in crate::verify) fn is_our_access_token(&self, claims: &AuthenticClaims, now: Timestamp) -> bool {
        self.claims_policy
            .check_token_kind(self.issuer(now).as_deref(), claims)
            .is_ok()
    }

    /// Returns the algorithms that are allowed for a token. None if its own is not supported.
    pub(in crate::verify) fn allowed_for_header(&self, jws: &CompactJws<'_>) -> &[Algorithm] {
        let algorithm = jws.header().algorithm();
        algorithm.map_or(&[], |algorithm| self.allowed_for(algorithm))
    }

    /// Returns the algorithms that are allowed for a token that names this one. Symmetric and asymmetric
    /// are never mixed (RFC 8725 §2.1).
    pub(in crate::verify) fn allowed_for(&self, algorithm: Algorithm) -> &[Algorithm] {
        match &self.shared_secret {
            Some((secret_algorithm, _)) if algorithm.is_symmetric() => std::slice::from_ref(secret_algorithm),
            _ => &self.allowed_algorithms,
        }
    }
}
