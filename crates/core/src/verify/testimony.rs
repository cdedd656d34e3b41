//! What a layer can say of a token, and the proof that one said yes.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::examined::Examined;
use super::jwt::Proof;
use crate::credential::PresentedToken;
use crate::identity::VerificationSource;
use crate::revocation::{Facts, Known};
use crate::unavailable::Unavailable;

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Rejection {
    /// It has expired.
    #[error("the token has expired")]
    Expired,
    /// Its form is broken.
    #[error("the token is malformed")]
    Malformed,
    /// It is not signed by a key of the issuer.
    #[error("the signature of the token is not good")]
    Signature,
    /// It is not for us, not from our issuer, not yet valid, or not an access token.
    #[error("the token is not one for this service")]
    Claims,
    /// The authorization server refuses it.
    #[error("the authorization server refuses the token")]
    Refused,
    /// It names nobody.
    #[error("the token names no subject")]
    NoSubject,
}

/// What a layer learnt of a token that it accepts.
#[derive(Clone, Debug)]
pub struct Testimony {
    /// The claims, as the layer got them.
    pub claims: Arc<Map<String, Value>>,
    /// When the token expires, if the layer knows.
    pub expires_at: Option<Timestamp>,
    /// The key that a signature was checked with, if one was.
    pub key_id: Option<String>,
}

/// What a layer says of a token. "Not mine" is not "rejected", and "unavailable" is neither.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It is authentic.
    Verified(Box<Testimony>),
    /// It is not.
    Rejected(Rejection),
    /// The layer does not know such tokens, or is not there.
    NotMine,
    /// The layer could not find out.
    Unavailable(Unavailable),
}

/// A token as a layer is shown it. Only the chain makes one: what was proven is of this very token (I9).
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    pub(super) examined: &'a Examined<'a>,
    /// What an early look proved of it, for the layer that would prove the same.
    pub(super) proof: Option<&'a Proof>,
}

impl<'a> Shown<'a> {
    /// The token.
    pub fn token(&self) -> &'a PresentedToken {
        self.examined.token()
    }
}

/// One layer.
#[async_trait]
pub trait Verifier: Send + Sync {
    /// The layer's name.
    fn source(&self) -> VerificationSource;
    /// Looks at a token.
    async fn verify(&self, shown: &Shown<'_>, now: Timestamp) -> Verdict;
    /// What makes it accept a token, where that is proven already and nothing need be waited for. `None` says nothing;
    /// [`verify`](Self::verify) does.
    fn accepts_at_once<'a>(&self, shown: &Shown<'a>, now: Timestamp) -> Option<&'a Testimony> {
        let _ = (shown, now);
        None
    }
}

/// A credential that was found authentic. It may be revoked: only the gate makes a
/// [`Live`](crate::revocation::Live) of it. The chain and the sessions alone make one.
#[derive(Clone, Debug)]
pub struct Verified {
    known: Known,
}

impl Verified {
    pub(crate) fn new(known: Known) -> Self {
        Self { known }
    }

    pub(crate) fn into_known(self) -> Known {
        self.known
    }

    pub(crate) fn into_facts(self) -> Arc<Facts> {
        self.known.facts()
    }
}
