//! Signature check of a token that the issuer sends by itself and that is no access token, such as a logout token.

use std::borrow::Cow;

use jiff::Timestamp;
use maxlab_auth_jose::{AuthenticClaims, CompactJws, SignatureFault};

use super::{JwtCheck, is_from_other_issuer};
use crate::unavailable::Unavailable;

/// Reason for which a signature is not accepted.
#[derive(Clone, Debug)]
pub enum IssuerSignatureFault {
    /// Signature that no key of the issuer made with a configured algorithm.
    Refused,
    /// Keys that are needed and did not come.
    Unavailable(Unavailable),
}

impl JwtCheck {
    /// Verifies the signature of a token of any kind, with the keys and algorithms that are configured for the
    /// issuer. The caller checks the claims, `iss` too.
    ///
    /// Fetches the keys only for an allowed algorithm and the own issuer, and no more often than the key set
    /// allows.
    ///
    /// # Errors
    /// Fails if the signature is not the issuer's, or if its keys are unknown and do not come.
    pub async fn verify_issuer_signature(
        &self,
        jws: &CompactJws<'_>,
        now: Timestamp,
    ) -> Result<AuthenticClaims, IssuerSignatureFault> {
        let algorithm = jws.header().algorithm().ok_or(IssuerSignatureFault::Refused)?;
        let allowed = self.allowed_for(algorithm);
        if !allowed.contains(&algorithm) || is_from_other_issuer(jws, self.issuer(now).as_deref()) {
            return Err(IssuerSignatureFault::Refused);
        }
        let kid = jws.header().kid();
        let keys = match &self.published_keys {
            _ if algorithm.is_symmetric() => self.cached_keys(algorithm, |_| None),
            None => None,
            Some(source) => source
                .keys_for(kid, now)
                .await
                .map_err(IssuerSignatureFault::Unavailable)?,
        };
        let keys = keys.ok_or(IssuerSignatureFault::Refused)?;
        match jws.verify(&keys, allowed) {
            Ok(claims) => Ok(claims),
            Err(SignatureFault::UnknownKey) if self.key_may_be_new(kid, now) => {
                let wait = "the key of the token is unknown, and the keys cannot be fetched yet";
                Err(IssuerSignatureFault::Unavailable(Unavailable::upstream(wait)))
            }
            Err(_) => Err(IssuerSignatureFault::Refused),
        }
    }

    /// Returns the name of the issuer: the configured one, or the one that the key source names.
    pub fn issuer_name(&self, now: Timestamp) -> Option<String> {
        self.issuer(now).map(Cow::into_owned)
    }

    /// Returns `true` if the issuer may have published this key since the last fetch.
    fn key_may_be_new(&self, kid: Option<&str>, now: Timestamp) -> bool {
        match (kid, &self.published_keys) {
            (Some(kid), Some(source)) => !source.is_unpublished(kid, now),
            _ => false,
        }
    }
}
