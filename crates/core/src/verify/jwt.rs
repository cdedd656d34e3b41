//! The layer that checks a signature here, and the early look that keeps forged tokens from the authorization server.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::testimony::{Rejection, Testimony, Verdict, Verifier};
use crate::credential::PresentedToken;
use crate::identity::VerificationSource;
use crate::token::{
    Algorithm, AuthenticClaims, ClaimFault, ClaimsPolicy, CompactJws, KeySet, SignatureFault, TokenShape,
    shape_of,
};
use crate::unavailable::Unavailable;

/// Where an issuer's keys come from.
#[async_trait]
pub trait KeySource: Send + Sync {
    /// The keys known now, without any call; `None` if none are, or they are too old to be believed.
    fn known(&self, now: Timestamp) -> Option<Arc<KeySet>>;
    /// The keys with which to check a token that names `kid`, fetched if need be and allowed.
    /// `None` if the issuer publishes no keys.
    ///
    /// # Errors
    /// No usable keys are known, and the place where they come from does not answer.
    async fn keys_for(&self, kid: Option<&str>, now: Timestamp) -> Result<Option<Arc<KeySet>>, Unavailable>;
    /// The issuer whose keys they are, if the place where they come from says so.
    fn issuer(&self, now: Timestamp) -> Option<String>;
}

/// What an early look at a token shows, without any call.
#[derive(Debug)]
pub enum Precheck {
    /// Known keys prove that it must be refused.
    Refused(Rejection),
    /// Known keys prove it authentic and valid.
    Proven(Box<Testimony>),
    /// Nothing is proven either way.
    Open,
}

/// What a signature check needs: keys of each class (never mixed), and the rules for claims.
pub struct JwtCheck {
    /// The issuer's published keys, for the asymmetric algorithms.
    pub published: Option<Arc<dyn KeySource>>,
    /// The shared secret's only algorithm and key (`JWT_SECRET_KEY`).
    pub shared: Option<(Algorithm, Arc<KeySet>)>,
    /// The asymmetric algorithms that are allowed.
    pub allowed: Vec<Algorithm>,
    /// The rules for claims.
    pub policy: ClaimsPolicy,
}

impl std::fmt::Debug for JwtCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JwtCheck")
            .field("allowed", &self.allowed)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl JwtCheck {
    /// Looks at a token with what is known already. Anything not proven is left [`Precheck::Open`].
    pub fn look(&self, jws: &CompactJws<'_>, now: Timestamp) -> Precheck {
        let keys = match (&self.shared, jws.header().algorithm()) {
            (_, None) => return Precheck::Refused(Rejection::Signature),
            (Some((_, keys)), Some(algorithm)) if algorithm.is_symmetric() => Some(Arc::clone(keys)),
            (None, Some(algorithm)) if algorithm.is_symmetric() => None,
            _ => self.published.as_ref().and_then(|source| source.known(now)),
        };
        let Some(keys) = keys else { return Precheck::Open };
        match self.checked(jws, &keys, now) {
            Ok(testimony) => Precheck::Proven(Box::new(testimony)),
            Err(Fault::Unprovable) => Precheck::Open,
            // A key of another issuer may share a name with one of ours; and a token that names no key may be signed
            // with one that was published a moment ago.
            Err(Fault::Refused(Rejection::Signature)) if self.is_foreign(jws, now) || names_no_key(jws) => {
                Precheck::Open
            }
            Err(Fault::Refused(rejection)) => Precheck::Refused(rejection),
        }
    }

    async fn verdict(&self, jws: &CompactJws<'_>, now: Timestamp) -> Verdict {
        let keys = match (&self.shared, jws.header().algorithm()) {
            (_, None) => return Verdict::Rejected(Rejection::Signature),
            (Some((_, keys)), Some(algorithm)) if algorithm.is_symmetric() => Arc::clone(keys),
            (None, Some(algorithm)) if algorithm.is_symmetric() => return self.without_secret(now),
            _ => match &self.published {
                None => return Verdict::NotMine,
                Some(source) => match source.keys_for(jws.header().kid(), now).await {
                    Ok(Some(keys)) => keys,
                    Ok(None) => return Verdict::NotMine,
                    Err(fault) => return Verdict::Unavailable(fault),
                },
            },
        };
        match self.checked(jws, &keys, now) {
            Ok(testimony) => Verdict::Verified(Box::new(testimony)),
            Err(_) if self.is_foreign(jws, now) => Verdict::NotMine,
            Err(Fault::Unprovable) => Verdict::Rejected(Rejection::Signature),
            Err(Fault::Refused(rejection)) => Verdict::Rejected(rejection),
        }
    }

    /// A symmetric algorithm, and no secret is configured: where the issuer publishes keys this is no token of its.
    fn without_secret(&self, now: Timestamp) -> Verdict {
        let published = self
            .published
            .as_ref()
            .is_some_and(|source| source.known(now).is_some());
        if published {
            Verdict::Rejected(Rejection::Signature)
        } else {
            Verdict::NotMine
        }
    }

    fn checked(&self, jws: &CompactJws<'_>, keys: &KeySet, now: Timestamp) -> Result<Testimony, Fault> {
        let symmetric = self.shared.as_ref().map(|(algorithm, _)| [*algorithm]);
        let allowed: &[Algorithm] = match &symmetric {
            Some(only) if jws.header().algorithm().is_some_and(Algorithm::is_symmetric) => only,
            _ => &self.allowed,
        };
        let claims = jws.verify(keys, allowed).map_err(|fault| match fault {
            SignatureFault::UnknownKey => Fault::Unprovable,
            _ => Fault::Refused(Rejection::Signature),
        })?;
        self.judged(&claims, now)
    }

    fn judged(&self, claims: &AuthenticClaims, now: Timestamp) -> Result<Testimony, Fault> {
        let times = self.policy_at(now).check(claims, now).map_err(|fault| {
            Fault::Refused(match fault {
                ClaimFault::Expired | ClaimFault::TooOld => Rejection::Expired,
                ClaimFault::Malformed(_) => Rejection::Malformed,
                _ => Rejection::Claims,
            })
        })?;
        Ok(Testimony {
            claims: claims.as_map().clone(),
            expires_at: Some(times.expires_at),
            key_id: claims.key_id().map(str::to_owned),
        })
    }

    /// The rules, with the issuer that the keys' own place names where no setting does.
    fn policy_at(&self, now: Timestamp) -> ClaimsPolicy {
        let mut policy = self.policy.clone();
        if policy.issuer.is_none() {
            policy.issuer = self.published.as_ref().and_then(|source| source.issuer(now));
        }
        policy
    }

    fn is_foreign(&self, jws: &CompactJws<'_>, now: Timestamp) -> bool {
        match (self.policy_at(now).issuer, jws.unverified_issuer()) {
            (Some(ours), Some(theirs)) => ours != theirs,
            _ => false,
        }
    }
}

fn names_no_key(jws: &CompactJws<'_>) -> bool {
    jws.header().kid().is_none() && !jws.header().algorithm().is_some_and(Algorithm::is_symmetric)
}

enum Fault {
    /// No key here fits the token.
    Unprovable,
    Refused(Rejection),
}

/// The layer `local_jwt`: a signature is always checked; there is no way to read claims without one.
#[derive(Debug)]
pub struct JwtVerifier {
    check: Arc<JwtCheck>,
}

impl JwtVerifier {
    /// The layer over a check.
    pub fn new(check: Arc<JwtCheck>) -> Self {
        Self { check }
    }
}

#[async_trait]
impl Verifier for JwtVerifier {
    fn source(&self) -> VerificationSource {
        VerificationSource::LocalJwt
    }

    async fn verify(&self, token: &PresentedToken, now: Timestamp) -> Verdict {
        match shape_of(token.expose()) {
            TokenShape::Jws(jws) => self.check.verdict(&jws, now).await,
            TokenShape::Opaque => Verdict::NotMine,
            TokenShape::Malformed(_) => Verdict::Rejected(Rejection::Malformed),
        }
    }
}
