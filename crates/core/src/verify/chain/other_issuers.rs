//! Further issuers (`PROVIDERS_FILE`): each has a chain of its own, and a token is judged by the one that it
//! names (decision 41).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;

use super::VerifyChain;
use crate::identity::{Issuer, VerificationSource};
use crate::issued_tokens::IssuedTokens;
use crate::unavailable::Unavailable;
use crate::verdict::CredentialInfo;
use crate::verify::budget::UpstreamBudget;
use crate::verify::cache_key::CacheKeyRef;
use crate::verify::explain;
use crate::verify::fault::VerifyFault;
use crate::verify::layer::TokenRejection;
use crate::verify::parsed_token::ParsedToken;
use maxlab_auth_jose::TokenShape;

/// Chains of further issuers, replaced as a whole.
#[derive(Default)]
pub(super) struct OtherIssuers {
    /// `None` while no file of providers is configured.
    chains: ArcSwapOption<Vec<Arc<VerifyChain>>>,
    /// Number of replacements.
    generation: AtomicU64,
}

impl OtherIssuers {
    /// Returns the number of replacements so far. A verdict from before the last one must not be cached.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }
}

/// Chain that judges a token.
pub(super) enum TokenJudge {
    /// The chain that was asked.
    This,
    /// The chain of another issuer.
    Other(Arc<VerifyChain>),
    /// None: the token names an issuer that is not trusted.
    Untrusted,
    /// Not known yet: the name of the default issuer has not been found.
    Unknown,
}

impl VerifyChain {
    /// Replaces the chains of all further issuers, and forgets every cached verdict. What an issuer vouched for
    /// that is no longer among them is refused from now on.
    pub fn replace_other_issuers(&self, chains: Vec<Arc<Self>>) {
        self.others.chains.store(Some(Arc::new(chains)));
        // Before the cache is emptied: a verdict that is inserted afterwards is seen to be old.
        self.others.generation.fetch_add(1, Ordering::SeqCst);
        self.cache.clear();
    }

    /// Returns `true` if people of this issuer may have a session here.
    pub fn trusts_issuer(&self, issuer: &Issuer) -> bool {
        if *issuer == self.issuer {
            return true;
        }
        match self.others.chains.load().as_deref() {
            None => true,
            Some(chains) => chains.iter().any(|chain| chain.issuer == *issuer),
        }
    }

    /// Returns the issuer that an unverified token names, if it is trusted; otherwise the default one. It may be
    /// used to refuse a token, never to accept it.
    pub fn issuer_of(&self, shape: &TokenShape<'_>) -> Issuer {
        self.other_chain(shape)
            .map_or_else(|| self.issuer.clone(), |chain| chain.issuer.clone())
    }

    /// Returns the chain of the further issuer that a token names exactly.
    pub(in crate::verify) fn other_chain(&self, shape: &TokenShape<'_>) -> Option<Arc<Self>> {
        let chains = self.others.chains.load();
        let TokenShape::Jws(jws) = shape else { return None };
        let named = jws.unverified_issuer().filter(|_| chains.is_some())?;
        let is_named = |chain: &&Arc<Self>| chain.issuer.name() == Some(named);
        chains.as_deref()?.iter().find(is_named).cloned()
    }

    /// Returns the chain that judges a token.
    pub(super) fn judge_of(&self, parsed: &ParsedToken<'_>, now: Timestamp) -> TokenJudge {
        if self.others.chains.load().is_none() {
            return TokenJudge::This;
        }
        let TokenShape::Jws(jws) = parsed.shape() else {
            return TokenJudge::This;
        };
        let Some(named) = jws.unverified_issuer() else {
            return TokenJudge::This;
        };
        if let Some(other) = self.other_chain(parsed.shape()) {
            return TokenJudge::Other(other);
        }
        if self.issuers.names(now).iter().any(|name| name == named) {
            return TokenJudge::This;
        }
        match self.jwt.as_ref().and_then(|check| check.issuer(now)) {
            Some(_) => TokenJudge::Untrusted,
            None => TokenJudge::Unknown,
        }
    }

    /// Asks the chain of the issuer that the token names. An opaque token names none, so all issuers that can be
    /// asked about one are asked, in their order, until one accepts it.
    pub(super) async fn ask_issuers(
        &self,
        parsed: &ParsedToken<'_>,
        register: Option<&dyn IssuedTokens>,
        budget: &dyn UpstreamBudget,
        now: Timestamp,
    ) -> Result<CredentialInfo, VerifyFault> {
        match self.judge_of(parsed, now) {
            TokenJudge::This => {}
            TokenJudge::Other(other) => {
                explain::note(|| explain::issuer_step(other.issuer.name()));
                // Without the register: it has the refresh tokens of the default issuer.
                return other.ask_layers(parsed, None, budget, now).await;
            }
            TokenJudge::Untrusted => {
                explain::note(explain::untrusted_issuer_step);
                return Err(VerifyFault::Rejected(TokenRejection::Claims));
            }
            TokenJudge::Unknown => {
                return Err(VerifyFault::Unavailable(Unavailable::upstream(
                    "the name of the default issuer is not known yet; set JWT_ISSUER",
                )));
            }
        }
        let result = self.ask_layers(parsed, register, budget, now).await;
        match self.others.chains.load_full() {
            Some(others) if matches!(parsed.shape(), TokenShape::Opaque) => {
                ask_in_order(result, &others, parsed, budget, now).await
            }
            _ => result,
        }
    }

    /// Removes a verdict that was cached while the issuers were replaced. Returns `true` if they were.
    pub(super) fn forget_if_replaced(&self, token: &str, generation: u64) -> bool {
        let is_replaced = generation != self.others.generation();
        if is_replaced {
            self.cache.remove(&CacheKeyRef(token));
        }
        is_replaced
    }

    /// Returns `true` if a layer asks an authorization server.
    fn has_remote_layer(&self) -> bool {
        self.layers
            .iter()
            .any(|layer| layer.source() != VerificationSource::LocalJwt)
    }
}

/// Asks further issuers about an opaque token that has this result so far. One that does not answer neither
/// accepts nor rejects for another: without a yes, the result is then unavailable.
async fn ask_in_order(
    mut result: Result<CredentialInfo, VerifyFault>,
    others: &[Arc<VerifyChain>],
    parsed: &ParsedToken<'_>,
    budget: &dyn UpstreamBudget,
    now: Timestamp,
) -> Result<CredentialInfo, VerifyFault> {
    for other in others.iter().filter(|chain| chain.has_remote_layer()) {
        match &result {
            Ok(_) => return result,
            // Known as a refresh token, so no other issuer is shown it.
            Err(VerifyFault::Rejected(TokenRejection::NotAccessToken)) => return result,
            Err(VerifyFault::Unavailable(fault)) if fault.is_throttled() => return result,
            Err(_) => {}
        }
        explain::note(|| explain::issuer_step(other.issuer.name()));
        result = match (other.ask_layers(parsed, None, budget, now).await, result) {
            (Ok(info), _) => Ok(info),
            (Err(fault @ VerifyFault::Unavailable(_)), Err(VerifyFault::Rejected(_))) => Err(fault),
            (Err(_), earlier) => earlier,
        };
    }
    result
}

#[cfg(test)]
mod tests;
