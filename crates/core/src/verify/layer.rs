//! Interface of a verification layer: its input, its verdict, and the proof that a layer accepted.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_jose::KeySet;
use serde_json::{Map, Value};

use super::parsed_token::ParsedToken;
use crate::credential::PresentedToken;
use crate::identity::VerificationSource;
use crate::unavailable::Unavailable;

/// Reason for which a token is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TokenRejection {
    /// Token that has expired.
    #[error("the token has expired")]
    Expired,
    /// Token whose form is not valid.
    #[error("the token is malformed")]
    Malformed,
    /// Token that is not signed by a key of the issuer.
    #[error("the signature of the token is not valid")]
    Signature,
    /// Token for another audience, from another issuer, or not valid yet.
    #[error("the token is for another service, from another issuer, or not valid yet")]
    Claims,
    /// Refresh token, ID token, or another token that is not for calling an application.
    #[error("the token is not an access token")]
    NotAccessToken,
    /// Token that the authorization server refuses.
    #[error("the authorization server refuses the token")]
    Refused,
    /// Token without a subject.
    #[error("the token names no subject")]
    NoSubject,
}

/// Claims of a token that a layer accepts.
#[derive(Clone, Debug)]
pub struct LayerClaims {
    /// Claims, as the layer received them.
    pub claims: Arc<Map<String, Value>>,
    /// Expiry of the token, if the layer knows it.
    pub expires_at: Option<Timestamp>,
    /// Id of the key that the signature was checked with, if any.
    pub key_id: Option<String>,
}

/// Verdict of one layer about a token. "Not applicable" is not "rejected", and "unavailable" is neither.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Authentic token.
    Verified(Box<LayerClaims>),
    /// Token that the layer does not accept. A later layer may accept it.
    Rejected(TokenRejection),
    /// Token that is proven false. No other layer may accept it (decision 19).
    Refuted(TokenRejection),
    /// Token of a kind that the layer does not handle, or a layer that the
    /// authorization server does not have.
    NotApplicable,
    /// Layer that could not decide.
    Unavailable(Unavailable),
}

/// Proof that a token was authentic and valid at a time. Only [`JwtCheck::precheck`](super::JwtCheck::precheck)
/// creates one.
///
/// The precheck may use stale keys, and the layer needs fresh ones, which it may have to fetch. The
/// layer reuses this proof instead of checking the signature again only if the check, the key set
/// and the issuer are still identical.
pub struct SignatureProof {
    /// Check that proved the token. Opaque here: only its address is compared.
    pub(super) check: Arc<dyn Any + Send + Sync>,
    pub(super) keys: Arc<KeySet>,
    pub(super) issuer: Option<String>,
    pub(super) claims: LayerClaims,
}

impl SignatureProof {
    /// Returns the proven claims.
    pub fn claims(&self) -> &LayerClaims {
        &self.claims
    }

    /// Returns `true` if this check, these keys and its current issuer would prove the token again.
    pub(super) fn holds_for<C>(&self, check: &C, keys: &Arc<KeySet>, issuer: Option<&str>) -> bool {
        // By address: a set that was fetched since is another one, and the key may be missing from it.
        std::ptr::addr_eq(Arc::as_ptr(&self.check), std::ptr::from_ref(check))
            && Arc::ptr_eq(&self.keys, keys)
            && self.issuer.as_deref() == issuer
    }
}

impl fmt::Debug for SignatureProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The claims are left out: they are personal data.
        f.debug_struct("SignatureProof").finish_non_exhaustive()
    }
}

/// Input of a layer. Only the chain creates it, so that a proof always belongs to this very token (I9).
#[derive(Clone, Copy, Debug)]
pub struct VerifyInput<'a> {
    pub(super) parsed: &'a ParsedToken<'a>,
    /// Proof of the precheck, for the layer that would check the same signature again.
    pub(super) proof: Option<&'a SignatureProof>,
}

impl<'a> VerifyInput<'a> {
    /// Returns the token.
    pub fn token(&self) -> &'a PresentedToken {
        self.parsed.token()
    }
}

/// Verification layer.
#[async_trait]
pub trait TokenVerifier: Send + Sync {
    /// Returns the name of the layer.
    fn source(&self) -> VerificationSource;
    /// Verifies a token.
    async fn verify(&self, input: &VerifyInput<'_>, now: Timestamp) -> Verdict;
    /// Returns the claims of a token that the layer accepts, if that is proven already and needs no wait.
    ///
    /// `None` decides nothing: call [`verify`](Self::verify) then.
    fn try_accept<'a>(&self, input: &VerifyInput<'a>, now: Timestamp) -> Option<&'a LayerClaims> {
        // Most layers need a request. The parameters are for those that do not.
        let _ = (input, now);
        None
    }
}
