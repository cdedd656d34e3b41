//! One round through the layers, for a token without a cached verdict.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use super::{MIN_LOCAL_TIMEOUT, VerifyChain};
use crate::identity::VerificationSource;
use crate::issued_tokens::{IssuedTokens, TokenUse};
use crate::unavailable::Unavailable;
use crate::verdict::CredentialInfo;
use crate::verify::budget::UpstreamBudget;
use crate::verify::claims::ClaimsReader;
use crate::verify::explain;
use crate::verify::fault::VerifyFault;
use crate::verify::jwt::PrecheckResult;
use crate::verify::layer::SignatureProof;
use crate::verify::layer::{TokenRejection, TokenVerifier, Verdict, VerifyInput};
use crate::verify::parsed_token::ParsedToken;
use maxlab_auth_jose::{DeclaredKind, TokenShape};

/// Time-out of the register if its answer is not needed.
const REGISTER_TIMEOUT: Duration = Duration::from_millis(250);

impl VerifyChain {
    /// Asks the layers in their order. [`VerifyChain`] says what their verdicts add up to.
    pub(super) async fn ask_layers(
        &self,
        parsed: &ParsedToken<'_>,
        register: Option<&dyn IssuedTokens>,
        budget: &dyn UpstreamBudget,
        now: Timestamp,
    ) -> Result<CredentialInfo, VerifyFault> {
        explain::note(|| explain::token_step(parsed));
        let proof = self.precheck(parsed, now);
        explain::note(|| explain::precheck_step(proof.as_ref().map(Option::as_deref)));
        let proof = proof.map_err(VerifyFault::Rejected)?;
        if let Some(register) = register {
            let found = refuse_refresh_token(register, parsed, proof.is_some()).await;
            explain::note(|| explain::register_step(found.as_ref()));
            found?;
        }
        let input = VerifyInput {
            parsed,
            proof: proof.as_deref(),
        };
        let (mut rejected, mut unavailable, mut is_paid) = (None, None, false);
        let reader = self.claims_reader(&input, now);
        for layer in &self.layers {
            // Behind remote layers, `local_jwt` is a fallback for outages, and not a second opinion.
            if rejected.is_some() && layer.source() == VerificationSource::LocalJwt {
                explain::note(explain::skipped_step);
                continue;
            }
            // One charge for the whole round, before the first request to the authorization server.
            if !is_paid && layer.source() != VerificationSource::LocalJwt {
                budget.try_spend()?;
                is_paid = true;
            }
            let verdict = match self.ask_layer(layer.as_ref(), &input, now).await {
                Verdict::Verified(claims) => match reader.credential_info(layer.source(), &claims) {
                    Ok(info) => {
                        explain::note(|| explain::accepted_step(layer.source(), &info.identity));
                        return Ok(info);
                    }
                    Err(verdict) => verdict,
                },
                other => other,
            };
            explain::note(|| explain::layer_step(layer.source(), &verdict));
            match verdict {
                // No other layer is asked: a careless one would accept the token (decision 19).
                Verdict::Refuted(rejection) => return Err(VerifyFault::Rejected(rejection)),
                Verdict::Rejected(rejection) => rejected = rejected.or(Some(rejection)),
                Verdict::Unavailable(fault) => {
                    tracing::warn!(layer = layer.source().as_str(), %fault, "verification layer failed");
                    // The first fault is returned. But "unprocessable" means that there is no such token, and
                    // must not hide that another layer did not answer.
                    unavailable = unavailable
                        .filter(|first: &Unavailable| !first.is_unprocessable())
                        .or(Some(fault));
                }
                Verdict::NotApplicable | Verdict::Verified(_) => {}
            }
        }
        match (rejected, unavailable) {
            (Some(rejection), _) => Err(VerifyFault::Rejected(rejection)),
            (None, Some(fault)) => Err(VerifyFault::Unavailable(fault)),
            (None, None) => Err(VerifyFault::Rejected(rejection_without_verdict(parsed))),
        }
    }

    /// Returns the reader for the claims of an accepted token.
    pub(super) fn claims_reader<'a>(&'a self, input: &VerifyInput<'a>, now: Timestamp) -> ClaimsReader<'a> {
        ClaimsReader {
            claim_paths: &self.claim_paths,
            issuer: &self.issuer,
            issuers: &self.issuers,
            leeway: self.leeway(),
            parsed: input.parsed,
            proven: input.proof.map(SignatureProof::claims),
            now,
        }
    }

    /// Checks a token with the cached keys, before any layer is asked.
    ///
    /// # Errors
    /// Fails if the token is certainly not valid.
    pub(super) fn precheck(
        &self,
        parsed: &ParsedToken<'_>,
        now: Timestamp,
    ) -> Result<Option<Box<SignatureProof>>, TokenRejection> {
        match (parsed.shape(), &self.jwt) {
            (TokenShape::Malformed(_), _) => Err(TokenRejection::Malformed),
            (TokenShape::Jws(jws), Some(check)) => match check.precheck(jws, now) {
                PrecheckResult::Rejected(rejection) => Err(rejection),
                PrecheckResult::Proven(proof) => Ok(Some(proof)),
                PrecheckResult::Undecided => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// Asks one layer, with its own time-out.
    #[tracing::instrument(level = "debug", skip_all, fields(layer = layer.source().as_str()))]
    async fn ask_layer(&self, layer: &dyn TokenVerifier, input: &VerifyInput<'_>, now: Timestamp) -> Verdict {
        let limit = if layer.source() == VerificationSource::LocalJwt {
            // A short time-out for remote layers must not keep the local one from fetching keys.
            self.limits.layer_timeout.max(MIN_LOCAL_TIMEOUT)
        } else {
            self.limits.layer_timeout
        };
        timeout(limit, layer.verify(input, now))
            .await
            .unwrap_or_else(|_| Verdict::Unavailable(Unavailable::upstream("no answer within the time-out")))
    }

    /// Returns the clock skew that the claims policy allows.
    pub(super) fn leeway(&self) -> Duration {
        let seconds = self
            .jwt
            .as_ref()
            .map_or(0, |check| check.claims_policy.leeway_seconds);
        Duration::from_secs(seconds)
    }
}

/// Rejects a token that was issued as a refresh token, which is only for the
/// authorization server (RFC 6749 §1.5).
///
/// # Errors
/// Fails if the token is one. Also fails if the register does not answer and nothing else
/// proves that it is an access token.
#[tracing::instrument(level = "debug", skip_all)]
async fn refuse_refresh_token(
    register: &dyn IssuedTokens,
    parsed: &ParsedToken<'_>,
    is_proven: bool,
) -> Result<(), VerifyFault> {
    let Some(key) = parsed.refresh_key() else {
        return Ok(());
    };
    let entry = if is_proven && is_declared_access_token(parsed) {
        // The issuer has signed that it is an access token, so it must not
        // stop working when the database does.
        match timeout(REGISTER_TIMEOUT, register.find(key)).await {
            Ok(Ok(entry)) => entry,
            Ok(Err(_)) | Err(_) => None,
        }
    } else {
        register.find(key).await?
    };
    match entry {
        Some(token) if token.token_use == TokenUse::Refresh => {
            Err(VerifyFault::Rejected(TokenRejection::NotAccessToken))
        }
        _ => Ok(()),
    }
}

/// Returns the reason for rejecting a token that no layer accepts, rejects or fails on.
fn rejection_without_verdict(parsed: &ParsedToken<'_>) -> TokenRejection {
    match parsed.shape() {
        TokenShape::Jws(jws) if jws.unverified_resembles_id_token() => TokenRejection::NotAccessToken,
        _ => TokenRejection::Refused,
    }
}

/// Returns `true` if a token declares itself an access token. That counts only if its signature is proven.
pub(super) fn is_declared_access_token(parsed: &ParsedToken<'_>) -> bool {
    match parsed.shape() {
        TokenShape::Jws(jws) => jws.unverified_kind() == DeclaredKind::Access,
        TokenShape::Opaque | TokenShape::Malformed(_) => false,
    }
}

#[cfg(test)]
mod tests;
