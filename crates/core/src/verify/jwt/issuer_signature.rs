//! Signature check of a token that the issuer sends by itself and that is no access token, such as a logout token.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use maxlab_auth_jose::{Algorithm, AuthenticClaims, CompactJws, KeySet, SignatureFault};

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
        if is_from_other_issuer(jws, self.issuer(now).as_deref()) {
            return Err(IssuerSignatureFault::Refused);
        }
        let found = self.keys_of_issuer(jws, now).await;
        let (keys, allowed) = found
            .map_err(IssuerSignatureFault::Unavailable)?
            .ok_or(IssuerSignatureFault::Refused)?;
        let kid = jws.header().kid();
        match jws.verify(&keys, allowed) {
            Ok(claims) => Ok(claims),
            Err(SignatureFault::UnknownKey) if self.key_may_be_new(kid, now) => {
                let wait = "the key of the token is unknown, and the keys cannot be fetched yet";
                Err(IssuerSignatureFault::Unavailable(Unavailable::upstream(wait)))
            }
            Err(_) => Err(IssuerSignatureFault::Refused),
        }
    }

    /// Returns the keys that may have signed a token of the issuer, with the algorithms that are configured for them.
    /// `None` if there are none for the token's algorithm. Fetches the keys only for an allowed algorithm.
    ///
    /// # Errors
    /// Fails if no usable keys are known, and their source does not answer.
    pub(in crate::verify) async fn keys_of_issuer(
        &self,
        jws: &CompactJws<'_>,
        now: Timestamp,
    ) -> Result<Option<(Arc<KeySet>, &[Algorithm])>, Unavailable> {
        let Some(algorithm) = jws.header().algorithm() else {
            return Ok(None);
        };
        let allowed = self.allowed_for(algorithm);
        if !allowed.contains(&algorithm) {
            return Ok(None);
        }
        let keys = match &self.published_keys {
            _ if algorithm.is_symmetric() => self.cached_keys(algorithm, |_| None),
            None => None,
            Some(source) => source.keys_for(jws.header().kid(), now).await?,
        };
        Ok(keys.map(|keys| (keys, allowed)))
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
