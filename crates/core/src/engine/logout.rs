//! Logout: ends everything that a request proves, and nothing else (decision 17).

mod credentials;
mod request;

use std::collections::BTreeSet;

use super::credential_proof::{CredentialProof, ProvenLogin};
use super::{Engine, LogoutAllCounts, SessionOwnership, TerminationFault};
use crate::audit::{AuditEvent, AuditKind};
use crate::clock;
use crate::credential::{PresentedToken, SessionHandle, SessionId};
use crate::identity::Subject;
use crate::issued_tokens::{IssuedToken, TokenUse};
use crate::outbox::ClientCredentials;
use crate::revocation::{RecordOutcome, RevocationReason};
use crate::session::SessionToken;
use crate::unavailable::Unavailable;
use crate::verdict::{CredentialInfo, RevocationKey, TokenKey};

pub use credentials::{LogoutCookie, LogoutCredentials, LogoutOptions, LogoutPayer, ProvenLogout};
pub use request::{LogoutCounts, LogoutFault, LogoutRequest};

impl Engine {
    /// Ends what a request proves.
    ///
    /// * An active credential ends its session, itself, and the user's session that the request names.
    /// * A revoked or expired credential ends its own session.
    /// * A refresh token ends its session.
    ///
    /// If two users are proven, both are logged out. An end that is already recorded is acknowledged again.
    ///
    /// # Errors
    /// Fails if nothing is proven, or if the end is not acknowledged. The request can be repeated then.
    #[tracing::instrument(skip_all, fields(everywhere = request.everywhere))]
    pub async fn log_out(&self, request: &LogoutRequest<'_>) -> Result<LogoutCounts, LogoutFault> {
        let refresh = self.find_refresh_token(request.refresh_token).await?;
        if !request.is_authorized(refresh.is_some()) {
            return Err(request.logout_fault());
        }
        let mut counts = LogoutCounts::default();
        if let Some((token, known)) = &refresh {
            // Before the revocation: it ends the session, and a session that is over must not be counted.
            counts.sessions += usize::from(self.has_active_session(known).await?);
            self.revoke_token(token, request.revoke_refresh_token()).await?;
            counts.tokens += 1;
        } else if let Some(token) = request.refresh_token {
            // The register does not know it. The request is authorized by another proof, so the token is
            // revoked as far as anything proves it, and is not counted.
            self.revoke_token(token, request.revoke_refresh_token()).await?;
        }
        if request.everywhere {
            self.logout_everywhere(request, &mut counts).await?;
        } else {
            self.end_named_session(request, &mut counts).await?;
        }
        if let Some(proof) = &request.cookie {
            self.end_login(proof, None, request, &mut counts).await?;
        }
        if let Some(id) = request.lost_session {
            self.end_lost_session(id, request).await?;
        }
        // The bearer token comes last: while it is active, a request that was answered 503 can be repeated.
        if let Some((token, proof)) = &request.bearer {
            self.end_login(proof, Some(token), request, &mut counts).await?;
        }
        Ok(counts)
    }

    /// Ends everything of each user who is proven by an active credential.
    async fn logout_everywhere(
        &self,
        request: &LogoutRequest<'_>,
        counts: &mut LogoutCounts,
    ) -> Result<(), TerminationFault> {
        // Bearer and cookie mostly prove the same user, whose logout-all is recorded once.
        let subjects: BTreeSet<_> = request
            .active_credentials()
            .map(|credential| credential.identity().subject())
            .collect();
        for subject in subjects {
            let event =
                AuditEvent::new(AuditKind::LogoutAll, self.now(), request.origin).with_actor(&subject);
            let LogoutAllCounts { tokens, sessions } = self
                .end_all_of_user(&subject, RevocationReason::LogoutAll, vec![event])
                .await?;
            counts.tokens += tokens;
            counts.sessions += sessions;
        }
        Ok(())
    }

    async fn end_named_session(
        &self,
        request: &LogoutRequest<'_>,
        counts: &mut LogoutCounts,
    ) -> Result<(), TerminationFault> {
        let Some(handle) = &request.named_session else {
            return Ok(());
        };
        for credential in request.active_credentials() {
            let subject = &credential.identity().subject();
            match self.session_ownership(subject, handle).await? {
                SessionOwnership::Owned => self.end_session_of(subject, handle, request, counts).await?,
                SessionOwnership::Ended => self.reacknowledge_session_end(handle).await?,
                // Another user's session or an unknown one: ignored, so that the answer does not show which.
                SessionOwnership::NotOwned => {}
            }
        }
        Ok(())
    }

    /// Ends the login that a credential proves. A revoked or expired credential ends its own session at most.
    async fn end_login(
        &self,
        proof: &CredentialProof,
        token: Option<&PresentedToken>,
        request: &LogoutRequest<'_>,
        counts: &mut LogoutCounts,
    ) -> Result<(), TerminationFault> {
        match proof {
            CredentialProof::Unproven(_) => Ok(()),
            // `logout_everywhere` has ended everything of this user before.
            CredentialProof::Active(_) if request.everywhere => Ok(()),
            CredentialProof::Active(credential) => {
                let login = self.login_of_credential(credential).await?;
                let sessions_before = counts.sessions;
                self.end_sessions_of(&login, request, counts).await?;
                let outcome = self.end_token(&login, token, request).await?;
                counts.tokens += usize::from(outcome.is_some());
                self.report_ended_token(&login, outcome);
                // Already recorded, and no session ended now that would have queued its tokens: the
                // authorization server may not have this token in its outbox yet.
                if outcome == Some(RecordOutcome::AlreadyRecorded) && counts.sessions == sessions_before {
                    self.enqueue_presented_token(&login, token).await?;
                }
                Ok(())
            }
            // The answer clears the cookie, so the sessions of the revoked credential end too, and a logout
            // that an outage interrupted is finished.
            CredentialProof::Revoked(login, _) => {
                self.end_sessions_of(login, request, counts).await?;
                self.repeat_logout(login).await
            }
            CredentialProof::Inactive(login, _) => {
                self.end_sessions_of(login, request, counts).await?;
                let outcome = self.end_token(login, token, request).await?;
                counts.tokens += usize::from(outcome == Some(RecordOutcome::New));
                self.report_ended_token(login, outcome);
                Ok(())
            }
        }
    }

    /// Revokes the id of a session that the store has lost: an old snapshot may bring the session back.
    ///
    /// For an id that never existed the revocation changes nothing.
    async fn end_lost_session(
        &self,
        id: &SessionId,
        request: &LogoutRequest<'_>,
    ) -> Result<(), TerminationFault> {
        let (gate, now) = (&self.deps.revocations, self.now());
        // The longest time for which a session with this id could still be accepted.
        let expires_at = clock::after(now, self.deps.sessions.policy().max_lifetime);
        let key = RevocationKey::cookie(&id.store_key());
        let revocation = gate.revocation_by_name(key, RevocationReason::Logout, Some(expires_at), now);
        let mut event =
            AuditEvent::new(AuditKind::Logout, now, request.origin).with_target(revocation.key.to_string());
        event.subject = request
            .active_credentials()
            .next()
            .map(|credential| credential.identity().subject());
        let outcome = gate
            .revoke_once(vec![revocation], &[event], Vec::new(), now)
            .await?;
        self.report_revoked(outcome, RevocationReason::Logout);
        Ok(())
    }

    /// Reports the end of a presented token that belongs to no session. Otherwise the end of the session is
    /// the revocation that is reported.
    fn report_ended_token(&self, login: &ProvenLogin, outcome: Option<RecordOutcome>) {
        if let Some(outcome) = outcome.filter(|_| login.sessions.is_empty()) {
            self.report_revoked(outcome, RevocationReason::Logout);
        }
    }

    async fn end_sessions_of(
        &self,
        login: &ProvenLogin,
        request: &LogoutRequest<'_>,
        counts: &mut LogoutCounts,
    ) -> Result<(), TerminationFault> {
        let Some(subject) = &login.subject else {
            return Ok(());
        };
        for handle in &login.sessions {
            self.end_session_of(subject, handle, request, counts).await?;
        }
        Ok(())
    }

    async fn end_session_of(
        &self,
        subject: &Subject,
        handle: &SessionHandle,
        request: &LogoutRequest<'_>,
        counts: &mut LogoutCounts,
    ) -> Result<(), TerminationFault> {
        let event = AuditEvent::new(AuditKind::Logout, self.now(), request.origin)
            .with_actor(subject)
            .with_target(handle.as_str());
        let was_active = self
            .end_session_after(
                request.upstream_delay,
                subject,
                handle,
                RevocationReason::Logout,
                vec![event],
            )
            .await?;
        counts.sessions += usize::from(was_active);
        Ok(())
    }

    /// Revokes the presented token under all its own names, here and at the authorization server.
    ///
    /// Returns `None` if there is no token, or if the token has expired on every clock.
    async fn end_token(
        &self,
        login: &ProvenLogin,
        token: Option<&PresentedToken>,
        request: &LogoutRequest<'_>,
    ) -> Result<Option<RecordOutcome>, TerminationFault> {
        let (Some(info), Some(token)) = (&login.info, token) else {
            return Ok(None);
        };
        let now = self.now();
        let mut revocations = self.revocations_of(info, RevocationReason::Logout, now);
        // `expires_at` includes the allowed clock skew. After it no instance and no layer accepts the token.
        revocations.retain(|revocation| revocation.expires_at > now);
        let Some(target) = revocations.first().map(|revocation| revocation.key.to_string()) else {
            return Ok(None);
        };
        let event = AuditEvent::new(AuditKind::Logout, now, request.origin)
            .with_actor(&info.identity.subject())
            .with_target(target);
        let (session_token, client) = upstream_session_token(info, token);
        let upstream = self.upstream_revocations(&[session_token], client.as_ref(), now)?;
        let gate = &self.deps.revocations;
        Ok(Some(
            gate.revoke_once(revocations, &[event], upstream, now).await?,
        ))
    }

    /// Queues the presented token for revocation at the authorization server, without a new journal line.
    async fn enqueue_presented_token(
        &self,
        login: &ProvenLogin,
        token: Option<&PresentedToken>,
    ) -> Result<(), Unavailable> {
        let (Some(info), Some(token)) = (&login.info, token) else {
            return Ok(());
        };
        let (session_token, client) = upstream_session_token(info, token);
        self.enqueue_upstream_revocations(&[session_token], client, self.now())
            .await
    }

    /// Returns the refresh token if the register knows it. Possession of its bytes is the proof.
    async fn find_refresh_token<'t>(
        &self,
        token: Option<&'t PresentedToken>,
    ) -> Result<Option<(&'t PresentedToken, IssuedToken)>, Unavailable> {
        let Some(token) = token else { return Ok(None) };
        let registered = self.deps.issued_tokens.find(&self.refresh_key(token)).await?;
        Ok(registered
            .filter(|registered| registered.token_use == TokenUse::Refresh)
            .map(|registered| (token, registered)))
    }

    async fn has_active_session(&self, token: &IssuedToken) -> Result<bool, TerminationFault> {
        let Some(handle) = &token.session else {
            return Ok(false);
        };
        let Some(subject) = &token.subject else {
            return Ok(false);
        };
        Ok(self.session_ownership(subject, handle).await? == SessionOwnership::Owned)
    }
}

/// Returns a token and its client in the form that the outbox takes.
fn upstream_session_token(
    info: &CredentialInfo,
    token: &PresentedToken,
) -> (SessionToken, Option<ClientCredentials>) {
    let key = TokenKey::from_presented(token);
    let session_token = SessionToken::new(
        key,
        TokenUse::Access,
        info.identity.issuer.clone(),
        token,
        info.expires_at,
    );
    let client = info.identity.client_id.clone().map(ClientCredentials::public);
    (session_token, client)
}
