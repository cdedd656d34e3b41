//! The order of the layers, what their answers add up to, and the verdicts that are remembered for a while.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::jwt::{JwtCheck, Precheck};
use super::testimony::{Rejection, Testimony, Verdict, Verified, Verifier};
use crate::clock;
use crate::credential::PresentedToken;
use crate::identity::{ClaimPaths, Identity, NoSubject, VerificationSource};
use crate::revocation::{Facts, Issued, Party, RevocationKey, TokenKey};
use crate::token::{CompactJws, TokenShape, shape_of};
use crate::unavailable::Unavailable;

/// Why a token is not verified.
#[derive(Clone, Debug, thiserror::Error)]
pub enum VerifyFault {
    /// It is not good.
    #[error("{0}")]
    Rejected(Rejection),
    /// Nobody knows.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// How long and how many verdicts are remembered.
#[derive(Clone, Copy, Debug)]
pub struct CacheLimits {
    /// A verdict is remembered at most this long, and never past the token's expiry (`VERIFY_CACHE_SECONDS`).
    pub keep: Duration,
    /// All of them together take about this many bytes.
    pub bytes: u64,
}

/// A token that was refused is refused again for this long without asking.
const KEEP_REFUSAL: Duration = Duration::from_secs(1);
/// A signature checked here is checked again after this long, so that a removed key dies within a minute.
const KEEP_LOCAL: Duration = Duration::from_secs(15);

#[derive(Clone)]
struct Remembered {
    outcome: Result<Arc<Facts>, Rejection>,
    until: Timestamp,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<String, Remembered> for ByBytes {
    fn weight(&self, token: &String, _: &Remembered) -> u64 {
        // What a verdict takes beside the token: an identity with its lists and names.
        token.len() as u64 + 1_024
    }
}

/// The layered check of a token.
///
/// The first layer that says yes wins. Otherwise any no is a no; otherwise any "cannot say" is unavailable; otherwise
/// it is a no. The layer `local_jwt` behind remote layers is a fallback for outages: it is asked only when none of
/// them said no. Put first, it decides by itself.
pub struct VerifyChain {
    layers: Vec<Arc<dyn Verifier>>,
    jwt: Option<Arc<JwtCheck>>,
    paths: ClaimPaths,
    limits: CacheLimits,
    /// Keyed by the whole token, compared in full: no collision can lend one token another's verdict (I9).
    cache: Cache<String, Remembered, ByBytes>,
}

impl std::fmt::Debug for VerifyChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let layers: Vec<_> = self.layers.iter().map(|layer| layer.source().as_str()).collect();
        f.debug_struct("VerifyChain")
            .field("layers", &layers)
            .finish_non_exhaustive()
    }
}

impl VerifyChain {
    /// A chain of layers in this order. `jwt` is what is known of signatures, to refuse forgeries early.
    pub fn new(
        layers: Vec<Arc<dyn Verifier>>,
        jwt: Option<Arc<JwtCheck>>,
        paths: ClaimPaths,
        limits: CacheLimits,
    ) -> Self {
        let items = usize::try_from(limits.bytes / 2_048)
            .unwrap_or(usize::MAX)
            .max(16);
        Self {
            layers,
            jwt,
            paths,
            limits,
            cache: Cache::with_weighter(items, limits.bytes, ByBytes),
        }
    }

    /// The names that an unverified token gives itself: enough to refuse it, never to accept or to revoke it.
    pub fn unproven_names(token: &PresentedToken) -> Vec<RevocationKey> {
        let mut names = vec![RevocationKey::Token(TokenKey::from_bytes_of(token))];
        if let TokenShape::Jws(jws) = shape_of(token.expose()) {
            names.push(RevocationKey::Token(TokenKey::from_signing_input(
                &jws.signing_input_digest(),
            )));
            names.extend(
                jws.unverified_jti()
                    .map(|jti| RevocationKey::Token(TokenKey::from_jti(jti))),
            );
        }
        names
    }

    /// Whether a verdict on this token is remembered, so that the layers would not be asked.
    pub fn remembers(&self, token: &PresentedToken, now: Timestamp) -> bool {
        self.cache
            .get(token.expose())
            .is_some_and(|remembered| remembered.until > now)
    }

    /// Verifies a token. However many ask about one token at once, the layers are asked once.
    ///
    /// # Errors
    /// It is not good, or nobody knows.
    pub async fn verify(&self, token: &PresentedToken, now: Timestamp) -> Result<Verified, VerifyFault> {
        if let Some(remembered) = self.cache.get(token.expose()) {
            if remembered.until > now {
                return verified(remembered.outcome);
            }
            self.cache.remove_if(token.expose(), |stale| stale.until <= now);
        }
        let answer = self
            .cache
            .get_or_insert_async(token.expose(), self.ask(token, now))
            .await?;
        verified(answer.outcome)
    }

    async fn ask(&self, token: &PresentedToken, now: Timestamp) -> Result<Remembered, Unavailable> {
        match self.ask_layers(token, now).await {
            Ok(facts) => {
                let local = facts.identity.verification_source == VerificationSource::LocalJwt;
                let keep = if local {
                    self.limits.keep.min(KEEP_LOCAL)
                } else {
                    self.limits.keep
                };
                let until = clock::after(now, keep).min(facts.expires_at.unwrap_or(Timestamp::MAX));
                Ok(Remembered {
                    outcome: Ok(Arc::new(facts)),
                    until,
                })
            }
            Err(VerifyFault::Rejected(rejection)) => {
                let until = clock::after(now, self.limits.keep.min(KEEP_REFUSAL));
                Ok(Remembered {
                    outcome: Err(rejection),
                    until,
                })
            }
            Err(VerifyFault::Unavailable(fault)) => Err(fault),
        }
    }

    async fn ask_layers(&self, token: &PresentedToken, now: Timestamp) -> Result<Facts, VerifyFault> {
        let shape = shape_of(token.expose());
        let proven = match (&shape, &self.jwt) {
            (TokenShape::Malformed(_), _) => return Err(VerifyFault::Rejected(Rejection::Malformed)),
            (TokenShape::Jws(jws), Some(check)) => match check.look(jws, now) {
                Precheck::Refused(rejection) => return Err(VerifyFault::Rejected(rejection)),
                Precheck::Proven(testimony) => Some(*testimony),
                Precheck::Open => None,
            },
            _ => None,
        };
        let (mut rejected, mut unavailable) = (None, None);
        for layer in &self.layers {
            if rejected.is_some() && layer.source() == VerificationSource::LocalJwt {
                continue;
            }
            let verdict = match layer.verify(token, now).await {
                Verdict::Verified(said) => {
                    match self.facts(token, &shape, layer.source(), &said, proven.as_ref(), now) {
                        Ok(facts) => return Ok(facts),
                        Err(verdict) => verdict,
                    }
                }
                other => other,
            };
            match verdict {
                Verdict::Rejected(rejection) => rejected = rejected.or(Some(rejection)),
                Verdict::Unavailable(fault) => {
                    tracing::warn!(layer = layer.source().as_str(), %fault, "a layer could not answer");
                    unavailable = unavailable.or(Some(fault));
                }
                Verdict::NotMine | Verdict::Verified(_) => {}
            }
        }
        match (rejected, unavailable) {
            (Some(rejection), _) => Err(VerifyFault::Rejected(rejection)),
            (None, Some(fault)) => Err(VerifyFault::Unavailable(fault)),
            (None, None) => Err(VerifyFault::Rejected(Rejection::Refused)),
        }
    }

    /// What is known of a token that a layer accepts.
    fn facts(
        &self,
        token: &PresentedToken,
        shape: &TokenShape<'_>,
        source: VerificationSource,
        said: &Testimony,
        proven: Option<&Testimony>,
        now: Timestamp,
    ) -> Result<Facts, Verdict> {
        let mut identity = self
            .paths
            .identity(&said.claims, source, now)
            .map_err(|fault| match fault {
                NoSubject::Missing => Verdict::Rejected(Rejection::NoSubject),
                NoSubject::Mistyped if source == VerificationSource::LocalJwt => {
                    Verdict::Rejected(Rejection::Malformed)
                }
                NoSubject::Mistyped => Verdict::Unavailable(Unavailable::upstream(fault)),
            })?;
        let bytes = RevocationKey::Token(TokenKey::from_bytes_of(token));
        let expired = |at: Timestamp| at <= clock::before(now, self.leeway());
        let TokenShape::Jws(jws) = shape else {
            if said.expires_at.is_some_and(expired) {
                return Err(Verdict::Rejected(Rejection::Expired));
            }
            return Ok(opaque_facts(identity, said, bytes));
        };
        let local = source == VerificationSource::LocalJwt;
        let own = TokenClaims::of(jws, if local { Some(said) } else { proven }, &identity.user_id);
        identity.client_id = identity.client_id.or_else(|| own.client_id.clone());
        identity.session_id = identity.session_id.or_else(|| own.session_id.clone());
        if identity.scope.is_empty() {
            identity.scope.clone_from(&own.scope);
        }
        let expires_at = [said.expires_at, own.expires_at].into_iter().flatten().min();
        if expires_at.is_some_and(expired) {
            return Err(Verdict::Rejected(Rejection::Expired));
        }
        let digest = RevocationKey::Token(TokenKey::from_signing_input(&jws.signing_input_digest()));
        let mut names: Vec<_> = own
            .jti
            .iter()
            .map(|jti| RevocationKey::Token(TokenKey::from_jti(jti)))
            .collect();
        names.push(digest);
        // A `jti` that was checked by a signature names the token by itself; otherwise the digest is written as well.
        let own_names = if own.jti.is_some() && own.proven {
            1
        } else {
            names.len()
        };
        names.push(bytes);
        names.extend(own.session_id.clone().map(RevocationKey::Session));
        let mut parties = vec![Party::User(identity.user_id.clone())];
        parties.extend(identity.client_id.clone().map(Party::Client));
        parties.extend(own.issuer.map(Party::Issuer));
        let issued = own.issued_at.map_or(Issued::Unknown, Issued::InSecond);
        Ok(Facts {
            identity,
            names,
            own_names,
            parties,
            issued,
            expires_at,
            session: None,
            key_id: own.key_id,
        })
    }

    fn leeway(&self) -> Duration {
        let seconds = self.jwt.as_ref().map_or(0, |check| check.policy.leeway_seconds);
        Duration::from_secs(seconds)
    }
}

fn verified(outcome: Result<Arc<Facts>, Rejection>) -> Result<Verified, VerifyFault> {
    outcome.map(Verified::new).map_err(VerifyFault::Rejected)
}

fn opaque_facts(identity: Identity, said: &Testimony, bytes: RevocationKey) -> Facts {
    let second = |name: &str| said.claims.get(name).and_then(serde_json::Value::as_i64);
    let issued_at = second("iat").and_then(|at| Timestamp::from_second(at).ok());
    // Only introspection speaks of the token (RFC 7662 §2.2); elsewhere `iat` would be of something else.
    let introspected = identity.verification_source == VerificationSource::Introspection;
    let mut parties = vec![Party::User(identity.user_id.clone())];
    parties.extend(identity.client_id.clone().map(Party::Client));
    Facts {
        identity,
        names: vec![bytes],
        own_names: 1,
        parties,
        issued: issued_at
            .filter(|_| introspected)
            .map_or(Issued::Unknown, Issued::InSecond),
        expires_at: said.expires_at,
        session: None,
        key_id: None,
    }
}

/// What a signed token says of itself, where that may be believed: its signature was checked here, or its issuer
/// accepted this very token and it names the same subject.
#[derive(Default)]
struct TokenClaims {
    jti: Option<String>,
    session_id: Option<String>,
    client_id: Option<String>,
    issuer: Option<String>,
    scope: Vec<String>,
    issued_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    key_id: Option<String>,
    proven: bool,
}

impl TokenClaims {
    fn of(jws: &CompactJws<'_>, proven: Option<&Testimony>, user_id: &str) -> Self {
        let claims = match proven {
            Some(testimony) => &testimony.claims,
            None => jws.claims_vouched_by_issuer(),
        };
        let text = |name: &str| {
            claims
                .get(name)
                .and_then(serde_json::Value::as_str)
                .map(str::to_owned)
        };
        if proven.is_none() && text("sub").is_some_and(|sub| sub != user_id) {
            return Self::default();
        }
        let moment = |name: &str| {
            let seconds = claims.get(name)?.as_f64()?;
            #[expect(clippy::cast_possible_truncation, reason = "a cast from a float saturates")]
            let seconds = seconds.floor() as i64;
            Timestamp::from_second(seconds).ok()
        };
        Self {
            jti: text("jti").filter(|jti| !jti.is_empty()),
            session_id: text("sid"),
            client_id: text("client_id").or_else(|| text("azp")),
            issuer: text("iss"),
            scope: text("scope")
                .map(|s| {
                    s.split(' ')
                        .filter(|w| !w.is_empty())
                        .map(str::to_owned)
                        .collect()
                })
                .unwrap_or_default(),
            issued_at: moment("iat"),
            expires_at: proven.and_then(|t| t.expires_at).or_else(|| moment("exp")),
            key_id: proven.and_then(|t| t.key_id.clone()),
            proven: proven.is_some(),
        }
    }
}
