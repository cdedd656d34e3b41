//! The order of the layers, what their answers add up to, and the verdicts that are remembered for a while.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::time::{Instant, timeout};

use super::jwt::{JwtCheck, Precheck};
use super::reading::Reading;
use super::testimony::{Rejection, Verdict, Verified, Verifier};
use crate::clock;
use crate::credential::PresentedToken;
use crate::identity::{ClaimPaths, VerificationSource};
use crate::revocation::{Facts, RevocationKey, TokenKey};
use crate::token::{TokenShape, shape_of};
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

/// How long and how many verdicts are remembered, and how long they are waited for.
#[derive(Clone, Copy, Debug)]
pub struct ChainLimits {
    /// A verdict is remembered at most this long, and never past the token's expiry (`VERIFY_CACHE_SECONDS`).
    pub keep: Duration,
    /// All of them together take about this many bytes.
    pub bytes: u64,
    /// All remote layers together are waited for so long (`UPSTREAM_TIMEOUT_SECONDS`).
    pub patience: Duration,
}

/// A token that was refused is refused again for this long without asking.
const KEEP_REFUSAL: Duration = Duration::from_secs(1);
/// A signature checked here is checked again after this long, so that a removed key dies within a minute.
const KEEP_LOCAL: Duration = Duration::from_secs(15);

/// The local layer is given so long at least: it may have to fetch keys.
const LOCAL_PATIENCE: Duration = Duration::from_secs(1);

/// What the cache itself keeps for each entry, and what the allocator rounds up.
const PER_ENTRY: usize = 128;

#[derive(Clone)]
struct Remembered {
    outcome: Result<Arc<Facts>, VerifyFault>,
    until: Timestamp,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<String, Remembered> for ByBytes {
    fn weight(&self, token: &String, remembered: &Remembered) -> u64 {
        let facts = remembered.outcome.as_ref().map_or(0, |facts| facts.bytes());
        (token.len() + size_of::<String>() + size_of::<Remembered>() + facts + PER_ENTRY) as u64
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
    limits: ChainLimits,
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
        limits: ChainLimits,
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

    /// The verdict on this very token, if a good one is remembered. The token is compared in full.
    pub fn recall(&self, token: &str, now: Timestamp) -> Option<Verified> {
        let remembered = self.cache.get(token)?;
        if remembered.until <= now {
            return None;
        }
        verified(remembered.outcome).ok()
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
        let asked = async { Ok::<_, std::convert::Infallible>(self.ask(token, now).await) };
        let Ok(answer) = self.cache.get_or_insert_async(token.expose(), asked).await;
        verified(answer.outcome)
    }

    async fn ask(&self, token: &PresentedToken, now: Timestamp) -> Remembered {
        match self.ask_layers(token, now).await {
            Ok(facts) => {
                let local = facts.identity.verification_source == VerificationSource::LocalJwt;
                let keep = if local {
                    self.limits.keep.min(KEEP_LOCAL)
                } else {
                    self.limits.keep
                };
                let until = clock::after(now, keep).min(facts.expires_at.unwrap_or(Timestamp::MAX));
                Remembered {
                    outcome: Ok(Arc::new(facts)),
                    until,
                }
            }
            Err(VerifyFault::Rejected(rejection)) => {
                let until = clock::after(now, self.limits.keep.min(KEEP_REFUSAL));
                Remembered {
                    outcome: Err(VerifyFault::Rejected(rejection)),
                    until,
                }
            }
            // Shared with whoever waits already, or each of them would wait for a time-out of its own in turn; whoever
            // comes later asks again.
            Err(unavailable @ VerifyFault::Unavailable(_)) => Remembered {
                outcome: Err(unavailable),
                until: now,
            },
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
        let started = Instant::now();
        let (mut rejected, mut unavailable) = (None, None);
        let leeway = self.leeway();
        let reading = Reading {
            paths: &self.paths,
            leeway,
            token,
            shape: &shape,
            proven: proven.as_ref(),
            now,
        };
        for layer in &self.layers {
            if rejected.is_some() && layer.source() == VerificationSource::LocalJwt {
                continue;
            }
            let verdict = match self.asked(layer.as_ref(), token, started, now).await {
                Verdict::Verified(said) => match reading.facts(layer.source(), &said) {
                    Ok(facts) => return Ok(facts),
                    Err(verdict) => verdict,
                },
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

    /// What a layer says, as long as there is time left. The local layer is asked all the same: it is there for when
    /// the others do not answer.
    async fn asked(
        &self,
        layer: &dyn Verifier,
        token: &PresentedToken,
        started: Instant,
        now: Timestamp,
    ) -> Verdict {
        let left = self.limits.patience.saturating_sub(started.elapsed());
        let left = if layer.source() == VerificationSource::LocalJwt {
            left.max(LOCAL_PATIENCE)
        } else {
            left
        };
        let late = || Verdict::Unavailable(Unavailable::upstream("no time was left to ask it"));
        timeout(left, layer.verify(token, now))
            .await
            .unwrap_or_else(|_| late())
    }

    fn leeway(&self) -> Duration {
        let seconds = self.jwt.as_ref().map_or(0, |check| check.policy.leeway_seconds);
        Duration::from_secs(seconds)
    }
}

fn verified(outcome: Result<Arc<Facts>, VerifyFault>) -> Result<Verified, VerifyFault> {
    outcome.map(Verified::new)
}
