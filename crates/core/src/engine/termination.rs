//! Ends more than one token: a session with its tokens, or everything of a user or a client.

use std::time::Duration;

use jiff::Timestamp;

use super::{Engine, EngineDeps};
use crate::audit::AuditEvent;
use crate::credential::SessionHandle;
use crate::events::GatewayEvent;
use crate::identity::Subject;
use crate::issued_tokens::{IssuedToken, TokenUse};
use crate::outbox::ClientCredentials;
use crate::revocation::{GateRefusal, Revocation, RevocationReason, RevokeFault};
use crate::session::{LoadedSession, SessionFault, SessionRecord, SessionToken};
use crate::unavailable::Unavailable;
use crate::verdict::RevocationKey;

/// Maximum number of tokens that one transaction revokes by name, in addition to the
/// cut-off that covers all of them.
pub(super) const MAX_NAMED_TOKENS: u32 = 1_000;

/// Reason for which an end is not acknowledged. The caller may repeat the request; that ends nothing twice.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TerminationFault {
    /// Revocation that is not recorded or not acknowledged.
    #[error(transparent)]
    Revoke(#[from] RevokeFault),
    /// Component that did not answer before or after the revocation.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl TerminationFault {
    /// Returns the component that did not answer.
    pub fn into_unavailable(self) -> Unavailable {
        match self {
            Self::Revoke(fault) => fault.into_unavailable(),
            Self::Unavailable(fault) => fault,
        }
    }
}

/// Which tokens of an ended session the authorization server must revoke too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UpstreamTokens {
    /// All of them, after this delay.
    AllAfter(Duration),
    /// All at once, except refresh tokens with `offline_access`, which outlive the session at the provider
    /// (OpenID Connect Back-Channel Logout 1.0 §2.7).
    ExceptOffline,
    /// None.
    Kept,
}

impl UpstreamTokens {
    const ALL: Self = Self::AllAfter(Duration::ZERO);

    /// Returns the delay, and the tokens of a session.
    fn of_session(self, record: &SessionRecord) -> (Duration, Vec<SessionToken>) {
        let is_offline = record
            .identity
            .scope
            .iter()
            .any(|scope| scope == "offline_access");
        let mut tokens = record.tokens.clone();
        match self {
            Self::AllAfter(delay) => return (delay, tokens),
            Self::ExceptOffline if is_offline => {
                tokens.retain(|token| token.hint != TokenUse::Refresh.as_str());
            }
            Self::ExceptOffline => {}
            Self::Kept => tokens.clear(),
        }
        (Duration::ZERO, tokens)
    }
}

/// Number of tokens and sessions that a logout-all ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogoutAllCounts {
    /// Tokens that the register knew. The cut-off covers the others too.
    pub tokens: usize,
    /// Sessions that the store had.
    pub sessions: usize,
}

impl Engine {
    /// Ends a session and its tokens.
    ///
    /// When this returns, every instance refuses them. The authorization server is notified later, through
    /// the outbox. Returns `true` if the store had the session. A repeat succeeds too: it waits for the same
    /// acknowledgement and records nothing again.
    ///
    /// # Errors
    /// Fails if the end is not acknowledged.
    #[tracing::instrument(skip_all, fields(session = handle.as_str(), reason = reason.as_str()))]
    pub async fn end_session(
        &self,
        subject: &Subject,
        handle: &SessionHandle,
        reason: RevocationReason,
        audit: Vec<AuditEvent>,
    ) -> Result<bool, TerminationFault> {
        self.end_session_with(UpstreamTokens::ALL, subject, handle, reason, audit)
            .await
    }

    /// Ends a session like [`end_session`](Self::end_session). Only the message to the authorization server is
    /// sent after a delay.
    pub(super) async fn end_session_after(
        &self,
        upstream_delay: Duration,
        subject: &Subject,
        handle: &SessionHandle,
        reason: RevocationReason,
        audit: Vec<AuditEvent>,
    ) -> Result<bool, TerminationFault> {
        let upstream_tokens = UpstreamTokens::AllAfter(upstream_delay);
        self.end_session_with(upstream_tokens, subject, handle, reason, audit)
            .await
    }

    /// Ends a session like [`end_session`](Self::end_session), and chooses the tokens that the authorization server
    /// must revoke too.
    pub(super) async fn end_session_with(
        &self,
        upstream_tokens: UpstreamTokens,
        subject: &Subject,
        handle: &SessionHandle,
        reason: RevocationReason,
        audit: Vec<AuditEvent>,
    ) -> Result<bool, TerminationFault> {
        let now = self.now();
        let loaded = match self.deps.sessions.by_handle(subject, handle, now).await {
            Ok(loaded) => Some(loaded),
            // Journalled anyway: a session that the store has lost can come back from a snapshot.
            Err(SessionFault::Missing | SessionFault::Ended) => None,
            Err(SessionFault::Unavailable(fault)) => return Err(fault.into()),
        };
        let gate = &self.deps.revocations;
        let revocation = |key, token_expires_at| Revocation {
            subject: Some(subject.clone()),
            ..gate.revocation_by_name(key, reason, token_expires_at, now)
        };
        let by_token = |token: &IssuedToken| {
            // A refresh token is refused by the handle of its session, which the register has for it.
            let access = token.token_use == TokenUse::Access;
            access.then(|| revocation(RevocationKey::Token(token.key.clone()), Some(token.expires_at)))
        };
        // One call is one transaction: session and tokens are recorded together, or not at all.
        let registered = self.deps.issued_tokens.of_session(handle, now).await?;
        let mut revocations = vec![revocation(RevocationKey::session(handle), None)];
        revocations.extend(registered.iter().filter_map(by_token));
        let outcome = gate.revoke_once(revocations, &audit, Vec::new(), now).await?;
        // A refresh in progress now finds the session revoked. Its tokens of before are found here.
        let mut late_tokens = self.deps.issued_tokens.of_session(handle, now).await?;
        late_tokens.retain(|token| registered.iter().all(|other| other.key != token.key));
        let late_tokens: Vec<_> = late_tokens.iter().filter_map(by_token).collect();
        gate.revoke_once(late_tokens, &[], Vec::new(), now).await?;
        self.report_revoked(outcome, reason);
        // The store comes last: after a failure before this line, a repeat still
        // finds the session and its tokens.
        let Some(loaded) = loaded else { return Ok(false) };
        self.remove_session(upstream_tokens, subject, &loaded, reason, now)
            .await?;
        Ok(true)
    }

    /// Queues the session's tokens for revocation at the authorization server, and
    /// removes the session from the store. Returns `false` if another request has removed it.
    async fn remove_session(
        &self,
        upstream_tokens: UpstreamTokens,
        subject: &Subject,
        loaded: &LoadedSession,
        reason: RevocationReason,
        now: Timestamp,
    ) -> Result<bool, Unavailable> {
        let client = loaded
            .record
            .identity
            .client_id
            .clone()
            .map(ClientCredentials::public);
        // Before the removal: afterwards the text of the tokens is gone.
        let (delay, tokens) = upstream_tokens.of_session(&loaded.record);
        self.enqueue_upstream_revocations_after(delay, &tokens, client, now)
            .await?;
        let sessions = &self.deps.sessions;
        let was_active = sessions.remove(subject, &loaded.to_indexed(), now).await?;
        if was_active {
            self.report(GatewayEvent::SessionEnded { reason });
        }
        Ok(was_active)
    }

    /// Finishes an interrupted logout: ends the user's sessions that are
    /// already revoked and still in the store.
    ///
    /// Active sessions are not ended.
    ///
    /// # Errors
    /// Fails if an end is not acknowledged.
    #[tracing::instrument(level = "debug", skip_all)]
    pub(super) async fn finish_partial_logout(&self, subject: &Subject) -> Result<(), TerminationFault> {
        let now = self.now();
        let EngineDeps {
            sessions,
            revocations,
            ..
        } = &self.deps;
        for loaded in sessions.of_user(subject, now).await? {
            let reason = match revocations
                .admit(loaded.to_verified(sessions.policy()), now)
                .await
            {
                Ok(_) => continue,
                Err(GateRefusal::SessionRevoked(reason) | GateRefusal::TokenRevoked(reason)) => reason,
                Err(GateRefusal::Unavailable(fault)) => return Err(fault.into()),
            };
            // No audit event: the first attempt has written it with the journal line.
            self.end_session(subject, &loaded.record.handle, reason, Vec::new())
                .await?;
        }
        Ok(())
    }

    /// Logs a user out everywhere (logout-all, decision 3).
    ///
    /// Records a cut-off for everything that was issued up to now, and revokes by name what the gateway
    /// knows. A login that begins after this returns is not covered.
    ///
    /// # Errors
    /// Fails if the end is not acknowledged.
    #[tracing::instrument(skip_all, fields(reason = reason.as_str()))]
    pub async fn end_all_of_user(
        &self,
        subject: &Subject,
        reason: RevocationReason,
        audit: Vec<AuditEvent>,
    ) -> Result<LogoutAllCounts, TerminationFault> {
        let now = self.now();
        let user_cutoff = Revocation {
            key: RevocationKey::user(subject),
            cutoff: Some(self.cutoff_time(now).await),
            reason,
            revoked_at: now,
            expires_at: self.deps.revocations.keep_until(None, now),
            token_expires_at: None,
            subject: Some(subject.clone()),
        };
        self.deps
            .revocations
            .revoke(vec![user_cutoff], &audit, now)
            .await?;
        self.report(GatewayEvent::Revoked { reason });
        // No time limit: everything that is registered now began before this call returns, on any clock.
        self.end_registered(subject, reason, None).await
    }

    /// Ends by name the sessions and tokens of a user that the gateway knows.
    ///
    /// `until` limits this to logins that began before that time, to finish an earlier logout-all.
    ///
    /// # Errors
    /// Fails if the end is not acknowledged.
    #[tracing::instrument(level = "debug", skip_all, fields(reason = reason.as_str()))]
    pub(super) async fn end_registered(
        &self,
        subject: &Subject,
        reason: RevocationReason,
        until: Option<Timestamp>,
    ) -> Result<LogoutAllCounts, TerminationFault> {
        let now = self.now();
        let gate = &self.deps.revocations;
        let revocation = |key, token_expires_at| Revocation {
            subject: Some(subject.clone()),
            ..gate.revocation_by_name(key, reason, token_expires_at, now)
        };
        let is_covered = |started_at: Timestamp| until.is_none_or(|until| started_at < until);
        let mut sessions = self.deps.sessions.of_user(subject, now).await?;
        sessions.retain(|loaded| is_covered(loaded.record.created_at));
        let issued = &self.deps.issued_tokens;
        let mut registered = issued.of_user(subject, now, MAX_NAMED_TOKENS).await?;
        registered.retain(|token| is_covered(token.login_at));
        // Refresh tokens and tokens over the limit are covered by the cut-off, and by their sessions.
        let access = registered
            .iter()
            .filter(|token| token.token_use == TokenUse::Access);
        let mut revocations: Vec<_> = access
            .map(|token| revocation(RevocationKey::Token(token.key.clone()), Some(token.expires_at)))
            .collect();
        revocations.extend(
            sessions
                .iter()
                .map(|loaded| revocation(RevocationKey::session(&loaded.record.handle), None)),
        );
        gate.revoke_once(revocations, &[], Vec::new(), now).await?;
        // Only after the acknowledgement, so that a repeat after a failure finds the sessions again.
        for loaded in &sessions {
            if self
                .remove_session(UpstreamTokens::ALL, subject, loaded, reason, now)
                .await?
            {
                self.report(GatewayEvent::Revoked { reason });
            }
        }
        Ok(LogoutAllCounts {
            tokens: registered.len(),
            sessions: sessions.len(),
        })
    }

    /// Returns the time of a new cut-off, by the clock that all instances share.
    pub(super) async fn cutoff_time(&self, now: Timestamp) -> Timestamp {
        // If the store does not answer, the own clock is good enough: the revocation
        // is recorded, and not acknowledged.
        self.deps.revocations.shared_time(now).await.unwrap_or(now)
    }
}
