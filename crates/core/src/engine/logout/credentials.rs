//! Credentials of a logout: proven one by one, and what the proofs allow together (decision 17).

use std::time::Duration;

use super::{LogoutCounts, LogoutFault, LogoutRequest};
use crate::audit::AuditOrigin;
use crate::credential::{PresentedToken, SessionHandle, SessionId};
use crate::engine::{CredentialProof, CredentialRefusal, Engine};
use crate::identity::Subject;
use crate::unavailable::Unavailable;
use crate::verify::UpstreamBudget;

/// Session cookie of a logout.
#[derive(Clone, Debug)]
pub enum LogoutCookie {
    /// Session id of a cookie that comes from our own pages, or not from a browser.
    Session(SessionId),
    /// Cookie of a request that does not show where it comes from. It ends nothing.
    Untrusted,
    /// Cookie that cannot be a session id.
    Malformed,
}

/// Credentials of a logout. A malformed one does not hide the other.
#[derive(Clone, Debug, Default)]
pub struct LogoutCredentials {
    /// Bearer token, or the fault of one that cannot be a token.
    pub bearer: Option<Result<PresentedToken, CredentialRefusal>>,
    /// Session cookie.
    pub cookie: Option<LogoutCookie>,
}

/// Further parts of a logout request.
#[derive(Clone, Debug, Default)]
pub struct LogoutOptions {
    /// Session that the request names. See [`LogoutRequest::named_session`].
    pub named_session: Option<SessionHandle>,
    /// Refresh token.
    pub refresh_token: Option<PresentedToken>,
    /// `true` for a logout-all.
    pub everywhere: bool,
    /// See [`LogoutRequest::upstream_delay`].
    pub upstream_delay: Duration,
}

/// Caller whom a logout is charged to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogoutPayer {
    /// Proven user.
    User(Subject),
    /// Address of the request, because the ended login names no user.
    Address,
}

/// Credentials of a logout with their proofs.
#[derive(Debug)]
pub struct ProvenLogout {
    credentials: LogoutCredentials,
    bearer: Option<CredentialProof>,
    cookie: Option<CredentialProof>,
    /// Component that did not answer when one of the credentials was checked.
    unavailable: Option<Unavailable>,
}

impl Engine {
    /// Checks what the credentials of a logout prove. Nothing is written.
    #[tracing::instrument(skip_all)]
    pub async fn prove_logout(
        &self,
        credentials: LogoutCredentials,
        budget: &dyn UpstreamBudget,
    ) -> ProvenLogout {
        let (mut bearer, mut cookie, mut unavailable) = (None, None, None);
        if let Some(Ok(token)) = &credentials.bearer {
            match self.proof_of_token(token, budget).await {
                Ok(proof) => bearer = Some(proof),
                // Kept, and the cookie is checked too: its login can end meanwhile.
                Err(fault) => unavailable = Some(fault),
            }
        }
        match &credentials.cookie {
            Some(LogoutCookie::Session(id)) => match self.proof_of_cookie(id).await {
                Ok(proof) => cookie = Some(proof),
                Err(fault) => unavailable = Some(fault),
            },
            Some(LogoutCookie::Malformed) => {
                cookie = Some(CredentialProof::Unproven(CredentialRefusal::NoSession));
            }
            Some(LogoutCookie::Untrusted) | None => {}
        }
        // Gives a 401 with the fault of the bearer if there is nothing else. `bearer` itself needs a token.
        if let (Some(Err(fault)), None) = (&credentials.bearer, &cookie) {
            cookie = Some(CredentialProof::Unproven(fault.clone()));
        }
        ProvenLogout {
            credentials,
            bearer,
            cookie,
            unavailable,
        }
    }

    /// Ends the logins that are proven. If one credential could not be checked, the logins of the others end
    /// anyway.
    ///
    /// # Errors
    /// Fails like [`log_out`](Self::log_out), or with the component that did not answer: the credential that
    /// could not be checked may be the valid one.
    pub async fn log_out_proven(
        &self,
        proven: &ProvenLogout,
        options: &LogoutOptions,
        origin: &AuditOrigin,
    ) -> Result<LogoutCounts, LogoutFault> {
        let request = LogoutRequest {
            bearer: proven.token().zip(proven.bearer.clone()),
            cookie: proven.cookie.clone(),
            lost_session: proven.missing_session(),
            named_session: options.named_session.clone(),
            refresh_token: options.refresh_token.as_ref(),
            everywhere: options.everywhere,
            upstream_delay: options.upstream_delay,
            origin,
        };
        let outcome = self.log_out(&request).await;
        match (outcome, proven.unavailable.clone()) {
            (Ok(_) | Err(LogoutFault::NoCredential | LogoutFault::Unproven(_)), Some(fault)) => {
                Err(fault.into())
            }
            (outcome, _) => outcome,
        }
    }
}

impl ProvenLogout {
    /// Returns the caller whom the logout is charged to. `None` if nothing will be written.
    pub fn payer(&self) -> Option<LogoutPayer> {
        let ending = [&self.bearer, &self.cookie].into_iter().flatten();
        let mut ending = ending.filter(|proof| proof.permits_logout()).peekable();
        ending.peek()?;
        let subject = ending.find_map(CredentialProof::subject);
        Some(subject.map_or(LogoutPayer::Address, LogoutPayer::User))
    }

    /// Returns `true` if the answer may clear the cookie: there is none, or its session has ended.
    pub fn may_clear_cookie(&self) -> bool {
        match (&self.credentials.cookie, &self.cookie) {
            (None, _) => true,
            // Not trusted, or the store did not answer: the session may go on.
            (Some(_), None) => false,
            (Some(_), Some(proof)) => proof.permits_logout(),
        }
    }

    fn token(&self) -> Option<&PresentedToken> {
        self.credentials.bearer.as_ref()?.as_ref().ok()
    }

    /// Returns the id in the cookie, if the store has no session for it.
    fn missing_session(&self) -> Option<&SessionId> {
        match (&self.credentials.cookie, &self.cookie) {
            (Some(LogoutCookie::Session(id)), Some(CredentialProof::Unproven(_))) => Some(id),
            _ => None,
        }
    }
}
