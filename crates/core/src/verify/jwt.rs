//! The layer that checks a signature here, and the early look that keeps forged tokens from the authorization server.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::testimony::{Rejection, Shown, Testimony, Verdict, Verifier};
use crate::identity::VerificationSource;
use crate::token::{Algorithm, ClaimFault, ClaimsPolicy, CompactJws, KeySet, SignatureFault, TokenShape};
use crate::unavailable::Unavailable;

/// Where an issuer's keys come from.
#[async_trait]
pub trait KeySource: Send + Sync {
    /// The keys known now, without any call; `None` if none are, or they are too old to be believed.
    fn known(&self, now: Timestamp) -> Option<Arc<KeySet>>;
    /// What [`keys_for`](Self::keys_for) gives, where that needs no call.
    fn fresh(&self, kid: Option<&str>, now: Timestamp) -> Option<Arc<KeySet>>;
    /// The keys with which to check a token that names `kid`, fetched if need be and allowed.
    /// `None` if the issuer publishes no keys.
    ///
    /// # Errors
    /// No usable keys are known, and the place where they come from does not answer.
    async fn keys_for(&self, kid: Option<&str>, now: Timestamp) -> Result<Option<Arc<KeySet>>, Unavailable>;
    /// The issuer whose keys they are, if the place where they come from says so.
    fn issuer(&self, now: Timestamp) -> Option<String>;
    /// Which keys [`fresh`](Self::fresh) gives, without giving them; `None` if it can't be told.
    fn in_force(&self) -> Option<KeysInForce>;
}

/// Which keys are in force, and for how long without asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeysInForce {
    /// Another set has another number. Keys that are got after this was read are of this set or of a later one.
    pub edition: u32,
    /// Then they have to be renewed before they are used.
    pub fresh_until: Timestamp,
}

/// What an early look at a token shows, without any call.
#[derive(Debug)]
pub enum Precheck {
    /// Known keys prove that it must be refused.
    Refused(Rejection),
    /// Known keys prove it authentic and valid.
    Proven(Box<Proof>),
    /// Nothing is proven either way.
    Open,
}

/// That a token is authentic and valid at a moment, and on what grounds. Only [`JwtCheck::look`] makes one.
///
/// The look takes the keys that are known, be they old; the layer takes keys that are fresh, and may have to fetch them.
/// So the layer may say what was proven, and not check the signature again, only where all grounds are still its own: the
/// same check, the very same key set (not one fetched since, in which the key may be missing), the same issuer (which may
/// have been learnt since).
pub struct Proof {
    by: Arc<JwtCheck>,
    keys: Arc<KeySet>,
    issuer: Option<String>,
    testimony: Testimony,
}

impl Proof {
    /// What was proven.
    pub fn testimony(&self) -> &Testimony {
        &self.testimony
    }

    fn holds_for(&self, check: &JwtCheck, keys: &Arc<KeySet>, now: Timestamp) -> bool {
        std::ptr::eq(Arc::as_ptr(&self.by), check)
            && Arc::ptr_eq(&self.keys, keys)
            && self.issuer.as_deref() == check.issuer(now).as_deref()
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proof").finish_non_exhaustive()
    }
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

impl fmt::Debug for JwtCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtCheck")
            .field("allowed", &self.allowed)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl JwtCheck {
    /// Which keys signatures are checked with now; `None` where something else than the keys may change what the check finds.
    pub(super) fn keys_in_force(&self) -> Option<KeysInForce> {
        match &self.published {
            // Whose tokens are ours is learnt from the keys' own place, at any time.
            Some(_) if self.policy.issuer.is_none() => None,
            Some(source) => source.in_force(),
            None => Some(KeysInForce {
                edition: 0,
                fresh_until: Timestamp::MAX,
            }),
        }
    }

    /// Looks at a token with what is known already. Anything not proven is left [`Precheck::Open`].
    pub fn look(self: &Arc<Self>, jws: &CompactJws<'_>, now: Timestamp) -> Precheck {
        let Some(algorithm) = jws.header().algorithm() else {
            return Precheck::Refused(Rejection::Signature);
        };
        let Some(keys) = self.keys_at_hand(algorithm, |published| published.known(now)) else {
            return Precheck::Open;
        };
        let issuer = self.issuer(now);
        match self.checked(jws, &keys, issuer.as_deref(), now) {
            Ok(testimony) => Precheck::Proven(Box::new(Proof {
                by: Arc::clone(self),
                issuer: issuer.map(Cow::into_owned),
                keys,
                testimony,
            })),
            Err(Fault::Unprovable) => Precheck::Open,
            // A key of another issuer may share a name with one of ours; and a token that names no key may be signed
            // with one that was published a moment ago.
            Err(Fault::Refused(Rejection::Signature))
                if is_foreign(jws, issuer.as_deref()) || names_no_key(jws) =>
            {
                Precheck::Open
            }
            Err(Fault::Refused(rejection)) => Precheck::Refused(rejection),
        }
    }

    /// What was proven, if the keys for it are at hand and all its grounds are this layer's own.
    fn accepts<'p>(&self, jws: &CompactJws<'_>, proof: &'p Proof, now: Timestamp) -> Option<&'p Testimony> {
        let header = jws.header();
        let fresh = self.keys_at_hand(header.algorithm()?, |published| {
            published.fresh(header.kid(), now)
        })?;
        proof.holds_for(self, &fresh, now).then(|| proof.testimony())
    }

    /// The keys for an algorithm: the secret's, or those that `of` finds among the published.
    fn keys_at_hand(
        &self,
        algorithm: Algorithm,
        of: impl FnOnce(&dyn KeySource) -> Option<Arc<KeySet>>,
    ) -> Option<Arc<KeySet>> {
        if algorithm.is_symmetric() {
            return self.shared.as_ref().map(|(_, keys)| Arc::clone(keys));
        }
        of(self.published.as_deref()?)
    }

    async fn verdict(&self, jws: &CompactJws<'_>, proof: Option<&Proof>, now: Timestamp) -> Verdict {
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
        if let Some(proof) = proof.filter(|proof| proof.holds_for(self, &keys, now)) {
            return Verdict::Verified(Box::new(proof.testimony.clone()));
        }
        let issuer = self.issuer(now);
        match self.checked(jws, &keys, issuer.as_deref(), now) {
            Ok(testimony) => Verdict::Verified(Box::new(testimony)),
            Err(_) if is_foreign(jws, issuer.as_deref()) => Verdict::NotMine,
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

    fn checked(
        &self,
        jws: &CompactJws<'_>,
        keys: &KeySet,
        issuer: Option<&str>,
        now: Timestamp,
    ) -> Result<Testimony, Fault> {
        #[cfg(test)]
        tests::CHECKS.with(|checks| checks.set(checks.get() + 1));
        let symmetric = self.shared.as_ref().map(|(algorithm, _)| [*algorithm]);
        let allowed: &[Algorithm] = match &symmetric {
            Some(only) if jws.header().algorithm().is_some_and(Algorithm::is_symmetric) => only,
            _ => &self.allowed,
        };
        let claims = jws.verify(keys, allowed).map_err(|fault| match fault {
            SignatureFault::UnknownKey => Fault::Unprovable,
            _ => Fault::Refused(Rejection::Signature),
        })?;
        let times = self.policy.check_from(issuer, &claims, now).map_err(|fault| {
            Fault::Refused(match fault {
                ClaimFault::Expired | ClaimFault::TooOld => Rejection::Expired,
                ClaimFault::Malformed(_) => Rejection::Malformed,
                _ => Rejection::Claims,
            })
        })?;
        Ok(Testimony {
            claims: claims.shared_map(),
            expires_at: Some(times.expires_at),
            key_id: claims.key_id().map(str::to_owned),
        })
    }

    /// Whose tokens are ours: as the setting has it, or the issuer that the keys' own place names.
    fn issuer(&self, now: Timestamp) -> Option<Cow<'_, str>> {
        match &self.policy.issuer {
            Some(issuer) => Some(Cow::Borrowed(issuer)),
            None => self.published.as_ref()?.issuer(now).map(Cow::Owned),
        }
    }
}

fn is_foreign(jws: &CompactJws<'_>, ours: Option<&str>) -> bool {
    match (ours, jws.unverified_issuer()) {
        (Some(ours), Some(theirs)) => ours != theirs,
        _ => false,
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

    async fn verify(&self, shown: &Shown<'_>, now: Timestamp) -> Verdict {
        match shown.examined.shape() {
            TokenShape::Jws(jws) => self.check.verdict(jws, shown.proof, now).await,
            TokenShape::Opaque => Verdict::NotMine,
            TokenShape::Malformed(_) => Verdict::Rejected(Rejection::Malformed),
        }
    }

    fn accepts_at_once<'a>(&self, shown: &Shown<'a>, now: Timestamp) -> Option<&'a Testimony> {
        match shown.examined.shape() {
            TokenShape::Jws(jws) => self.check.accepts(jws, shown.proof?, now),
            TokenShape::Opaque | TokenShape::Malformed(_) => None,
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
