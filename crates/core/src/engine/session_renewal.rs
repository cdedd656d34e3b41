//! Renewal of a session after a refresh: its new tokens, and the identity in them.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use super::Engine;
use super::token_grant::{TokenGrant, session_tokens};
use crate::credential::{PresentedToken, SessionHandle};
use crate::identity::{Identity, Subject};
use crate::issued_tokens::IssuedToken;
use crate::session::SessionFault;

/// Maximum time to verify a new access token, while the client waits for it.
const IDENTITY_TIMEOUT: Duration = Duration::from_secs(2);

impl Engine {
    /// Stores refreshed tokens and their identity with the session. A failure is logged and not returned.
    #[tracing::instrument(skip_all, fields(session = handle.as_str()))]
    pub(super) async fn renew_session(
        &self,
        subject: &Subject,
        handle: &SessionHandle,
        grant: &TokenGrant,
        issued: &[IssuedToken],
        now: Timestamp,
    ) {
        let tokens = session_tokens(self.deps.chain.issuer(), grant, issued);
        let identity = self.identity_from(&grant.access_token, subject).await;
        let sessions = &self.deps.sessions;
        match sessions
            .renew(subject, handle, &tokens, identity.as_ref(), now)
            .await
        {
            // A session that ended meanwhile is no failure: its new tokens are revoked
            // by `refuse_if_revoked_meanwhile`.
            Ok(()) | Err(SessionFault::Missing | SessionFault::Ended) => {}
            // The authorization server has already rotated the refresh token, and the register has the new
            // one. A store that fails now must not cost the client its tokens (I7).
            Err(SessionFault::Unavailable(fault)) => {
                tracing::warn!(%fault, "session not renewed, refreshed tokens are only in the register");
            }
        }
    }

    /// Returns the identity in a new access token.
    ///
    /// `None` if the token cannot be verified in time, or belongs to another user. The session keeps its
    /// identity then, and the tokens are returned to the client in any case (I7).
    async fn identity_from(&self, access_token: &PresentedToken, subject: &Subject) -> Option<Identity> {
        let verified = timeout(IDENTITY_TIMEOUT, self.deps.chain.verify(access_token, self.now())).await;
        let identity = match verified {
            Ok(Ok(verified)) => verified.into_info().identity.clone(),
            Ok(Err(fault)) => {
                tracing::warn!(%fault, "refreshed access token not verified, session keeps its identity");
                return None;
            }
            Err(_) => {
                tracing::warn!("refreshed access token not verified in time, session keeps its identity");
                return None;
            }
        };
        // A session belongs to one user for its whole life, whatever the authorization server returns.
        if !identity.belongs_to(subject) {
            tracing::warn!("refreshed access token refused for another user, session keeps its identity");
            return None;
        }
        Some(identity)
    }
}
