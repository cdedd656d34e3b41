//! Everything that ends more than one token: a session, or everything of a user.

use jiff::Timestamp;
use uuid::Uuid;

use super::{Engine, Parts};
use crate::audit::AuditEvent;
use crate::clock;
use crate::credential::{SessionHandle, SessionId};
use crate::outbox::{ClientCredentials, RevocationRequest, UpstreamRevocation};
use crate::revocation::{
    IssuedToken, Party, Reason, Refusal, Revocation, RevocationKey, RevokeFault, TokenUse,
};
use crate::session::{Opened, SessionFault, SessionToken};
use crate::unavailable::Unavailable;

/// So many tokens of a user are named one by one at a logout-all, beside the cut-off that covers them all.
const NAMED_AT_LOGOUT_ALL: u32 = 1_000;

/// Why an ending is not acknowledged: the caller may repeat it, and gets one ending, not two.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EndFault {
    /// The revocation.
    #[error(transparent)]
    Revoke(#[from] RevokeFault),
    /// Something that it needed to know, or to do after it.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl EndFault {
    /// What did not answer.
    pub fn into_unavailable(self) -> Unavailable {
        match self {
            Self::Revoke(fault) => fault.into_unavailable(),
            Self::Unavailable(fault) => fault,
        }
    }
}

/// What a logout-all ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedAll {
    /// How many tokens that the gateway knew of; the cut-off covers the others as well.
    pub tokens: usize,
    /// How many sessions.
    pub sessions: usize,
}

impl Engine {
    /// Ends a session and its tokens: refused here when this returns, and at the authorization server as soon as it
    /// hears. `true` if the session lived; a repeat is a success too.
    ///
    /// # Errors
    /// It is not acknowledged.
    pub async fn end_session(
        &self,
        user_id: &str,
        handle: &SessionHandle,
        reason: Reason,
        audit: Vec<AuditEvent>,
    ) -> Result<bool, EndFault> {
        let now = self.now();
        let opened = match self.parts.sessions.by_handle(user_id, handle, now).await {
            Ok(opened) => Some(opened),
            Err(SessionFault::Missing | SessionFault::Ended) => None,
            Err(SessionFault::Unavailable(fault)) => return Err(fault.into()),
        };
        let gate = &self.parts.revocations;
        let revocation = |key, token_expires_at| Revocation {
            key,
            cutoff: None,
            reason,
            revoked_at: now,
            expires_at: gate.keep_until(token_expires_at, now),
            token_expires_at,
            user_id: Some(user_id.to_owned()),
        };
        let by_token = |token: &IssuedToken| {
            let access = token.token_use == TokenUse::Access;
            access.then(|| revocation(RevocationKey::Token(token.key.clone()), Some(token.expires_at)))
        };
        // All of it is recorded together, or nothing is.
        let known = self.parts.issued.of_session(handle, now).await?;
        let mut whole = vec![revocation(RevocationKey::session(handle), None)];
        whole.extend(known.iter().filter_map(by_token));
        gate.revoke(whole, &audit, now).await?;
        // A refresh under way sees the session's name from now on; tokens that it registered before are seen here.
        let mut late = self.parts.issued.of_session(handle, now).await?;
        late.retain(|token| known.iter().all(|other| other.key != token.key));
        let late: Vec<_> = late.iter().filter_map(by_token).collect();
        if !late.is_empty() {
            gate.revoke(late, &[], now).await?;
        }
        let Some(opened) = opened else { return Ok(false) };
        self.retire(user_id, &opened, now).await?;
        Ok(true)
    }

    async fn retire(&self, user_id: &str, opened: &Opened, now: Timestamp) -> Result<(), Unavailable> {
        let client = opened
            .record
            .identity
            .client_id
            .clone()
            .map(ClientCredentials::public);
        self.tell_upstream(&opened.record.tokens, client, now).await?;
        self.parts
            .sessions
            .remove(user_id, &opened.indexed(), now)
            .await?;
        Ok(())
    }

    /// Finishes the endings of a user that were begun and answered 503: of the sessions that are refused already and lie in
    /// the store all the same, as long as the one of this cookie is among them. Nothing that lives is ended.
    ///
    /// # Errors
    /// It is not acknowledged.
    pub async fn finish_endings(&self, cookie: &SessionId) -> Result<(), EndFault> {
        let now = self.now();
        let Parts {
            sessions,
            revocations,
            ..
        } = &self.parts;
        let user_id = match sessions.open(cookie, now).await {
            Ok(opened) => opened.record.identity.user_id,
            Err(SessionFault::Missing | SessionFault::Ended) => return Ok(()),
            Err(SessionFault::Unavailable(fault)) => return Err(fault.into()),
        };
        for opened in sessions.of_user(&user_id, now).await? {
            let reason = match revocations.admit(opened.verified(sessions.policy()), now).await {
                Ok(_) => continue,
                Err(Refusal::SessionRevoked(reason) | Refusal::TokenRevoked(reason)) => reason,
                Err(Refusal::Unavailable(fault)) => return Err(fault.into()),
            };
            // Its audit event was written when it was begun.
            self.end_session(&user_id, &opened.record.handle, reason, Vec::new())
                .await?;
        }
        Ok(())
    }

    /// Logs a user out everywhere: one cut-off for all that was issued up to now, and by name what the gateway knows.
    /// Logins that begin after this returns are spared.
    ///
    /// # Errors
    /// It is not acknowledged.
    pub async fn end_all(
        &self,
        user_id: &str,
        reason: Reason,
        audit: Vec<AuditEvent>,
    ) -> Result<EndedAll, EndFault> {
        let now = self.now();
        let gate = &self.parts.revocations;
        let revocation = |key, cutoff, token_expires_at| Revocation {
            key,
            cutoff,
            reason,
            revoked_at: now,
            expires_at: gate.keep_until(token_expires_at, now),
            token_expires_at,
            user_id: Some(user_id.to_owned()),
        };
        let at = self.time_of_cutoff(now).await;
        let everything = revocation(RevocationKey::user(user_id), Some(at), None);
        gate.revoke(vec![everything], &audit, now).await?;
        // Whatever is there now began before this returns, whatever the clocks say.
        let sessions = self.parts.sessions.of_user(user_id, now).await?;
        let known = self
            .parts
            .issued
            .of_user(user_id, now, NAMED_AT_LOGOUT_ALL)
            .await?;
        let mut named: Vec<_> = known
            .iter()
            .filter(|token| token.token_use == TokenUse::Access)
            .map(|t| revocation(RevocationKey::Token(t.key.clone()), None, Some(t.expires_at)))
            .collect();
        named.extend(
            sessions
                .iter()
                .map(|opened| revocation(RevocationKey::session(&opened.record.handle), None, None)),
        );
        if !named.is_empty() {
            gate.revoke(named, &[], now).await?;
        }
        for opened in &sessions {
            self.retire(user_id, opened, now).await?;
        }
        Ok(EndedAll {
            tokens: known.len(),
            sessions: sessions.len(),
        })
    }

    /// Records by name, or as a cut-off, what an operator revokes.
    ///
    /// # Errors
    /// It is not acknowledged.
    pub async fn revoke_key(
        &self,
        key: RevocationKey,
        reason: Reason,
        audit: Vec<AuditEvent>,
    ) -> Result<(), EndFault> {
        if let RevocationKey::Before(Party::User(user_id)) = &key {
            self.end_all(user_id, reason, audit).await?;
            return Ok(());
        }
        let now = self.now();
        let at = self.time_of_cutoff(now).await;
        let revocation = Revocation {
            cutoff: key.is_cutoff().then_some(at),
            key,
            reason,
            revoked_at: now,
            expires_at: self.parts.revocations.keep_until(None, now),
            token_expires_at: None,
            user_id: None,
        };
        Ok(self
            .parts
            .revocations
            .revoke(vec![revocation], &audit, now)
            .await?)
    }

    /// The moment of a cut-off. While the store does not answer, it is the time of this instance: the order is recorded
    /// then, and not acknowledged.
    async fn time_of_cutoff(&self, now: Timestamp) -> Timestamp {
        self.parts.revocations.shared_time(now).await.unwrap_or(now)
    }

    /// Records, durably, that the authorization server must be asked to revoke these tokens.
    ///
    /// # Errors
    /// It is not recorded.
    pub async fn tell_upstream(
        &self,
        tokens: &[SessionToken],
        client: Option<ClientCredentials>,
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        let items = self.upstream_revocations(tokens, client.as_ref(), now)?;
        if items.is_empty() {
            return Ok(());
        }
        self.parts.outbox.enqueue(&items).await
    }

    /// What asks the authorization server to revoke those of these tokens that live.
    pub(super) fn upstream_revocations(
        &self,
        tokens: &[SessionToken],
        client: Option<&ClientCredentials>,
        now: Timestamp,
    ) -> Result<Vec<UpstreamRevocation>, Unavailable> {
        let living = tokens
            .iter()
            .filter(|t| t.expires_at.is_none_or(|at| clock::until(now, at).as_secs() > 0));
        living
            .map(|token| {
                let request = RevocationRequest {
                    token: token.expose().to_owned(),
                    hint: token.hint.clone(),
                    client: client.cloned(),
                };
                Ok(UpstreamRevocation {
                    id: Uuid::now_v7(),
                    sealed: request.seal(&self.parts.keys, now)?,
                    created_at: now,
                    attempts: 0,
                })
            })
            .collect()
    }
}
