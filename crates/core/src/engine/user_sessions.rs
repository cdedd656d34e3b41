//! Sessions of a user, and the session that a credential belongs to.

use super::{Engine, TerminationFault};
use crate::credential::SessionHandle;
use crate::identity::Subject;
use crate::issued_tokens::TokenUse;
use crate::revocation::{GateRefusal, Revocation};
use crate::session::{SessionFault, SessionRecord};
use crate::unavailable::Unavailable;
use crate::verdict::{ActiveCredential, CredentialInfo, RevocationKey};

/// Relation between a session and a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionOwnership {
    /// Session of the user. It is active, its end is unfinished, or the store has lost it.
    Owned,
    /// Former session of the user, with its end in the journal. The acknowledgement may still be pending.
    Ended,
    /// Session of another user, or an unknown handle.
    NotOwned,
}

impl Engine {
    /// Returns the session that an active credential belongs to: the session of the cookie, or the one that
    /// the register has for the token. Returns at most one.
    ///
    /// # Errors
    /// Fails if the database does not answer.
    pub async fn sessions_of(
        &self,
        credential: &ActiveCredential,
    ) -> Result<Vec<SessionHandle>, Unavailable> {
        self.sessions_of_info(credential.info()).await
    }

    pub(super) async fn sessions_of_info(
        &self,
        info: &CredentialInfo,
    ) -> Result<Vec<SessionHandle>, Unavailable> {
        if let Some(handle) = &info.session {
            return Ok(vec![handle.clone()]);
        }
        let Some(RevocationKey::Token(key)) = info.revocation_keys.first() else {
            return Ok(Vec::new());
        };
        let registered = self.deps.issued_tokens.find(key).await?;
        // The register finds by name: an entry of another user is another token with the same `jti`.
        let own = registered.filter(|token| {
            let owner = token.subject.as_ref();
            owner.is_some_and(|owner| info.identity.belongs_to(owner))
        });
        Ok(own.and_then(|token| token.session).into_iter().collect())
    }

    /// Returns the user's active sessions, oldest first: those that neither ended nor are covered by a
    /// revocation.
    ///
    /// # Errors
    /// Fails if the store does not answer.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn active_sessions(&self, subject: &Subject) -> Result<Vec<SessionRecord>, Unavailable> {
        let now = self.now();
        let mut active = Vec::new();
        for loaded in self.deps.sessions.of_user(subject, now).await? {
            let verified = loaded.to_verified(self.deps.sessions.policy());
            // The store notes an end after its acknowledgement, so only the gate knows what is active.
            match self.deps.revocations.admit(verified, now).await {
                Ok(_) => active.push(loaded.record),
                Err(GateRefusal::TokenRevoked(_) | GateRefusal::SessionRevoked(_)) => {}
                Err(GateRefusal::Unavailable(fault)) => return Err(fault),
            }
        }
        Ok(active)
    }

    /// Returns the relation between a session and a user.
    ///
    /// The store decides. If it has no record of the session, register and journal decide: the session was
    /// ended, or the store lost it and may get it back from a snapshot.
    ///
    /// # Errors
    /// Fails if store, database or journal do not answer.
    #[tracing::instrument(level = "debug", skip_all, fields(session = handle.as_str()))]
    pub async fn session_ownership(
        &self,
        subject: &Subject,
        handle: &SessionHandle,
    ) -> Result<SessionOwnership, TerminationFault> {
        let now = self.now();
        match self.deps.sessions.by_handle(subject, handle, now).await {
            Ok(_) => return Ok(SessionOwnership::Owned),
            Err(SessionFault::Missing | SessionFault::Ended) => {}
            Err(SessionFault::Unavailable(fault)) => return Err(fault.into()),
        }
        let registered = self.deps.issued_tokens.of_session(handle, now).await?;
        let is_registered = registered
            .iter()
            .any(|token| token.subject.as_ref() == Some(subject));
        let key = RevocationKey::session(handle);
        let revocations = self.deps.revocations.recorded_revocations(&[key], now).await?;
        let is_own = |revocation: &Revocation| revocation.subject.as_ref() == Some(subject);
        // A journal line counts before the register: the register keeps the tokens of an ended session too.
        Ok(match revocations.iter().any(is_own) {
            true => SessionOwnership::Ended,
            false if is_registered => SessionOwnership::Owned,
            false => SessionOwnership::NotOwned,
        })
    }

    /// Waits until the end of a session is acknowledged. For a session that is [`SessionOwnership::Ended`].
    ///
    /// # Errors
    /// Fails if the end is not acknowledged.
    #[tracing::instrument(skip_all, fields(session = handle.as_str()))]
    pub async fn reacknowledge_session_end(&self, handle: &SessionHandle) -> Result<(), TerminationFault> {
        let registered = self.deps.issued_tokens.of_session(handle, self.now()).await?;
        // The end of a session revoked its access tokens by name too; each of these lines has its own
        // acknowledgement.
        let access = registered
            .into_iter()
            .filter(|token| token.token_use == TokenUse::Access);
        let mut keys: Vec<_> = access.map(|token| RevocationKey::Token(token.key)).collect();
        keys.push(RevocationKey::session(handle));
        self.deps
            .revocations
            .await_acknowledged(&keys, self.now())
            .await?;
        Ok(())
    }
}
