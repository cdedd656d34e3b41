//! Exchange of an authorization code, which begins a session (RFC 6749 §4.1.3).

use jiff::Timestamp;

use super::{
    BegunSession, ExchangeFault, ExchangeOutcome, GrantAnswer, GrantExchange, outcome_without_tokens,
};
use crate::audit::{AuditEvent, AuditKind};
use crate::engine::{LoginFault, TokenGrant};
use crate::issued_tokens::TokenUse;
use crate::revocation::RevocationReason;
use crate::token_endpoint::UpstreamError;

/// Errors of RFC 6749 §5.2 and §4.1.2.1 that are not about the code.
const CODE_PRESERVING_ERRORS: [&str; 6] = [
    "invalid_request",
    "invalid_client",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "temporarily_unavailable",
];

impl GrantExchange {
    /// Exchanges an authorization code for tokens, and begins a session.
    pub(super) async fn code(&self, code: &str) -> Result<ExchangeOutcome, ExchangeFault> {
        // Before the code is sent: if the store or the database is down, the code must not be spent for
        // nothing.
        let engine = &self.engine;
        let login_at = engine.shared_time().await?;
        if !engine.claim_code(code, self.endpoint.time_limit()).await? {
            return Err(ExchangeFault::CodeUsed);
        }
        let (body, granted) = match self.request_tokens().await {
            Ok(Ok(tokens)) => tokens,
            no_tokens => {
                if is_code_unspent(&no_tokens) {
                    engine.release_code(code).await;
                }
                return outcome_without_tokens(no_tokens);
            }
        };
        // `login_at` is the time before the exchange: a logout-all that comes during it covers these tokens.
        match engine.log_in(&granted, login_at, &self.request.origin).await {
            Ok(login) => {
                self.end_replaced_session().await;
                let session = Some(BegunSession {
                    handle: login.session.record.handle,
                    id: login.session.id,
                });
                Ok(ExchangeOutcome::Granted { body, session })
            }
            // The client gets its tokens anyway, without a session: it may use them elsewhere.
            Err(LoginFault::NotIdentified(fault)) => {
                tracing::warn!(%fault, "session not created, access token not accepted by the layers");
                Ok(ExchangeOutcome::Granted { body, session: None })
            }
            Err(fault) => {
                self.revoke_undelivered(&granted, login_at).await;
                Err(fault.into())
            }
        }
    }

    /// Ends the session that the browser had before the login. Its id may have been planted (session
    /// fixation, decision 10). If this fails, the login is still valid, and the browser gets its new session.
    pub(super) async fn end_replaced_session(&self) {
        let engine = &self.engine;
        let Some(id) = &self.request.presented_session else {
            return;
        };
        // Any error means that there is no session to end now.
        let Ok((active, loaded)) = engine.authenticate_session(id).await else {
            return;
        };
        let (subject, handle) = (&active.identity().subject(), &loaded.record.handle);
        let event = AuditEvent::new(AuditKind::SessionTerminated, engine.now(), &self.request.origin)
            .with_actor(subject)
            .with_target(handle.as_str())
            .with_detail("replaced by a new login in the browser");
        if let Err(fault) = engine
            .end_session(subject, handle, RevocationReason::SessionTerminated, vec![event])
            .await
        {
            tracing::warn!(%fault, "replaced session not ended");
        }
    }

    /// Revokes tokens that the client does not get.
    pub(super) async fn revoke_undelivered(&self, granted: &TokenGrant, now: Timestamp) {
        let tokens = [
            (Some(&granted.access_token), TokenUse::Access),
            (granted.refresh_token.as_ref(), TokenUse::Refresh),
        ];
        for (token, token_use) in tokens {
            let Some(token) = token else { continue };
            self.enqueue_undelivered(token, token_use, now).await;
        }
    }
}

/// Returns `true` if a code is certainly still valid after an exchange without tokens: the authorization
/// server did not get the request, could not handle it, or found a fault in something other than the code
/// (decision 18).
pub(super) fn is_code_unspent(answer: &GrantAnswer) -> bool {
    match answer {
        // A time-out or a broken connection may come after the server has used the code.
        Err(UpstreamError::NotConnected(_) | UpstreamError::Unavailable) => true,
        Ok(Err(ExchangeOutcome::Refused(refusal))) => {
            refusal.is_rate_limit()
                || refusal
                    .error_code()
                    .is_some_and(|error| CODE_PRESERVING_ERRORS.contains(&error))
        }
        _ => false,
    }
}
