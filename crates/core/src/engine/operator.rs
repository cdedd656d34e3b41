//! Operator: what administrators and the command line read, and how they revoke by name.

use jiff::Timestamp;

use super::{Engine, SessionOwnership, TerminationFault};
use crate::audit::{AuditEvent, AuditFilter};
use crate::credential::{PresentedToken, SessionHandle};
use crate::events::GatewayEvent;
use crate::identity::Subject;
use crate::issued_tokens::{CredentialCounts, IssuedToken, TokenUse};
use crate::revocation::{Revocation, RevocationReason};
use crate::unavailable::Unavailable;
use crate::verdict::{ActiveCredential, CutoffScope, RevocationKey, TokenKey};

/// Result of a request to end a session of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEnding {
    /// Session that is ended now.
    Ended,
    /// Handle of no active session of this user: another user's, an unknown one, or one whose earlier end is
    /// acknowledged.
    NotOwned,
}

/// Owner of a token that the register knows.
#[derive(Clone, Debug)]
pub struct TokenOwner {
    /// User, if known.
    pub subject: Option<Subject>,
    /// Key under which the token is registered.
    pub key: TokenKey,
    /// Session that the token belongs to.
    pub session: Option<SessionHandle>,
}

impl From<IssuedToken> for TokenOwner {
    fn from(token: IssuedToken) -> Self {
        Self {
            subject: token.subject,
            key: token.key,
            session: token.session,
        }
    }
}

impl Engine {
    /// Returns the time by the clock that all instances share.
    ///
    /// # Errors
    /// Fails if store or journal do not answer.
    pub(super) async fn shared_time(&self) -> Result<Timestamp, Unavailable> {
        self.deps.revocations.shared_time(self.now()).await
    }

    /// Ends a session if it belongs to the user. For a session that has already ended, waits until that end is
    /// acknowledged.
    ///
    /// # Errors
    /// Fails if the end is not acknowledged.
    #[tracing::instrument(skip_all, fields(session = handle.as_str(), reason = reason.as_str()))]
    pub async fn end_owned_session(
        &self,
        subject: &Subject,
        handle: &SessionHandle,
        reason: RevocationReason,
        event: AuditEvent,
    ) -> Result<SessionEnding, TerminationFault> {
        match self.session_ownership(subject, handle).await? {
            SessionOwnership::Owned => {
                self.end_session(subject, handle, reason, vec![event]).await?;
                Ok(SessionEnding::Ended)
            }
            SessionOwnership::Ended => {
                self.reacknowledge_session_end(handle).await?;
                Ok(SessionEnding::NotOwned)
            }
            SessionOwnership::NotOwned => Ok(SessionEnding::NotOwned),
        }
    }

    /// Revokes an active token under all its own names.
    ///
    /// # Errors
    /// Fails if the revocation is not acknowledged.
    #[tracing::instrument(skip_all, fields(reason = reason.as_str()))]
    pub async fn revoke_active(
        &self,
        credential: &ActiveCredential,
        reason: RevocationReason,
        event: AuditEvent,
    ) -> Result<(), TerminationFault> {
        let now = self.now();
        let revocations = self.revocations_of(credential.info(), reason, now);
        self.deps.revocations.revoke(revocations, &[event], now).await?;
        self.report(GatewayEvent::Revoked { reason });
        Ok(())
    }

    /// Waits until a revocation of exactly these bytes is acknowledged. Returns `false` if none is recorded.
    ///
    /// # Errors
    /// Fails if it is not acknowledged.
    pub async fn await_revoked_bytes(&self, token: &PresentedToken) -> Result<bool, TerminationFault> {
        let bytes = RevocationKey::Token(TokenKey::from_presented(token));
        let gate = &self.deps.revocations;
        Ok(!gate.await_acknowledged(&[bytes], self.now()).await?.is_empty())
    }

    /// Returns the owner of a refresh token that the register knows.
    ///
    /// # Errors
    /// Fails if the database does not answer.
    pub async fn refresh_token_owner(
        &self,
        token: &PresentedToken,
    ) -> Result<Option<TokenOwner>, Unavailable> {
        let registered = self.deps.issued_tokens.find(&self.refresh_key(token)).await?;
        Ok(registered
            .filter(|token| token.token_use == TokenUse::Refresh)
            .map(TokenOwner::from))
    }

    /// Returns the owner of a registered token.
    ///
    /// # Errors
    /// Fails if the database does not answer.
    pub async fn token_owner(&self, key: &TokenKey) -> Result<Option<TokenOwner>, Unavailable> {
        Ok(self.deps.issued_tokens.find(key).await?.map(TokenOwner::from))
    }

    /// Returns the user of a session, by the register: the store may have lost the session, whose tokens still
    /// exist.
    ///
    /// # Errors
    /// Fails if the database does not answer.
    pub async fn session_owner(&self, handle: &SessionHandle) -> Result<Option<Subject>, Unavailable> {
        let tokens = self.deps.issued_tokens.of_session(handle, self.now()).await?;
        Ok(tokens.into_iter().find_map(|token| token.subject))
    }

    /// Counts the registered credentials that a cut-off of this scope would revoke.
    ///
    /// # Errors
    /// Fails if the database does not answer.
    pub async fn count_in_scope(&self, scope: &CutoffScope) -> Result<CredentialCounts, Unavailable> {
        self.deps.issued_tokens.count_in_scope(scope, self.now()).await
    }

    /// Returns the registered names of the same kind as the scope's.
    ///
    /// # Errors
    /// Fails if the database does not answer.
    pub async fn registered_names(
        &self,
        scope: &CutoffScope,
        limit: u32,
    ) -> Result<Vec<String>, Unavailable> {
        self.deps.issued_tokens.ids_of_same_kind(scope, limit).await
    }

    /// Returns the names of the issuer of tokens that name none.
    pub fn default_issuers(&self) -> Vec<String> {
        self.deps.chain.issuers().names(self.now())
    }

    /// Returns a page of the denylist, and the cursor of the next page. Read from the store and not from the
    /// replica: a cursor of the store is valid on every instance.
    ///
    /// # Errors
    /// Fails if the store does not answer.
    pub async fn denylist_page(
        &self,
        subject: Option<&Subject>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<Revocation>, Option<String>), Unavailable> {
        let store = self.deps.revocations.store();
        store.list(subject, after, limit, self.now()).await
    }

    /// Returns audit events, the newest first.
    ///
    /// # Errors
    /// Fails if the database does not answer.
    pub async fn find_audit_events(
        &self,
        filter: &AuditFilter,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, Unavailable> {
        self.deps.audit.find(filter, limit).await
    }

    /// Returns the number of messages that wait for the authorization server, and the time of the oldest.
    ///
    /// # Errors
    /// Fails if the database does not answer.
    pub async fn outbox_backlog(&self) -> Result<(u64, Option<Timestamp>), Unavailable> {
        self.deps.outbox.backlog().await
    }
}
