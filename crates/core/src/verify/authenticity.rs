//! Authenticity: what a signature alone proves about a token, whatever its times and audience are.
//!
//! A revocation needs no more than this. Every layer rejects a token that is not valid yet, and may accept it
//! tomorrow. So the verdict of the layers is not enough to revoke.

use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::chain::{MIN_LOCAL_TIMEOUT, VerifyChain};
use super::jwt::{SignatureFinding, is_from_other_issuer};
use super::parsed_token::ParsedToken;
use crate::identity::{Subject, VerificationSource};
use crate::verdict::{RevocationKey, TokenKey};
use maxlab_auth_jose::{AuthenticClaims, TokenShape};

/// Result of the check of a signature, without a verification layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenAuthenticity {
    /// Token that is signed by a known key.
    Signed(SignedToken),
    /// Token that no layer can ever accept: malformed, unsigned, or wrongly
    /// signed under the key that it names.
    NeverValid,
    /// Token that may be signed by a key of the issuer that is not known yet.
    KeyUnknown {
        /// `true` if keys of the issuer are known, and the named one (`kid`) is not among them. Otherwise the
        /// token may also be a copy of a good token with another signature.
        is_missing: bool,
    },
    /// Token that no key decides: opaque, from another issuer, or for the authorization server only.
    Undecided {
        /// `true` if a signed token declares itself not valid yet.
        not_yet_valid: bool,
    },
}

/// Token with a valid signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedToken {
    /// Key under which it is revoked.
    pub key: RevocationKey,
    /// Expiry (`exp`), if any.
    pub expires_at: Option<Timestamp>,
    /// User that it names, if it is an access token for this service.
    pub subject: Option<Subject>,
}

impl VerifyChain {
    /// Checks the signature of a token. Fetches keys if that is necessary and allowed, with a short time-out.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn authenticity(&self, parsed: &ParsedToken<'_>, now: Timestamp) -> TokenAuthenticity {
        match self.other_chain(parsed.shape()) {
            // Not recursive beyond one step: the chain of a further issuer has no further ones.
            Some(other) => other.own_authenticity(parsed, now).await,
            None => self.own_authenticity(parsed, now).await,
        }
    }

    /// Checks the signature of a token with the keys of this chain.
    async fn own_authenticity(&self, parsed: &ParsedToken<'_>, now: Timestamp) -> TokenAuthenticity {
        let cached = self.authenticity_from_cached_keys(parsed, now);
        let (TokenAuthenticity::KeyUnknown { .. }, TokenShape::Jws(jws), Some(check)) =
            (&cached, parsed.shape(), &self.jwt)
        else {
            return cached;
        };
        let Some(source) = &check.published_keys else {
            return cached;
        };
        // The time-out is the same whatever the settings: a revocation does not
        // wait for a key source that hangs.
        let fetched = timeout(MIN_LOCAL_TIMEOUT, source.keys_for(jws.header().kid(), now)).await;
        if let Ok(Err(fault)) = fetched {
            tracing::debug!(%fault, "key for a revocation not fetched");
        }
        self.authenticity_from_cached_keys(parsed, now)
    }

    /// Fetches the key of an access token that the authorization server issued a moment ago, if it is unknown.
    /// A server that changes its keys may sign with the new one at once (decision 36).
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn fetch_key_of_issued(&self, parsed: &ParsedToken<'_>, now: Timestamp) {
        let (TokenShape::Jws(jws), Some(check)) = (parsed.shape(), &self.jwt) else {
            return;
        };
        let (Some(source), Some(kid)) = (&check.published_keys, jws.header().kid()) else {
            return;
        };
        if is_from_other_issuer(jws, check.issuer(now).as_deref()) {
            return;
        }
        // A login does not wait longer for a key source that hangs: the layers decide without the key.
        let fetched = timeout(MIN_LOCAL_TIMEOUT, source.fetch_key_of_issued(kid, now)).await;
        if fetched.is_err() {
            tracing::debug!("key of a new token not fetched in time");
        }
    }

    /// Checks the signature of a token with the cached keys.
    pub fn authenticity_from_cached_keys(
        &self,
        parsed: &ParsedToken<'_>,
        now: Timestamp,
    ) -> TokenAuthenticity {
        if let Some(other) = self.other_chain(parsed.shape()) {
            return other.authenticity_from_cached_keys(parsed, now);
        }
        let jws = match parsed.shape() {
            TokenShape::Jws(jws) => jws,
            TokenShape::Malformed(_) => return TokenAuthenticity::NeverValid,
            TokenShape::Opaque => {
                return TokenAuthenticity::Undecided { not_yet_valid: false };
            }
        };
        let finding = self.jwt.as_ref().map_or(SignatureFinding::Undecided, |check| {
            check.signature_finding(jws, now)
        });
        match finding {
            SignatureFinding::Authentic(claims) => {
                TokenAuthenticity::Signed(self.signed_token(&claims, parsed, now))
            }
            SignatureFinding::Forged => TokenAuthenticity::NeverValid,
            SignatureFinding::KeyUnknown { is_missing } => TokenAuthenticity::KeyUnknown { is_missing },
            SignatureFinding::Undecided => TokenAuthenticity::Undecided {
                not_yet_valid: is_not_yet_valid(jws.claims_vouched_by_issuer(), now),
            },
        }
    }

    /// Returns the key, expiry and user of a token with a valid signature.
    fn signed_token(
        &self,
        claims: &AuthenticClaims,
        parsed: &ParsedToken<'_>,
        now: Timestamp,
    ) -> SignedToken {
        let is_ours = self
            .jwt
            .as_ref()
            .is_some_and(|check| check.is_our_access_token(claims, now));
        // A `jti` is unique for one issuer and one kind of token only. The `jti` of another kind may also be
        // that of an access token, which must not be revoked with it.
        let jti = claims.jwt_id().ok().flatten().filter(|_| is_ours);
        let jti_key = jti.map(|jti| RevocationKey::Token(TokenKey::from_issuer_and_jti(&self.issuer, jti)));
        let identity = self
            .claim_paths
            .read_identity(claims.as_map(), VerificationSource::LocalJwt, now);
        SignedToken {
            key: jti_key
                .or_else(|| parsed.signing_input_key().cloned())
                .unwrap_or_else(|| parsed.bytes_key().clone()),
            expires_at: claims.expires_at().ok().flatten(),
            subject: identity
                .ok()
                .filter(|_| is_ours)
                .map(|identity| Subject::new(self.issuer.clone(), identity.user_id)),
        }
    }
}

/// Returns `true` if unproven claims declare the token not valid yet. Used
/// only to choose between two refusals.
fn is_not_yet_valid(claims: &Map<String, Value>, now: Timestamp) -> bool {
    ["nbf", "iat"]
        .into_iter()
        .filter_map(|name| claims.get(name)?.as_f64())
        .any(|valid_from| valid_from > now.as_duration().as_secs_f64())
}
