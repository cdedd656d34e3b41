//! Exchange of a refresh token (RFC 6749 §6): claimed, sent, recorded.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{ExchangeFault, ExchangeOutcome, GrantExchange, RECORDING_TIMEOUT, outcome_without_tokens};
use crate::credential::PresentedToken;
use crate::engine::refresh_answer::AnsweredRefresh;
use crate::engine::{RefreshFault, RefreshTokenState};
use crate::unavailable::Unavailable;

/// Time for which recording the renewed tokens is retried before they are given up (decision 9).
const MAX_RECORDING_TIME: Duration = Duration::from_secs(120);
/// Time between two attempts to claim a refresh token that another instance is exchanging.
const CLAIM_POLL_INTERVAL: Duration = Duration::from_millis(100);

impl GrantExchange {
    /// Exchanges a refresh token for new tokens.
    pub(super) async fn refresh_token(
        &self,
        token: &PresentedToken,
        request_key: &str,
    ) -> Result<ExchangeOutcome, ExchangeFault> {
        let engine = &self.engine;
        // Before the exchange, and by the shared clock: a logout-all that comes during it covers the new
        // tokens.
        let started_at = engine.shared_time().await?;
        let state = match self.claim_refresh_token(token).await {
            Err(ExchangeFault::Refresh(RefreshFault::Reused)) => {
                return self.repeat_answer(token, request_key).await;
            }
            claimed => claimed?,
        };
        let (body, granted) = match self.request_tokens().await {
            Ok(Ok(tokens)) => tokens,
            no_tokens => {
                self.release_claim(&state).await;
                return outcome_without_tokens(no_tokens);
            }
        };
        // The authorization server has rotated the token. If the store fails now, the session must not be
        // lost: this loop goes on while the clients get 503 and join again.
        let started = Instant::now();
        let answered = AnsweredRefresh {
            request_key,
            body: &body,
        };
        loop {
            match engine
                .complete_refresh(&state, &granted, answered, started_at, &self.request.origin)
                .await
            {
                Ok(()) => {
                    self.release_claim(&state).await;
                    // The session keeps its id, so none is delivered.
                    return Ok(ExchangeOutcome::Granted { body, session: None });
                }
                Err(RefreshFault::Unavailable(fault)) if started.elapsed() < MAX_RECORDING_TIME => {
                    tracing::warn!(%fault, "renewed tokens not recorded, retrying");
                    sleep(RECORDING_TIMEOUT / 10).await;
                }
                // The claim is kept: the token was used, and the claim expires.
                Err(fault) => return Err(fault.into()),
            }
        }
    }

    /// Gives the answer of an exchange again, if this request repeats it within the grace period. The
    /// authorization server is not asked (invariant I7).
    async fn repeat_answer(
        &self,
        token: &PresentedToken,
        request_key: &str,
    ) -> Result<ExchangeOutcome, ExchangeFault> {
        let client_id = self.request.client_id.as_deref();
        let repeated = self.engine.repeated_answer(token, client_id, request_key).await?;
        match repeated {
            Some(body) => {
                tracing::debug!("refresh repeated within the grace period, same answer given");
                Ok(ExchangeOutcome::Granted { body, session: None })
            }
            None => Err(RefreshFault::Reused.into()),
        }
    }

    /// Claims a refresh token for this exchange. While another instance has the claim, waits for its result.
    async fn claim_refresh_token(&self, token: &PresentedToken) -> Result<RefreshTokenState, ExchangeFault> {
        let (engine, request) = (&self.engine, &self.request);
        let max_wait = self.endpoint.time_limit();
        let started = Instant::now();
        loop {
            // Again in each round: if the other instance has used the token, this refuses it.
            let state = engine
                .check_refresh(token, request.client_id.as_deref(), &request.origin)
                .await?;
            // The claim lasts as long as the exchange can take, with all attempts to record it.
            if engine
                .begin_exchange(&state, max_wait + MAX_RECORDING_TIME)
                .await?
            {
                return Ok(state);
            }
            if started.elapsed() > max_wait {
                return Err(
                    Unavailable::upstream("another instance is exchanging this refresh token").into(),
                );
            }
            sleep(CLAIM_POLL_INTERVAL).await;
        }
    }

    /// Releases the claim. If that fails, the claim expires. The result of the exchange is valid in both
    /// cases.
    async fn release_claim(&self, state: &RefreshTokenState) {
        if let Err(fault) = self.engine.end_exchange(state).await {
            tracing::warn!(%fault, "claim on a refresh token not released");
        }
    }
}
