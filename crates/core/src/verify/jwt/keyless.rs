//! Verdict on a token that no key here proves.

use jiff::Timestamp;

use super::{JwtCheck, is_from_other_issuer};
use crate::unavailable::Unavailable;
use crate::verify::layer::{TokenRejection, Verdict};
use maxlab_auth_jose::{Algorithm, CompactJws, KeySet};

impl JwtCheck {
    /// Returns the verdict on a token with a symmetric algorithm while no secret is configured.
    pub(super) fn verdict_without_secret(&self, jws: &CompactJws<'_>, now: Timestamp) -> Verdict {
        let issuer = self.issuer(now);
        let published = self.published_keys.as_ref().and_then(|source| source.cached(now));
        let names_published_key = jws
            .header()
            .kid()
            .is_some_and(|kid| published.as_ref().is_some_and(|keys| keys.contains_kid(kid)));
        match published {
            // An HMAC under the name of a published key: an attack, whatever
            // another layer says (RFC 8725 §2.1).
            Some(_) if names_published_key && !is_from_other_issuer(jws, issuer.as_deref()) => {
                Verdict::Refuted(TokenRejection::Signature)
            }
            // An issuer that publishes keys does not sign with a shared secret.
            Some(_) => Verdict::Rejected(TokenRejection::Signature),
            None => Verdict::NotApplicable,
        }
    }

    /// Returns the verdict on a token that no key fits. It is proven false only if the
    /// issuer certainly has no such key.
    pub(super) fn verdict_without_key(
        &self,
        jws: &CompactJws<'_>,
        keys: &KeySet,
        issuer: Option<&str>,
        now: Timestamp,
    ) -> Verdict {
        // The issuer publishes keys that cannot be used, and one of them may have signed the token.
        if keys.lacks_usable_key(jws.header().kid()) {
            return Verdict::Unavailable(Unavailable::upstream(
                "its key set has no usable key for the token; `maxlab-auth check` shows why",
            ));
        }
        let Some(kid) = jws.header().kid() else {
            // Without a `kid` each key was tried. The right one may have been published a moment ago.
            return Verdict::Rejected(TokenRejection::Signature);
        };
        let unpublished = self
            .published_keys
            .as_ref()
            .is_some_and(|source| source.is_unpublished(kid, now));
        if !unpublished {
            return Verdict::Unavailable(Unavailable::upstream(
                "the key that the token names cannot be fetched now",
            ));
        }
        // Another issuer may have a key with this name. Its tokens are for other layers.
        if issuer.is_some() && issuer == jws.unverified_issuer() {
            Verdict::Refuted(TokenRejection::Signature)
        } else {
            Verdict::Rejected(TokenRejection::Signature)
        }
    }

    /// Returns `true` if a token uses a published key as a shared secret (RFC 8725 §2.1).
    pub(super) fn is_algorithm_confusion(
        &self,
        jws: &CompactJws<'_>,
        algorithm: Algorithm,
        issuer: Option<&str>,
        now: Timestamp,
    ) -> bool {
        algorithm.is_symmetric()
            && self.shared_secret.is_none()
            && !is_from_other_issuer(jws, issuer)
            && jws.header().kid().is_some_and(|kid| {
                let cached = self.published_keys.as_ref().and_then(|source| source.cached(now));
                cached.is_some_and(|keys| keys.contains_kid(kid))
            })
    }

    /// Returns `true` if a signature must not count because the issuer is unknown:
    /// several issuers may share a key set.
    pub(super) fn lacks_issuer(&self, algorithm: Algorithm, issuer: Option<&str>) -> bool {
        issuer.is_none() && !algorithm.is_symmetric()
    }
}
