//! Fast path: verifies an uncached token without waiting, if the first layer checks
//! signatures locally with cached keys.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::ask_layers::is_declared_access_token;
use super::other_issuers::TokenJudge;
use super::{VerifyChain, VerifyFault};
use crate::credential::PresentedToken;
use crate::identity::VerificationSource;
use crate::verdict::{CredentialInfo, CredentialRepr, Verified};
use crate::verify::cache_key::CacheKey;
use crate::verify::cached_verdict::CachedVerdict;
use crate::verify::layer::{TokenRejection, VerifyInput};
use crate::verify::parsed_token::ParsedToken;
use maxlab_auth_jose::TokenShape;

impl VerifyChain {
    /// Verifies an uncached token synchronously.
    ///
    /// `None` decides nothing: call [`verify`](Self::verify) then. If this returns a credential,
    /// `verify` would accept the token too.
    pub fn try_verify(&self, token: &str, now: Timestamp) -> Option<Verified> {
        let first = self.layers.first()?;
        if first.source() != VerificationSource::LocalJwt {
            return None;
        }
        let token = PresentedToken::parse(token).ok()?;
        let parsed = ParsedToken::parse(&token);
        // Another issuer has other keys and rules, and `verify` knows them.
        if !matches!(self.judge_of(&parsed, now), TokenJudge::This) {
            return None;
        }
        // The register is in SQL and cannot be asked here. A token that does not declare itself an access
        // token may be one of its refresh tokens.
        if has_expired(&parsed, now) || (self.register.is_some() && !is_declared_access_token(&parsed)) {
            return None;
        }
        // Read before the check: if the keys change meanwhile, the verdict belongs to
        // the older set and expires with it.
        let key_set_version = self.key_set_version().map(|keys| keys.number);
        let proof = match self.precheck(&parsed, now) {
            Ok(proof) => proof?,
            Err(rejection) => {
                // `verify` comes next, and finds the rejection in the cache instead
                // of checking the signature again.
                self.cache_rejection(&token, rejection, now);
                return None;
            }
        };
        let input = VerifyInput {
            parsed: &parsed,
            proof: Some(&proof),
        };
        let claims = first.try_accept(&input, now)?;
        let info = self
            .claims_reader(&input, now)
            .credential_info(first.source(), claims)
            .ok()?;
        Some(Verified::new(self.cache_verdict(
            &token,
            info,
            key_set_version,
            now,
        )))
    }

    /// Caches a rejection for a moment.
    fn cache_rejection(&self, token: &PresentedToken, rejection: TokenRejection, now: Timestamp) {
        // Zero switches the cache off (`VERIFY_CACHE_SECONDS=0`).
        let ttl = self.limits.verdict_ttl;
        if !ttl.is_zero() {
            let rejected = CachedVerdict::rejected(VerifyFault::Rejected(rejection), now, ttl);
            self.cache.insert(CacheKey::Text(token.expose().into()), rejected);
        }
    }

    /// Caches an accepted token, and returns its verdict.
    fn cache_verdict(
        &self,
        token: &PresentedToken,
        info: CredentialInfo,
        key_set_version: Option<u32>,
        now: Timestamp,
    ) -> CredentialRepr {
        if self.limits.verdict_ttl.is_zero() {
            return CredentialRepr::Full(Arc::new(info));
        }
        let verdict = self.compact_verdict(token, &info);
        let cached = CachedVerdict::accepted(
            Arc::clone(&verdict),
            now,
            self.limits.verdict_ttl,
            // The elapsed time sets the refresh-ahead margin, which local verdicts do not use.
            Duration::ZERO,
            key_set_version,
        );
        self.cache
            .insert(CacheKey::InVerdict(Arc::clone(&verdict)), cached);
        CredentialRepr::Compact(verdict)
    }
}

/// Returns `true` for a token that has expired or is not signed. Most invalid tokens have expired, and
/// seeing that needs no signature check.
fn has_expired(parsed: &ParsedToken<'_>, now: Timestamp) -> bool {
    match parsed.shape() {
        TokenShape::Jws(jws) => jws.unverified_expiry().is_some_and(|at| at <= now),
        TokenShape::Opaque | TokenShape::Malformed(_) => true,
    }
}

#[cfg(test)]
mod tests;
