//! What somebody holds: the sessions that are theirs, and the one that a credential belongs to.

use jiff::Timestamp;

use super::Engine;
use crate::credential::{PresentedToken, SessionHandle};
use crate::outbox::ClientCredentials;
use crate::revocation::{Live, Refusal, RevocationKey, TokenKey, TokenUse};
use crate::session::{SessionFault, SessionRecord, SessionToken};
use crate::unavailable::Unavailable;

impl Engine {
    /// The session that a live credential belongs to: of a cookie its own, of a token the one that it was issued with.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn sessions_of(&self, live: &Live) -> Result<Vec<SessionHandle>, Unavailable> {
        if let Some(handle) = &live.facts().session {
            return Ok(vec![handle.clone()]);
        }
        let Some(RevocationKey::Token(key)) = live.facts().names.first() else {
            return Ok(Vec::new());
        };
        let known = self.parts.issued.find(key).await?;
        let mine = known.filter(|token| token.user_id == live.identity().user_id);
        Ok(mine.and_then(|token| token.session).into_iter().collect())
    }

    /// The user's sessions that live: neither ended nor covered by a revocation. The oldest first.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn live_sessions(&self, user_id: &str) -> Result<Vec<SessionRecord>, Unavailable> {
        let now = self.now();
        let mut living = Vec::new();
        for opened in self.parts.sessions.of_user(user_id, now).await? {
            let verified = opened.verified(self.parts.sessions.policy());
            match self.parts.revocations.admit(verified, now).await {
                Ok(_) => living.push(opened.record),
                Err(Refusal::TokenRevoked(_) | Refusal::SessionRevoked(_)) => {}
                Err(Refusal::Unavailable(fault)) => return Err(fault),
            }
        }
        Ok(living)
    }

    /// Whether the user has this session, living or with an ending that was begun and not finished.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn owns_session(&self, user_id: &str, handle: &SessionHandle) -> Result<bool, Unavailable> {
        match self.parts.sessions.by_handle(user_id, handle, self.now()).await {
            Ok(_) => Ok(true),
            Err(SessionFault::Missing | SessionFault::Ended) => Ok(false),
            Err(SessionFault::Unavailable(fault)) => Err(fault),
        }
    }

    /// Records that the authorization server must be asked to revoke one token.
    ///
    /// # Errors
    /// It is not recorded.
    pub async fn tell_upstream_of(
        &self,
        token: &PresentedToken,
        token_use: TokenUse,
        expires_at: Option<Timestamp>,
        client: Option<ClientCredentials>,
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        let item = SessionToken::new(TokenKey::from_bytes_of(token), token_use, token, expires_at);
        self.tell_upstream(&[item], client, now).await
    }
}
