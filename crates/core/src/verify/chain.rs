//! The order of the layers, what their answers add up to, and the verdicts that are remembered for a while.

mod at_once;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use quick_cache::sync::{Cache, EntryAction, EntryResult};
use tokio::time::{Instant, timeout};

use super::ahead::{Ahead, DueRenewals, Renewed};
use super::examined::Examined;
use super::jwt::{JwtCheck, KeysInForce, Precheck, Proof};
use super::key::{Presented, Token};
use super::reading::Reading;
use super::remembered::{ByBytes, Remembered};
use super::testimony::{Rejection, Shown, Verdict, Verified, Verifier};
use crate::credential::PresentedToken;
use crate::identity::{ClaimPaths, VerificationSource};
use crate::revocation::{Commons, Facts, Known, Packed};
use crate::token::TokenShape;
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

/// The local layer is given so long at least: it may have to fetch keys.
const LOCAL_PATIENCE: Duration = Duration::from_secs(1);

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
    cache: Cache<Token, Remembered, ByBytes>,
    commons: Commons,
    ahead: Ahead,
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
            commons: Commons::default(),
            ahead: Ahead::default(),
        }
    }

    /// The verdict on this very token, if one is remembered; then the layers need not be asked. The token is compared in full.
    pub fn recall(&self, token: &str, now: Timestamp) -> Option<Result<Verified, VerifyFault>> {
        let remembered = self.current(token, now)?;
        if remembered.is_due(now) {
            self.hand_over(token, now);
        }
        Some(verified(remembered.outcome))
    }

    /// Verifies a token. However many ask about one token at once, the layers are asked once.
    ///
    /// # Errors
    /// It is not good, or nobody knows.
    pub async fn verify(&self, token: &PresentedToken, now: Timestamp) -> Result<Verified, VerifyFault> {
        match self.recall(token.expose(), now) {
            Some(verdict) => verdict,
            None => self.verify_examined(&Examined::of(token), now).await,
        }
    }

    /// The same for a token that was taken apart already.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub async fn verify_examined(
        &self,
        examined: &Examined<'_>,
        now: Timestamp,
    ) -> Result<Verified, VerifyFault> {
        let token = examined.token().expose();
        self.cache
            .remove_if(&Presented(token), |known| !self.counts(known, now));
        let plain = Token::Plain(token.into());
        let guard = match self.cache.get_value_or_guard_async(&plain).await {
            Ok(remembered) => return verified(remembered.outcome),
            Err(guard) => guard,
        };
        let answer = match self.answered_meanwhile(token, now).await {
            Some(answer) => answer,
            None => self.ask(examined, now).await,
        };
        if guard.insert(answer.clone()).is_ok()
            && let Ok(packed) = &answer.outcome
        {
            // From now on the verdict's own copy of the token is the key.
            let key = Token::Packed(Arc::clone(packed));
            let _ = self.cache.replace(key, answer.clone(), true);
        }
        verified(answer.outcome)
    }

    /// The tokens whose verdicts are due to be renewed, for whoever then calls [`renew`](Self::renew). Nothing is renewed
    /// before this is called; `None` if it was.
    pub fn due_renewals(&self) -> Option<DueRenewals> {
        self.ahead.drained()
    }

    /// The verdict on this token that waits to be renewed, if it still does.
    pub fn awaiting_renewal(&self, token: &PresentedToken, now: Timestamp) -> Option<Verified> {
        let remembered = self.cache.peek(&Presented(token.expose()))?;
        verified(remembered.outcome.clone())
            .ok()
            .filter(|_| remembered.is_claimed(now))
    }

    /// Asks the layers again about a token whose verdict waits to be renewed.
    pub async fn renew(&self, token: &PresentedToken, now: Timestamp) -> Renewed {
        // Announced before it is looked whether the verdict still counts: whoever finds that it does not counts on finding
        // the renewal here, and does not ask too.
        let Some(under_way) = self.ahead.begin(token.expose()) else {
            return Renewed::Needless;
        };
        if self.awaiting_renewal(token, now).is_none() {
            return Renewed::Needless;
        }
        let answer = self.ask(&Examined::of(token), now).await;
        let (key, renewed) = match &answer.outcome {
            // Only the fallback for outages said yes: for the remote layers' verdict that is none.
            Ok(packed) if packed.source() == VerificationSource::LocalJwt => (None, Renewed::Unavailable),
            Ok(packed) => (Some(Token::Packed(Arc::clone(packed))), Renewed::Verified),
            Err(fault) => match fault.as_ref() {
                VerifyFault::Rejected(_) => (Some(Token::Plain(token.expose().into())), Renewed::Rejected),
                VerifyFault::Unavailable(_) => (None, Renewed::Unavailable),
            },
        };
        if let Some(key) = key {
            self.cache.insert(key, answer.clone());
        }
        under_way.end(answer);
        renewed
    }

    /// What is remembered of a token, if it still counts.
    fn current(&self, token: &str, now: Timestamp) -> Option<Remembered> {
        self.cache
            .get(&Presented(token))
            .filter(|remembered| self.counts(remembered, now))
    }

    fn counts(&self, remembered: &Remembered, now: Timestamp) -> bool {
        remembered.is_current(now, || self.keys_in_force())
    }

    fn keys_in_force(&self) -> Option<KeysInForce> {
        self.jwt.as_ref()?.keys_in_force()
    }

    /// Puts a token whose verdict runs out soon into the queue, once; this is rare.
    #[cold]
    fn hand_over(&self, token: &str, now: Timestamp) {
        let Some(place) = self.ahead.place() else { return };
        let Ok(token) = PresentedToken::parse(token) else {
            return;
        };
        let key = Token::Plain(token.expose().into());
        let claimed = self.cache.entry(&key, Some(Duration::ZERO), |_, remembered| {
            EntryAction::Retain(remembered.claim(now))
        });
        if matches!(claimed, EntryResult::Retained(true)) {
            place.send(token);
        }
    }

    /// What a renewal under way says, or said between the look at what is remembered and this one.
    async fn answered_meanwhile(&self, token: &str, now: Timestamp) -> Option<Remembered> {
        if let Some(answer) = self.ahead.answer_of(token).await {
            return Some(answer);
        }
        self.cache
            .peek(&Presented(token))
            .filter(|remembered| self.counts(remembered, now))
    }

    async fn ask(&self, examined: &Examined<'_>, now: Timestamp) -> Remembered {
        let (began, keep) = (Instant::now(), self.limits.keep);
        let edition = self.keys_in_force().map(|keys| keys.edition);
        match self.ask_layers(examined, now).await {
            Ok(facts) => {
                let packed = self.packed(examined.token(), &facts);
                Remembered::accepted(packed, now, keep, began.elapsed(), edition)
            }
            Err(fault) => Remembered::refused(fault, now, keep),
        }
    }

    fn packed(&self, token: &PresentedToken, facts: &Facts) -> Arc<Packed> {
        Arc::new(Packed::new(token.expose(), facts, &self.commons))
    }

    async fn ask_layers(&self, examined: &Examined<'_>, now: Timestamp) -> Result<Facts, VerifyFault> {
        let proof = self.early_look(examined, now).map_err(VerifyFault::Rejected)?;
        let shown = Shown {
            examined,
            proof: proof.as_deref(),
        };
        let started = Instant::now();
        let (mut rejected, mut unavailable) = (None, None);
        let reading = self.reading(&shown, now);
        for layer in &self.layers {
            if rejected.is_some() && layer.source() == VerificationSource::LocalJwt {
                continue;
            }
            let verdict = match self.asked(layer.as_ref(), &shown, started, now).await {
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

    /// How a token is read that a layer accepts.
    fn reading<'a>(&'a self, shown: &Shown<'a>, now: Timestamp) -> Reading<'a> {
        Reading {
            paths: &self.paths,
            leeway: self.leeway(),
            examined: shown.examined,
            proven: shown.proof.map(Proof::testimony),
            now,
        }
    }

    /// What known keys prove of it before any layer is asked.
    fn early_look(&self, examined: &Examined<'_>, now: Timestamp) -> Result<Option<Box<Proof>>, Rejection> {
        match (examined.shape(), &self.jwt) {
            (TokenShape::Malformed(_), _) => Err(Rejection::Malformed),
            (TokenShape::Jws(jws), Some(check)) => match check.look(jws, now) {
                Precheck::Refused(rejection) => Err(rejection),
                Precheck::Proven(proof) => Ok(Some(proof)),
                Precheck::Open => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// What a layer says, as long as there is time left. The local layer is asked all the same: it is there for when
    /// the others do not answer.
    async fn asked(
        &self,
        layer: &dyn Verifier,
        shown: &Shown<'_>,
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
        timeout(left, layer.verify(shown, now))
            .await
            .unwrap_or_else(|_| late())
    }

    fn leeway(&self) -> Duration {
        let seconds = self.jwt.as_ref().map_or(0, |check| check.policy.leeway_seconds);
        Duration::from_secs(seconds)
    }
}

fn verified(outcome: Result<Arc<Packed>, Arc<VerifyFault>>) -> Result<Verified, VerifyFault> {
    match outcome {
        Ok(packed) => Ok(Verified::new(Known::Packed(packed))),
        Err(fault) => Err(Arc::unwrap_or_clone(fault)),
    }
}

#[cfg(test)]
mod tests;
